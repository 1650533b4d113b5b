"""`colormnet compare`: results of one film in a new film, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..settings import EncodingSettings
from ..wording import many
from . import options as o
from .groups import CommandLine
from .progress import Reporter, clock
from .session import Session

__all__ = ["register"]

LAYOUT = "Layout"

Results = Annotated[
    list[Path],
    typer.Argument(
        metavar="A B …",
        parser=o.path,
        help="Results: films or folders of frames, with the aspect ratio and the number of frames of the input.",
    ),
]
Input = Annotated[
    Path,
    typer.Option(
        "--input",
        "-i",
        metavar="FILM",
        parser=o.path,
        help="The film from which they were made; gives timestamps and sound.",
    ),
]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FILE", parser=o.path, help="Film to write: .mp4, .mov, .mkv or .webm."),
]
Split = Annotated[
    bool, typer.Option("--split", rich_help_panel=LAYOUT, help="Two results in one picture, divided by a moving line.")
]
Seconds = Annotated[float, typer.Option(rich_help_panel=LAYOUT, help="Period of the moving line.")]
WithInput = Annotated[
    bool,
    typer.Option("--with-input", rich_help_panel=LAYOUT, help="Show the black-and-white film as well, first."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        rich_help_panel=LAYOUT,
        show_default=False,
        help="Once for each result, in their order; by default their file names.",
    ),
]
Columns = Annotated[
    int | None,
    typer.Option(
        min=1,
        rich_help_panel=LAYOUT,
        show_default=False,
        help="Pictures in a row; by default up to three.",
    ),
]
Width = Annotated[
    int | None,
    typer.Option(
        min=16, rich_help_panel=LAYOUT, show_default=False, help="Maximum width of the grid in pixels; by default 3840."
    ),
]


def register(app: CommandLine) -> None:
    app.command("compare")(compare)


def compare(
    results: Results,
    source: Input,
    output: Output,
    encoding: Annotated[EncodingSettings, ("codec", "crf", "preset", "audio")],
    session: Session,
    split: Split = False,
    seconds: Seconds = 8.0,
    with_input: WithInput = False,
    label: Labels = None,
    columns: Columns = None,
    width: Width = None,
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
