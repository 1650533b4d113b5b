"""`colormnet frames`: colorize a folder of images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from ..settings import ColorSource, MemoryConfig, PicturesSettings
from . import options as o
from .films import Request, run, show_plans
from .groups import CommandLine
from .jobs import Job, check_references, for_file
from .reporter import Reporter
from .session import Session

__all__ = ["register"]


def register(app: CommandLine) -> None:
    app.command()(frames)


def frames(
    folder: Annotated[Path, o.argument("FOLDER", "Images of one size, in natural order.")],
    colors: ColorSource,
    settings: PicturesSettings,
    memory: MemoryConfig,
    network: o.NetworkChoice,
    session: Session,
    output: Annotated[
        Path | None,
        o.option(None, "Folder to write; default: FOLDER-color.", "--output", "-o", metavar="PATH", parser=o.path),
    ] = None,
    auto_model: o.AutoModel = "ddcolor",
    progress: o.Form = "auto",
    as_json: o.Json = False,
    dry_run: o.DryRun = False,
) -> None:
    """Colorize a folder of images as one film. Writes PNG files of the same names and bit depths.

    Example:  [bold]colormnet frames scans/ --ref ref.png[/bold]

    Photographs, each on its own, without a reference:

      [bold]colormnet frames photos/ --auto[/bold]
    """
    if colors.auto:
        network = replace(network, model=auto_model)
    job = Job(folder, output, for_file(colors, folder), settings, memory)
    check_references([job])
    with Reporter(session, progress) as reporter:
        (show_plans if dry_run else run)(session, reporter, Request([job], network, as_json, auto_model))
