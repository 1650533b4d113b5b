"""`colormnet frames`: colorize a folder of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..settings import MemoryConfig, PicturesSettings
from . import options as o
from .groups import CommandLine
from .jobs import check_references, for_file
from .progress import Reporter
from .running import make_ready, named, summary, tell_what_fits
from .session import Session

if TYPE_CHECKING:
    from ..film.pictures_plan import PicturesPlan

__all__ = ["register"]

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", parser=o.path, help="Images of one size, in natural order.")]
OutputFolder = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="PATH", parser=o.path, show_default=False,
                              help="Folder to write; default: FOLDER-color."),
]  # fmt: skip


def register(app: CommandLine) -> None:
    app.command()(frames)


def frames(
    folder: Folder,
    colors: o.ColorSource,
    settings: PicturesSettings,
    memory: MemoryConfig,
    network: o.NetworkChoice,
    session: Session,
    output: OutputFolder = None,
    progress: o.Form = "auto",
    as_json: o.Json = False,
    dry_run: o.DryRun = False,
) -> None:
    """Colorize a folder of images as one film. Writes PNG files of the same names and bit depths.

    Example:  [bold]colormnet frames scans/ --ref ref.png[/bold]
    """
    references = for_file(colors.references, folder)
    check_references([(folder, references)])
    with Reporter(session, progress) as reporter:
        reporter.step("Starting PyTorch")
        from ..film.colorize import colorize
        from ..film.pictures_plan import plan_pictures

        reporter.step("Reading the images")
        plan = plan_pictures(folder, references, output, settings=settings)
        if dry_run:
            _show_plan(session, reporter, plan, memory, network, as_json=as_json)
            return
        ready = make_ready(session, reporter, network)
        with tell_what_fits(ready, memory, plan.working_size, settings.lookahead):
            receipt = colorize(
                plan,
                ready.model,
                memory=memory,
                device=ready.device,
                precision=ready.precision,
                progress=lambda p: reporter.film(folder.name, p, "images"),
            )
        reporter.message(summary(receipt, "image"))
        if as_json:
            session.result(named(receipt, ready).to_json())


def _show_plan(
    session: Session, reporter: Reporter, plan: PicturesPlan, memory: MemoryConfig, network: o.NetworkChoice, *,
    as_json: bool,
) -> None:  # fmt: skip
    """--dry-run: the same checks, and an estimate."""
    from .dryrun import forecast

    reporter.step("Estimating")
    cost = forecast(
        plan.working_size, len(plan.pictures), network=network, memory=memory,
        lookahead=plan.settings.lookahead,
    )  # fmt: skip
    reporter.close()
    if as_json:
        session.result(json.dumps({**plan.to_dict(), "estimate": cost.to_dict()}, indent=2))
        return
    height, width = plan.working_size
    session.show(
        f"{plan.folder} → {plan.output}\n"
        f"  images    {len(plan.pictures):,}, from {plan.pictures[0].name} to {plan.pictures[-1].name}\n"
        f"  network   at {width}×{height}, weights {cost.weights}\n"
        f"  reference {', '.join(plan.references)}\n"
        f"  estimate  {cost}",
        hang=10,
    )
