"""From what was asked of `colorize` to films in colour: where each goes, what it would take, and doing it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .progress import Reporter
from .running import Ready, make_ready, named, summary, tell_what_fits
from .session import Session

if TYPE_CHECKING:
    from ..film.plan import FilmPlan
    from ..film.receipt import Receipt
    from ..settings import ColorizeSettings, MemoryConfig
    from .options import NetworkChoice

__all__ = ["Request", "output_paths", "run", "show_plans"]

_CONTAINERS = (".mp4", ".mkv", ".mov", ".m4v", ".webm")  # kept as they are; others become .mkv


@dataclass(frozen=True)
class Request:
    """What was asked for, checked as far as it can be without opening a film."""

    jobs: tuple[tuple[Path, Path], ...]  # film, output
    folder: Path | None  # to be made for the outputs
    references: tuple[str, ...]
    settings: ColorizeSettings
    memory: MemoryConfig
    network: NetworkChoice
    as_json: bool


def _plans(session: Session, reporter: Reporter, request: Request) -> tuple[list[FilmPlan], int]:
    """Look at every film before half a gigabyte is fetched for the first; how many cannot be coloured at all."""
    reporter.step("Looking at the film" if len(request.jobs) == 1 else "Looking at the films")
    from ..errors import ColormnetError, UsageError
    from ..film.plan import plan_video

    plans: list[FilmPlan] = []
    for film, output in request.jobs:
        try:
            plans.append(plan_video(film, request.references, output, settings=request.settings))
        except ColormnetError as error:
            if len(request.jobs) == 1 or isinstance(error, UsageError):
                raise
            reporter.close()
            session.say(str(error), "error")
    return plans, len(request.jobs) - len(plans)


def run(session: Session, reporter: Reporter, request: Request) -> None:
    """Load the network once, then film after film; one that fails does not keep the others from being done."""
    from ..errors import ColormnetError

    plans, failed = _plans(session, reporter, request)
    receipts: list[Receipt] = []
    try:
        if plans:
            ready = make_ready(session, reporter, request.network)
        for plan in plans:
            try:
                receipts.append(_colorize_one(reporter, request, ready, plan))
            except ColormnetError as error:
                if len(request.jobs) == 1:
                    raise
                failed += 1
                reporter.close()
                session.say(f"{plan.info.path}: {error}", "error")
            else:
                reporter.message(summary(receipts[-1]))
    finally:
        reporter.close()
        if request.as_json and len(request.jobs) > 1:
            session.result(json.dumps([named(receipt, ready).to_dict() for receipt in receipts], indent=2, default=str))
        elif request.as_json and receipts:
            session.result(named(receipts[0], ready).to_json())
    if failed:
        raise ColormnetError(f"{failed} of {len(request.jobs)} films could not be coloured, see above")


def _colorize_one(reporter: Reporter, request: Request, ready: Ready, plan: FilmPlan) -> Receipt:
    from ..film.colorize import colorize

    film = plan.info.path
    with tell_what_fits(ready, request.memory, plan.working_size, request.settings.lookahead):
        return colorize(
            plan,
            ready.model,
            memory=request.memory,
            device=ready.device,
            precision=ready.precision,
            progress=lambda p: reporter.film(film.name, p),
        )


def show_plans(session: Session, reporter: Reporter, request: Request) -> None:
    """--dry-run: the same checks, and what it would cost."""
    from ..errors import ColormnetError
    from .dryrun import film_text, forecast

    plans, failed = _plans(session, reporter, request)
    shown = []
    for plan in plans:
        reporter.step("Estimating")
        cost = forecast(
            plan.working_size,
            plan.frames,
            network=request.network,
            memory=request.memory,
            lookahead=request.settings.lookahead,
        )
        reporter.close()
        shown.append({**plan.to_dict(), "estimate": cost.to_dict()})
        if not request.as_json:
            session.show(film_text(plan, cost), hang=10)
    if request.as_json:
        session.result(json.dumps(shown if len(request.jobs) > 1 else shown[0], indent=2, default=str))
    if failed:
        raise ColormnetError(f"{failed} of {len(request.jobs)} films cannot be coloured, see above")


def output_paths(films: list[Path], output: Path | None, *, archive: bool) -> tuple[list[Path], Path | None]:
    """Where each film goes: FILM-color beside it, the file that was named, or into the folder that was named."""
    from ..errors import UsageError

    if (
        output is None
        or output.is_dir()
        or (output.suffix.lower() not in _CONTAINERS and (len(films) > 1 or not output.suffix))
    ):
        folder = output
    elif len(films) == 1:
        return [output], None
    else:
        raise UsageError(f"{len(films)} films cannot all become {output}: name a folder with -o")
    paths = []
    for film in films:
        suffix = ".mkv" if archive or film.suffix.lower() not in _CONTAINERS else film.suffix
        paths.append(
            film.with_name(f"{film.stem}-color{suffix}") if folder is None else folder / f"{film.stem}{suffix}"
        )
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"Two of the films would both become {path}: colour them one after the other")
    return paths, folder
