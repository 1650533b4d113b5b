"""`colormnet colorize`: colorize films from reference images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..settings import ColorizeSettings, ColorSource, MemoryConfig
from ..workers.choice import Workers, parse_devices
from . import options as o
from .batch import read_batch
from .films import Request, run, show_plans
from .groups import CommandLine
from .jobs import Job, check_jobs, check_report, for_file, output_of
from .reporter import Reporter
from .session import Session
from .with_workers import network_of

__all__ = ["register"]


def register(app: CommandLine) -> None:
    app.command()(colorize)


def colorize(
    ctx: typer.Context,
    colors: ColorSource,
    settings: ColorizeSettings,
    memory: MemoryConfig,
    network: o.NetworkChoice,
    session: Session,
    films: Annotated[list[Path] | None, o.argument("FILM", "Films; several may be given.")] = None,
    output: Annotated[
        Path | None,
        o.option(
            None,
            "File to write, or folder for several films; default: FILM-color next to the film.",
            "--output",
            "-o",
            metavar="PATH",
            parser=o.path,
        ),
    ] = None,
    batch: Annotated[
        Path | None,
        o.option(
            None,
            "List of films: columns film, references (separated by ;), output, start, end, and any other option.",
            metavar="FILE.csv",
            parser=o.path,
        ),
    ] = None,
    auto_model: o.AutoModel = "ddcolor",
    report: Annotated[
        Path | None,
        o.option(
            o.OUTPUT,
            "Write a page with pictures of passages whose colors may be wrong: sudden changes of color, pale frames, "
            "frames that the references do not show. {stem} stands for the name of the film.",
            metavar="FILE.html",
            parser=o.path,
        ),
    ] = None,
    devices: o.Devices = None,
    ray: o.Ray = None,
    progress: o.Form = "auto",
    as_json: o.Json = False,
    dry_run: o.DryRun = False,
) -> None:
    """Colorize films from a reference image. Nothing else in a film changes.

    Example:  [bold]colormnet colorize old.mp4 --ref photo.jpg -o out.mp4[/bold]

    Several films, with the colors of a frame of another film:

      [bold]colormnet colorize a.mp4 b.mp4 --ref c.mp4@1:05 -o color/[/bold]

    A whole film, from colored pictures of its shots (see `colormnet shots`):

      [bold]colormnet colorize old.mp4 --plan old-plan -o out.mp4[/bold]

    The same on two GPUs (see docs/many-devices.md):

      [bold]colormnet colorize old.mp4 --plan old-plan -o out.mp4 --devices cuda:0,cuda:1[/bold]

    Without any reference, from stills that a network colors:

      [bold]colormnet colorize old.mp4 --auto -o out.mp4[/bold]

    Only the color, for `colormnet apply`:

      [bold]colormnet colorize old.mp4 --ref photo.jpg --chroma-out color.mkv[/bold]
    """
    if bool(films) == bool(batch):
        raise UsageError("Give films, or a list of films with --batch" + (", not both" if films else ""))
    workers = None
    if devices or ray:
        workers = Workers(parse_devices(devices) if devices else (), ray)
        network = network_of(network, workers)
    jobs = read_batch(batch, ctx) if batch else []
    for film in films or []:
        path = output_of(film, output, settings, several=len(films or []) > 1)
        jobs.append(Job(film, path, for_file(colors, film), settings, memory))
    check_jobs(jobs)
    if report is not None:
        check_report(report, jobs)
    with Reporter(session, progress) as reporter:
        (show_plans if dry_run else run)(
            session, reporter, Request(jobs, network, as_json, auto_model, workers, report)
        )
