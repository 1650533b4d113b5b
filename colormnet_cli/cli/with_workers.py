"""`--devices` and `--ray`: what they need of a film, and how it is colored with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..workers.choice import Workers
from .jobs import Job
from .options import NetworkChoice
from .reporter import Reporter
from .running import Ready

if TYPE_CHECKING:
    from ..film.pictures_plan import PicturesPlan
    from ..film.plan import FilmPlan
    from ..film.receipt import Receipt

__all__ = ["check_for_workers", "color_distributed", "network_of"]


def network_of(network: NetworkChoice, workers: Workers) -> NetworkChoice:
    """The choice of network with the device of this process: the first of the workers', or the CPU beside a cluster."""
    if network.device != "auto":
        other = "--devices" if workers.devices else "--ray"
        raise UsageError(f"--device and {other} contradict each other: {other} says where the film is colored")
    return replace(network, device=workers.devices[0] if workers.devices else "cpu")


def check_for_workers(job: Job, workers: Workers | None) -> None:
    """Check, before anything is loaded, that a film has shots to distribute."""
    if workers is not None and not job.prepares_plan and job.colors.plan is None:
        raise UsageError(
            f"{job.source} is colored as one shot, which cannot be divided between workers: find its shots with "
            "`colormnet shots`, color their pictures, and give --plan"
        )


def color_distributed(
    reporter: Reporter, workers: Workers, precision: str, job: Job, ready: Ready, plan: FilmPlan | PicturesPlan
) -> Receipt:
    """One film, its shots distributed to workers; the precision as it was given."""
    from ..film.plan import FilmPlan
    from ..workers.colorize import colorize_with_workers

    assert isinstance(plan, FilmPlan)  # folders of images take no such options
    return colorize_with_workers(
        plan,
        ready.model,
        ready.path,
        workers,
        memory=job.memory,
        precision=precision,
        progress=lambda p: reporter.film(job.source.name, p),
    )
