"""`colormnet compare`: results of one film in a new film, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from ..settings import EncodingSettings
from ..wording import many
from . import options as o
from .groups import CommandLine
from .reporter import Reporter, clock
from .session import Session

__all__ = ["register"]

LAYOUT = "Layout"


def register(app: CommandLine) -> None:
    app.command("compare")(compare)


def compare(
    results: Annotated[
        list[Path],
        o.argument(
            "A B …", "Results: films or folders of frames, with the aspect ratio and the number of frames of the input."
        ),
    ],
    source: Annotated[
        Path,
        o.option(
            None,
            "The film from which they were made; gives timestamps and sound.",
            "--input",
            "-i",
            metavar="FILM",
            parser=o.path,
        ),
    ],
    output: Annotated[
        Path,
        o.option(None, "Film to write: .mp4, .mov, .mkv or .webm.", "--output", "-o", metavar="FILE", parser=o.path),
    ],
    encoding: Annotated[EncodingSettings, ("codec", "crf", "preset", "audio")],
    session: Session,
    split: Annotated[
        bool, o.option(LAYOUT, "Two results in one picture, divided by a moving line.", "--split")
    ] = False,
    seconds: Annotated[float, o.option(LAYOUT, "Period of the moving line.", metavar="SECONDS")] = 8.0,
    with_input: Annotated[
        bool, o.option(LAYOUT, "Show the black-and-white film as well, first.", "--with-input")
    ] = False,
    label: Annotated[
        list[str] | None,
        o.option(LAYOUT, "Once for each result, in their order; default: their file names.", metavar="TEXT"),
    ] = None,
    columns: Annotated[
        int | None, o.option(LAYOUT, "Pictures in a row; default: up to three.", metavar="N", min=1)
    ] = None,
    width: Annotated[
        int | None, o.option(LAYOUT, "Maximum width of the grid in pixels; default: 3840.", metavar="N", min=16)
    ] = None,
    overwrite: o.Overwrite = False,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:
    """Show results of one film side by side or split by a moving line, with labels and the sound of the input.

    Examples:  [bold]colormnet compare a.mp4 b.mp4 --input old.mp4 -o grid.mp4[/bold]

    [bold]colormnet compare a.mp4 b.mp4 --input old.mp4 --split -o swipe.mp4[/bold]
    """
    with Reporter(session, progress) as reporter:
        reporter.step("Reading the films")
        from ..evaluation.compare import CompareSettings
        from ..evaluation.compare import compare as run

        settings = CompareSettings(
            split=split,
            seconds=seconds,
            with_input=with_input,
            labels=tuple(label or ()),
            columns=columns,
            width=width,
            codec=encoding.codec,
            crf=encoding.crf,
            preset=encoding.preset,
            audio=encoding.audio,
            overwrite=overwrite,
        )
        done = run(results, source, output, settings=settings, progress=lambda at: reporter.film(output.name, at))
    for warning in done.warnings:
        session.say(warning, "warning")
    session.say(f"Wrote {output}: {many(done.frames, 'frame')} of {done.width}×{done.height} in {clock(done.seconds)}")
    if as_json:
        session.result(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
