"""Films (or folders of images) in, the same in color out: planned, then colorized with one network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ColormnetError, UsageError
from .jobs import Job, named_after
from .reporter import Reporter
from .running import Ready, make_ready, named, suggest_fitting_size, summary
from .session import Session
from .stills import color_fill, color_missing
from .with_workers import check_for_workers, color_distributed

if TYPE_CHECKING:
    from ..film.pictures_plan import PicturesPlan
    from ..film.plan import FilmPlan
    from ..film.receipt import Receipt
    from ..settings import Progress
    from ..workers.choice import Workers
    from .options import NetworkChoice

__all__ = ["Request", "run", "show_plans"]


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    jobs: Sequence[Job]
    network: NetworkChoice
    as_json: bool
    auto_model: str = ""  # for films whose stills are colored without a reference
    workers: Workers | None = None  # to which the shots are distributed
    report: Path | None = None  # a page that says where to look, for each film


def _plans(session: Session, reporter: Reporter, request: Request) -> list[tuple[Job, FilmPlan | PicturesPlan | None]]:
    """Plan every film before weights are loaded; one that cannot be planned does not stop the others.

    Films whose shots have to be found are only checked: they have no plan yet. Others are planned without automatic
    stills that fill in, which may not be there yet.
    """
    from ..weights import locate

    locate(request.network.model)  # a mistyped name is reported at once
    if any(job.prepares_plan or job.colors.fill for job in request.jobs):
        locate(request.auto_model)
    reporter.step(f"Reading {request.jobs[0].source}" if len(request.jobs) == 1 else "Reading the films")
    plans: list[tuple[Job, FilmPlan | PicturesPlan | None]] = []
    for job in request.jobs:
        try:
            job.check()
            check_for_workers(job, request.workers)
            plans.append((job, None if job.prepares_plan else job.without_fill().plan()))
        except ColormnetError as error:
            if len(request.jobs) == 1 or isinstance(error, UsageError):
                raise
            reporter.close()
            session.say(str(error), "error")
    return plans


def run(session: Session, reporter: Reporter, request: Request) -> None:
    """Load the network once, then colorize film after film; one that fails does not stop the others."""
    threads = session.load.prepare()  # before PyTorch is imported, which the last step of a plan does
    plans = _plans(session, reporter, request)
    receipts: list[Receipt] = []
    try:
        if plans:
            ready = make_ready(session, reporter, request.network, request.jobs[0].settings.threads, threads)
        for job, planned in plans:
            try:
                known = None if job.colors.fill or planned is None else _current(job, planned)
                plan = known or _prepared_plan(session, reporter, request, job, ready)
                receipts.append(_colorize_one(reporter, request, job, ready, plan))
                _write_report(reporter, request, job, named(receipts[-1], ready))
            except ColormnetError as error:
                if len(request.jobs) == 1:
                    raise
                reporter.close()
                session.say(f"{job.source}: {error}", "error")
            else:
                reporter.message(summary(receipts[-1], job.unit))
    finally:
        reporter.close()
        if request.as_json and len(request.jobs) > 1:
            session.result(json.dumps([named(receipt, ready).to_dict() for receipt in receipts], indent=2, default=str))
        elif request.as_json and receipts:
            session.result(named(receipts[0], ready).to_json())
    _report_failures(request, len(receipts))


def _current(job: Job, plan: FilmPlan | PicturesPlan) -> FilmPlan | PicturesPlan:
    """The plan, made again if the film has been replaced since, which may be hours ago."""
    info = getattr(plan, "info", None)
    return plan if info is None or info.stamp.fits(info.path) else job.plan()


def _prepared_plan(
    session: Session, reporter: Reporter, request: Request, job: Job, ready: Ready
) -> FilmPlan | PicturesPlan:
    """Find the shots of a film, color their stills, and plan the film by them. What exists is kept."""
    from ..film.fill_plan import check_fills
    from ..inference.engine import engine_of
    from ..shots.make_plan import make_plan
    from ..weights import weights_path

    def report(at: Progress) -> None:
        reporter.film(job.source.name, at, "stills" if at.phase == "automatic" else f"{job.unit}s")

    if job.colors.fill:
        check_fills(engine_of(ready.model))
    folder = job.plan_folder
    if not (folder / "shots.csv").exists():  # all its stills will need the weights: fetched before the film is read
        weights_path(request.auto_model, notice=reporter.message, progress=reporter.fetch)
    make_plan(job.source, folder, progress=report)
    if job.colors.fill:
        color_fill(reporter, ready, folder, request.auto_model, report)
        return job.plan()
    color_missing(session, reporter, ready, folder, request.auto_model, report)
    make_plan(job.source, folder)  # the page that shows all pictures
    return job.with_plan().plan()


def _write_report(reporter: Reporter, request: Request, job: Job, receipt: Receipt) -> None:
    """The page that says where to look."""
    if request.report is None:
        return
    from ..evaluation.film_report import write_film_report

    reporter.step("Writing the report")
    write_film_report(receipt, named_after(request.report, job.source))


def _report_failures(request: Request, done: int) -> None:
    if failed := len(request.jobs) - done:
        raise ColormnetError(f"{failed} of {len(request.jobs)} films could not be colorized, see above")


def _colorize_one(
    reporter: Reporter, request: Request, job: Job, ready: Ready, plan: FilmPlan | PicturesPlan
) -> Receipt:
    if request.workers is not None:
        return color_distributed(reporter, request.workers, request.network.precision, job, ready, plan)
    from ..film.colorize import colorize, for_network

    plan = for_network(plan, ready.model)
    with suggest_fitting_size(ready, job.memory, plan.working_size, job.settings.lookahead):
        return colorize(
            plan,
            ready.model,
            memory=job.memory,
            device=ready.device,
            precision=ready.precision,
            progress=lambda p: reporter.film(job.source.name, p, f"{job.unit}s"),
        )


def show_plans(session: Session, reporter: Reporter, request: Request) -> None:
    """--dry-run: the same checks, and an estimate."""
    from .dryrun import forecast, plan_text, sizes_of

    shown = []
    plans = _plans(session, reporter, request)
    from ..film.colorize import for_network  # after what is reported without PyTorch

    network, weights = sizes_of(request.network.model)
    for job, planned in plans:
        if planned is None:
            raise UsageError(
                f"--auto finds the shots of {job.source} first: run `colormnet shots` and `colormnet stills`, "
                "then give --plan instead"
            )
        reporter.step("Estimating")
        plan = for_network(planned, network)
        cost = forecast(plan, network, weights, choice=request.network, memory=job.memory, twice=bool(job.colors.fill))
        reporter.close()
        shown.append({**plan.to_dict(), "estimate": cost.to_dict()})
        if not request.as_json:
            session.show(plan_text(plan, cost), hang=10)
    if request.as_json:
        session.result(json.dumps(shown if len(request.jobs) > 1 else shown[0], indent=2, default=str))
    _report_failures(request, len(shown))
