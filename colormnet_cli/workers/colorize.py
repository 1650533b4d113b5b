"""`colorize_with_workers`: a planned film, colored by several processes or by a Ray cluster."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..film.colorize import for_network
from ..film.grading.two_steps import colorize_in_two_steps
from ..film.plan import FilmPlan
from ..film.receipt import Receipt
from ..inference.device import resolve_device, resolve_precision
from ..settings import MemoryConfig, ProgressCallback
from .choice import Workers
from .distributed_run import DistributedColorRun, DistributedRun, check_distributable
from .process_team import ProcessTeam
from .ray_team import RayCluster, RayTeam
from .team import TeamMaker

if TYPE_CHECKING:
    from ..networks.state_dict import Network

__all__ = ["colorize_with_workers"]


def colorize_with_workers(
    plan: FilmPlan,
    model: Network,
    weights: Path,
    workers: Workers,
    *,
    memory: MemoryConfig | None = None,
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Receipt:
    """Color a film with a plan folder as `colorize` does, its shots distributed to workers, the longest first.

    On CPUs the film is the same, bit for bit, as one worker's with as many threads.

    Args:
        plan: from `plan_video`.
        model, weights: a network, and the file that workers load it from.
        workers: where; for each worker `settings.threads` CPU threads, or its share of those that PyTorch has.

    Raises:
        ColormnetError: as `colorize`; LostError where a shot's workers ended three times.
        Interrupted: Ctrl-C; the same call goes on.
    """
    check_distributable(plan)
    plan = for_network(plan, model)
    with ExitStack() as stack:
        if workers.ray is None:
            device, *_ = [resolve_device(name) for name in dict.fromkeys(workers.devices)]  # all are there
            threads = plan.settings.threads or max(1, torch.get_num_threads() // len(workers.devices))
            team: TeamMaker = partial(ProcessTeam, workers.devices)
        else:
            cluster = stack.enter_context(RayCluster.connected(workers.ray, plan.settings.threads))
            device, threads, team = torch.device(cluster.device), cluster.threads, partial(RayTeam, cluster)
        how: dict[str, Any] = {"device": device, "precision": resolve_precision(precision, device)}
        how |= {"progress": progress, "team": team, "weights": weights, "threads": threads}
        if plan.settings.chroma_out is not None or plan.settings.steady:
            return colorize_in_two_steps(plan, model, memory, kind=DistributedColorRun, **how)
        return DistributedRun(plan, model, memory, **how).run()
