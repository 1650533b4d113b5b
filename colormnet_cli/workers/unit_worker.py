"""What a worker is made from, and what it does with a task; the same in processes and in Ray actors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from ..errors import WorkerError
from ..film.fingerprint import model_sha256
from ..film.plan import FilmPlan
from ..film.run import RunObserver
from ..inference.colorizer import Colorizer
from ..inference.device import resolve_device
from ..inference.exemplar import Exemplar
from ..media.reference import read_exemplar
from ..settings import MemoryConfig
from ..weights import network_from_file
from .unit_run import Assignment, UnitColorRun, UnitRun

__all__ = ["Outcome", "Setup", "UnitWorker"]

_EXEMPLARS = 16  # images in memory


@dataclass(frozen=True)
class Setup:
    """Everything that does not change from task to task. It is pickled: frames and weights are in files."""

    plan: FilmPlan  # without its `exemplar`
    memory: MemoryConfig
    weights: Path
    sha256: str  # of the weights' tensors
    precision: str
    threads: int  # of the CPU, for each worker
    color_alone: bool = False  # units of a file with the color alone; else of the film

    def __post_init__(self) -> None:
        settings = replace(self.plan.settings, threads=self.threads)
        plan = replace(_reading(self.plan, read_exemplar), settings=settings)  # can be pickled
        object.__setattr__(self, "plan", plan)


def _reading(plan: FilmPlan, exemplar: Callable[..., Exemplar]) -> FilmPlan:
    """The plan with another function that reads its exemplars."""
    fill = None if plan.fill is None else replace(plan.fill, exemplar=exemplar)
    return replace(plan, exemplar=exemplar, fill=fill)


@dataclass(frozen=True)
class Outcome:
    """What is known of a task's frames when it is done, besides the files."""

    seen: list[tuple[int, float, float]]  # see `MatchMonitor.seen`


class _Report(RunObserver):
    """Reports how many of a task's frames are done."""

    def __init__(self, begin: int, report: Callable[[int], None]) -> None:
        self._begin, self._report = begin, report

    def advanced(self, frames: int) -> None:
        self._report(max(0, frames - self._begin))


class UnitWorker:
    """A network on a device, loaded once; `color` colors the units of one assignment after the other."""

    def __init__(self, setup: Setup, device: str) -> None:
        self.setup, self.device = setup, resolve_device(device)
        if not setup.weights.exists():
            raise WorkerError(
                f"A worker finds no weights at {setup.weights}: put them where every worker sees them (`model`)."
            )
        torch.set_num_threads(setup.threads)
        self.model = network_from_file(setup.weights)
        if model_sha256(self.model) != setup.sha256:
            raise WorkerError(f"{setup.weights} has other weights for a worker than for the run: copy the file again.")
        self.plan = _reading(setup.plan, lru_cache(_EXEMPLARS)(partial(read_exemplar, allow_gray=True)))
        self._colorizer: Colorizer | None = None

    def color(self, assignment: Assignment, report: Callable[[int], None]) -> Outcome:
        """Color the units of an assignment into the plan folder.

        Args:
            report: called with the number of frames that are done.
        """
        if self._colorizer is not None:
            self._colorizer.reset()
        kind = UnitColorRun if self.setup.color_alone else UnitRun
        run = kind(
            self.plan,
            assignment,
            self.model,
            self.setup.memory,
            device=self.device,
            precision=self.setup.precision,
            observer=_Report(assignment.task.begin, report),
            colorizer=self._colorizer,
        )
        self._colorizer = run.colorizer
        run.color_units()
        return Outcome(run.monitor.seen)
