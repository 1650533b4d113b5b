"""`colormnet steady`: remove flicker from the colors of a film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..settings import ColorizeSettings
from . import options as o
from .groups import CommandLine
from .reporter import Reporter
from .running import summary
from .session import Session

__all__ = ["register"]


def register(app: CommandLine) -> None:
    app.command("steady")(steady)


def _original(text: str) -> Path | None:
    """The black-and-white film; "-" for the colored film itself."""
    return Path("-") if text == "-" else o.path(text)


def steady(
    source: Annotated[
        Path,
        typer.Argument(metavar="OLD", parser=_original, help="The original film; - for the luma of the colored one."),
    ],
    colored: Annotated[Path, o.argument("COLORED", "The same film in color, made by any program.")],
    output: o.FilmOutput,
    settings: Annotated[
        ColorizeSettings,
        ("codec", "crf", "preset", "archive", "audio", "overwrite", "resume", "strict"),
    ],
    session: Session,
    plan: Annotated[
        Path | None,
        o.option(
            None,
            "Folder made by `colormnet shots`, which says where shots begin; default: they are found.",
            "--plan",
            metavar="FOLDER",
            parser=o.path,
        ),
    ] = None,
    radius: Annotated[
        int, o.option(None, "Average each frame over N frames before and after it.", metavar="N", min=1, max=12)
    ] = 3,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:
    """Remove flicker from the colors of a film. Luma, sound and everything else are those of the original.

    Colors are averaged along the motion of the luma, never over a cut.

    Example:  [bold]colormnet steady old.mp4 colored.mp4 -o steady.mp4[/bold]
    """
    session.load.prepare()
    with Reporter(session, progress) as reporter:
        reporter.step("Reading the films")
        from ..film.grading.steady_film import plan_steady, steady_film

        planned = plan_steady(
            colored if source == Path("-") else source,
            colored,
            output,
            plan=plan,
            radius=radius,
            settings=settings,
            progress=lambda at: reporter.film(colored.name, at),
        )
        receipt = steady_film(planned, progress=lambda at: reporter.film(colored.name, at))
        reporter.message(summary(receipt))
    if as_json:
        session.result(receipt.to_json())
