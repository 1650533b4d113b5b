"""`colormnet recolor`: color a passage of a finished film again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..settings import ColorizeSettings, ColorSource, MemoryConfig
from ..timecode import format_time
from ..wording import many
from . import options as o
from .groups import CommandLine
from .jobs import for_file
from .reporter import Reporter, clock
from .running import make_ready, suggest_fitting_size
from .session import Session

if TYPE_CHECKING:
    from ..film.receipt import Receipt

__all__ = ["register"]


def register(app: CommandLine) -> None:
    app.command("recolor")(recolor)


def _source(text: str) -> Path:
    """The film that was colored; "-" for the luma of the colored one."""
    return Path("-") if text == "-" else o.path(text)


def recolor(
    film: Annotated[Path, o.argument("FILM", "The colored film.")],
    colors: Annotated[ColorSource, ("references", "references_at")],
    settings: Annotated[
        ColorizeSettings,
        (
            "size",
            "vividness",
            "protect",
            "direction",
            "max_exemplars",
            "lookahead",
            "threads",
            "guided",
            "ref_is_first",
            "codec",
            "crf",
            "preset",
            "archive",
            "encoder_options",
            "pix_fmt",
            "strict",
        ),
    ],
    memory: MemoryConfig,
    network: o.NetworkChoice,
    session: Session,
    begin: Annotated[
        str,
        o.option(None, "First timestamp or frame of the passage: 12.5, 00:01:02.5 or f1500.", "--from", metavar="TIME"),
    ],
    stop: Annotated[str, o.option(None, "End of the passage; this frame keeps its color.", "--to", metavar="TIME")],
    source: Annotated[
        Path | None,
        o.option(
            None,
            "The black-and-white film, for the luma of the passage; -: the luma of FILM; default: as the receipt says.",
            "--source",
            metavar="OLD",
            parser=_source,
        ),
    ] = None,
    receipt: Annotated[
        Path | None,
        o.option(
            None,
            "JSON that `colorize --json` printed; it is updated. Default: FILM.json, if its hash is that of FILM.",
            "--receipt",
            metavar="FILE",
            parser=o.path,
        ),
    ] = None,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:
    """Color a passage of a finished film again. Everything else in the film is copied without encoding it again.

    Example:  [bold]colormnet recolor out.mp4 --from 0:12:03 --to 0:12:09 --ref better.png --source old.mp4[/bold]

    The passage is encoded from keyframe to keyframe. At its ends, unless they are cuts, old and new colors are
    cross-faded over 12 frames. FILM is replaced at the end; an interrupted run leaves it as it was.
    """
    from ..weights import locate

    locate(network.model)  # a mistyped name is reported at once
    threads = session.load.prepare()  # before PyTorch is imported
    with Reporter(session, progress) as reporter:
        reporter.step(f"Reading {film}")
        from ..recoloring.recolor_plan import plan_recolor

        plan = plan_recolor(
            film, for_file(colors, film), begin, stop, source=source, receipt=receipt, settings=settings
        )
        ready = make_ready(session, reporter, network, settings.threads, threads)
        from ..film.colorize import for_network
        from ..recoloring.recolor import recolor as run

        size = for_network(plan.film, ready.model).working_size
        with suggest_fitting_size(ready, memory, size, settings.lookahead):
            done = run(
                plan,
                ready.model,
                memory=memory,
                device=ready.device,
                precision=ready.precision,
                progress=lambda at: reporter.film(film.name, at),
            )
        reporter.message(_summary(done))
    if as_json:
        session.result(done.to_json())


def _summary(receipt: Receipt) -> str:
    """The last line: what was changed, in what time, and what is worth knowing."""
    change = receipt.changes[-1]
    (first, last), (begin, end) = change["frames"], change["encoded_frames"]
    times = " to ".join(format_time(change[name]) for name in ("start", "end"))
    text = (
        f"Colored {many(last - first, 'frame')} of {receipt.output.path} again ({times}), of {end - begin:,} that were "
        f"encoded again, in {clock(change['seconds'])}, on {change['device']} in {change['precision']}."
    )
    notes = "; ".join(note.rstrip(".") for note in change["warnings"])
    return f"{text} Notes: {notes}." if notes else text
