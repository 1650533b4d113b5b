"""`colormnet compare`: results of one film in one film, to look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..wording import many
from . import options as o
from .colorize import Audio, AudioOption, Codec, Crf, Preset
from .progress import Reporter, clock
from .session import Session

__all__ = ["register"]

LAYOUT = "Layout"


Results = Annotated[
    list[Path],
    typer.Argument(
        metavar="A B …", parser=o.path, help="Results: films, or folders of frames, of the input's shape and length."
    ),
]
Input = Annotated[
    Path,
    typer.Option(
        "--input", "-i", metavar="FILM", parser=o.path, help="The film they were made of: its times and sound."
    ),
]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FILE", parser=o.path, help="Film to write: .mp4, .mov, .mkv or .webm."),
]
Split = Annotated[
    bool, typer.Option("--split", rich_help_panel=LAYOUT, help="Two in one picture, with a moving line between.")
]
Seconds = Annotated[
    float, typer.Option("--seconds", rich_help_panel=LAYOUT, help="That the line takes there and back.")
]
WithInput = Annotated[
    bool, typer.Option("--with-input", rich_help_panel=LAYOUT, help="The black-and-white film as well, first.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label", rich_help_panel=LAYOUT, show_default=False, help="One for each result; their names if not said."
    ),
]
Columns = Annotated[
    int | None,
    typer.Option(
        "--columns", min=1, rich_help_panel=LAYOUT, show_default=False, help="Pictures in a row; by their number."
    ),
]
Width = Annotated[
    int | None,
    typer.Option("--width", min=16, rich_help_panel=LAYOUT, show_default=False, help="Of the whole, at most; 3840."),
]


def register(app: typer.Typer) -> None:
    app.command("compare")(compare)


def compare(
    ctx: typer.Context, results: Results, source: Input, output: Output,
    split: Split = False, seconds: Seconds = 8.0, with_input: WithInput = False, label: Labels = None,
    columns: Columns = None, width: Width = None,
    codec: Codec = None, crf: Crf = None, preset: Preset = None, audio: AudioOption = Audio.copy,
    overwrite: o.Overwrite = False, progress: o.Form = o.ProgressForm.auto, as_json: o.Json = False,
    verbose: o.Verbose = 0, quiet: o.Quiet = False, debug: o.Debug = False,
) -> None:  # fmt: skip
    """Put results of one film side by side, or split by a moving line, labelled, with the input's sound.

    Examples:  [bold]colormnet compare a.mp4 b.mp4 --input old.mp4 -o grid.mp4[/bold]

    [bold]colormnet compare a.mp4 b.mp4 --input old.mp4 --split -o swipe.mp4[/bold]
    """
    session: Session = ctx.obj
    with Reporter(session, progress) as reporter:
        reporter.step("Looking at the films")
        from ..evaluation.compare import CompareSettings
        from ..evaluation.compare import compare as run

        settings = CompareSettings(
            split=split, seconds=seconds, with_input=with_input, labels=tuple(label or ()), columns=columns,
            width=width, codec=codec, crf=crf, preset=preset, audio=audio.value, overwrite=overwrite,
        )  # fmt: skip
        done = run(results, source, output, settings=settings, progress=lambda at: reporter.film(output.name, at))
    for warning in done.warnings:
        session.say(warning, "warning")
    session.say(f"Wrote {output}: {many(done.frames, 'frame')} of {done.width}×{done.height} in {clock(done.seconds)}")
    if as_json:
        session.result(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
