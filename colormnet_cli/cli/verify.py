"""`colormnet verify`: whether a colored film is the original with color, and nothing else changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from ..errors import ColormnetError, MediaError
from ..settings import Progress
from . import options as o
from .groups import CommandLine
from .reporter import Reporter
from .session import Session

__all__ = ["register"]


def register(app: CommandLine) -> None:
    app.command("verify")(verify)


def verify(
    source: Annotated[Path, o.argument("OLD", "The black-and-white film.")],
    result: Annotated[Path, o.argument("NEW", "The same film in color.")],
    session: Session,
    receipt: Annotated[
        Path | None,
        o.option(None, "JSON that `colorize --json` printed; its hashes are checked.", metavar="FILE", parser=o.path),
    ] = None,
    audio: Annotated[Literal["copy", "aac", "none"], o.OPTIONS["audio"]] = "copy",
    min_psnr: Annotated[
        float,
        o.option(
            None,
            "PSNR of the luma, below which a frame of a lossy codec counts as another picture.",
            metavar="DB",
            min=0,
        ),
    ] = 25.0,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:
    """Check that nothing but the color of a film has changed. Exit code 1 if something has.

    Compares the number of frames, their timestamps and their luma, the packets of sound, subtitles and attachments,
    size, pixel aspect, rotation, color tags, chapters and metadata. Give --audio as to the command that wrote NEW.

    Example:  [bold]colormnet verify old.mp4 out.mkv[/bold]
    """
    with Reporter(session, progress) as reporter:
        reporter.step("Reading the films")
        from ..film.verify import verify_film

        checks = verify_film(
            source,
            result,
            receipt=None if receipt is None else _read(receipt),
            audio=audio,
            min_psnr=min_psnr,
            progress=lambda done, total: reporter.film(result.name, Progress("verify", done, total, 0, 0, None, None)),
        )
    failed = [check for check in checks if not check.passed]
    if as_json:
        session.result(json.dumps({"passed": not failed, "checks": [c.to_dict() for c in checks]}, indent=2))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            session.show(f"{'ok  ' if check.passed else 'FAIL'}  {check.name:<{width}}  {check.detail}", hang=width + 8)
    if failed:
        raise ColormnetError(f"{result} differs from {source} in {', '.join(check.name for check in failed)}")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MediaError(f"{path} is no receipt: give the JSON that `colormnet colorize --json` printed.") from error
