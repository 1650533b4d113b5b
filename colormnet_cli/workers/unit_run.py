"""A run over a few units of a film: what a worker does. It writes no film, only finished units into the plan folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

from ..errors import NotFiniteError, OutputError, WorkerError
from ..film.film_run import FilmRun
from ..film.frame_source import Place
from ..film.grading.color_file_run import ColorFileRun
from ..film.plan import FilmPlan
from ..film.segment_table import SegmentTable
from ..film.shot_cache import UnitEnd
from ..passes.schedule import Schedule, Unit
from .tasks import Task

__all__ = ["Assignment", "UnitColorRun", "UnitRun"]


@dataclass(frozen=True)
class Assignment:
    """A task as it is given to a worker."""

    task: Task
    keys: tuple[str, ...]  # of the units to color
    places: Mapping[int, Place]  # of the first frames, by which they are found without decoding the film from its start
    folder: str  # name for the progress folder of the task, in the folder of finished units
    resume: bool = True  # what another worker has begun


class UnitRun(FilmRun):
    """Colors the units of an assignment.

    Args:
        plan: of the film; its schedule is taken as it is.
        assignment: what is to be colored.
    """

    def __init__(self, plan: FilmPlan, assignment: Assignment, *args: Any, **keywords: Any) -> None:
        assert plan.shots is not None  # for the type checker: only films with a plan have several units
        self.assignment, self.task = assignment, assignment.task
        units = plan.schedule.units[self.task.lead : self.task.stop]
        passes = [one for unit in units for shot in unit.shots for one in plan.schedule.passes_of(shot)]
        own = replace(
            plan,
            output=plan.shots.folder / "segments" / f".{assignment.folder}",
            references=tuple(dict.fromkeys(source for one in passes for source in one.references)),
            settings=replace(plan.settings, resume=assignment.resume),
            only_shots=(),
        )
        super().__init__(own, *args, **keywords)
        self.known_places = assignment.places

    def scheduled(self) -> Schedule:
        return self.plan.schedule

    @property
    def units(self) -> Sequence[Unit]:
        return self.schedule.units[self.task.lead : self.task.stop]

    @cached_property
    def segments(self) -> SegmentTable:
        return SegmentTable(self.units, self.segment_frames, self.task.first - self.task.lead)

    def finished_units(self, position: int) -> dict[int, UnitEnd]:
        passed = {unit.begin: UnitEnd((), {}) for unit in self.units if unit.begin < self.task.begin}
        return passed | super().finished_units(position)

    def color_units(self) -> None:
        """Color what is not there of the units.

        Raises:
            WorkerError: they would not be the units that were ordered.
            OutputError: they cannot be kept.
        """
        assert self.finished is not None  # for the type checker: there is a plan
        keys = self.finished.keys()
        own = [unit for unit in self.units if unit.begin >= self.task.begin]
        if tuple(keys[unit.begin] for unit in own) != self.assignment.keys:
            raise WorkerError(
                f"A worker does not see the same as the run that gives it shots ({self.plan.info.path}, its plan, the "
                "weights, or the versions of the programs differ): make them the same everywhere."
            )
        with self.explained(), self.folder, self._threads():
            done, kept = self.folder.checkpoint, self.finished.places()
            if done is not None and any(u.end is not None and u.end <= done.frames for u in own if u.begin not in kept):
                self.folder.discard()  # whoever began it was killed before the unit was kept
            self.color_frames()
        if self.finished is None or not all(unit.begin in self.finished.places() for unit in own):
            raise OutputError(f"{self.task.name} cannot be kept in {self.plan.output.parent}: make room there.")

    def widen_precision(self, error: NotFiniteError) -> NoReturn:
        raise error

    def _first_timestamp(self) -> int:
        return 0  # only a duration counts from it, and a plan has none


class UnitColorRun(UnitRun, ColorFileRun):
    """The same for a file with the color alone."""
