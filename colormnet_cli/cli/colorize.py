"""`colormnet colorize`: colorize films from reference images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..settings import ColorizeSettings, MemoryConfig
from . import options as o
from .films import Request, run, show_plans
from .groups import CommandLine
from .jobs import Job, check_jobs, for_file, output_paths
from .progress import Reporter
from .session import Session

__all__ = ["register"]

Films = Annotated[list[Path], typer.Argument(metavar="FILM", parser=o.path, help="Films; several may be given.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        parser=o.path,
        show_default=False,
        help="File to write, or folder for several films; default: FILM-color beside the film.",
    ),
]


def register(app: CommandLine) -> None:
    app.command()(colorize)


def colorize(
    films: Films,
    colors: o.ColorSource,
    settings: ColorizeSettings,
    memory: MemoryConfig,
    network: o.NetworkChoice,
    session: Session,
    output: Output = None,
    progress: o.Form = "auto",
    as_json: o.Json = False,
    dry_run: o.DryRun = False,
) -> None:
    """Colorize films from a reference image. Nothing else in a film changes.

    Example:  [bold]colormnet colorize old.mp4 --ref photo.jpg -o out.mp4[/bold]

    Several films, with the colors of a frame of another film:

      [bold]colormnet colorize a.mp4 b.mp4 --ref c.mp4@1:05 -o color/[/bold]
    """
    outputs = output_paths(films, output, archive=settings.archive)
    jobs = [
        Job(film, path, for_file(colors.references, film), settings, memory)
        for film, path in zip(films, outputs, strict=True)
    ]
    check_jobs(jobs)
    with Reporter(session, progress) as reporter:
        (show_plans if dry_run else run)(session, reporter, Request(jobs, network, as_json))
