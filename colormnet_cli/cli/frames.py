"""`colormnet frames`: a folder of pictures in, a folder of pictures in colour out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as o
from .progress import Reporter
from .running import make_ready, named, summary, tell_what_fits
from .session import Session

if TYPE_CHECKING:
    from ..film.pictures_plan import PicturesPlan
    from ..settings import MemoryConfig

__all__ = ["register"]

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", parser=o.path, help="Pictures of one size, taken in natural order.")
]
OutputFolder = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="PATH", parser=o.path, show_default=False,
                              help="Folder to write; FOLDER-color if not said."),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command()(frames)


def frames(
    ctx: typer.Context, folder: Folder, ref: o.References, output: OutputFolder = None,
    ref_is_first: o.RefIsFirst = None,
    model: o.Model = "colormnet", device: o.Device = "auto", precision: o.PrecisionOption = o.Precision.auto,
    size: o.Size = "480", lookahead: o.Lookahead = None, guided: o.Guided = True,
    strict: o.Strict = False, overwrite: o.Overwrite = False, resume: o.Resume = True,
    gamma: o.Gamma = 5, ns: o.Ns = 10, ne: o.Ne = 5, m: o.M = 128, top_k: o.TopK = 30, long_term: o.LongTerm = 10_000,
    progress: o.Form = o.ProgressForm.auto, as_json: o.Json = False, dry_run: o.DryRun = False,
    verbose: o.Verbose = 0, quiet: o.Quiet = False, debug: o.Debug = False,
) -> None:  # fmt: skip
    """Colour a folder of pictures as if they were a film; PNG files of the same names and bit depths come out.

    Example:  [bold]colormnet frames scans/ --ref ref.png[/bold]
    """
    from ..settings import PicturesSettings

    settings = PicturesSettings(
        size=o.parse_size(size), lookahead=lookahead, guided=guided, ref_is_first=ref_is_first, overwrite=overwrite,
        resume=resume, strict=strict,
    )  # fmt: skip
    session: Session = ctx.obj
    with Reporter(session, progress) as reporter:
        reporter.step("Starting PyTorch")
        memory = o.memory_config(gamma, ns, ne, m, top_k, long_term)
        from ..film.colorize import colorize
        from ..film.pictures_plan import plan_pictures

        reporter.step("Looking at the pictures")
        plan = plan_pictures(folder, ref, output, settings=settings)
        if dry_run:
            _show_plan(session, reporter, plan, memory, (model, device, precision.value), as_json=as_json)
            return
        ready = make_ready(session, reporter, model, device, precision.value)
        with tell_what_fits(ready, memory, plan.working_size, settings.lookahead):
            receipt = colorize(
                plan,
                ready.model,
                memory=memory,
                device=ready.device,
                precision=ready.precision,
                progress=lambda p: reporter.film(folder.name, p, "pictures"),
            )
        reporter.message(summary(receipt, "picture"))
        if as_json:
            session.result(named(receipt, ready).to_json())


def _show_plan(
    session: Session, reporter: Reporter, plan: PicturesPlan, memory: MemoryConfig, how: tuple[str, str, str], *,
    as_json: bool,
) -> None:  # fmt: skip
    """--dry-run: the same checks, and what it would cost."""
    from .dryrun import forecast

    model, device, precision = how
    reporter.step("Estimating")
    cost = forecast(
        plan.working_size, len(plan.pictures), model=model, device=device, precision=precision, memory=memory,
        lookahead=plan.settings.lookahead,
    )  # fmt: skip
    reporter.close()
    if as_json:
        session.result(json.dumps({**plan.to_dict(), "estimate": cost.to_dict()}, indent=2))
        return
    height, width = plan.working_size
    session.show(
        f"{plan.folder} → {plan.output}\n"
        f"  pictures  {len(plan.pictures):,}, from {plan.pictures[0].name} to {plan.pictures[-1].name}\n"
        f"  network   at {width}×{height}, weights {cost.weights}\n"
        f"  colours   {', '.join(plan.references)}\n"
        f"  cost      {cost}",
        hang=10,
    )
