"""A film whose shots are colored by workers, and joined by an ordinary run that finds all of them finished."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..errors import OutputError, UsageError
from ..files import check_folder
from ..film.film_run import FilmRun
from ..film.grading.color_file_run import ColorFileRun
from ..film.plan import FilmPlan
from ..film.shot_cache import UnitEnd
from ..inference.colorizer import Colorizer
from ..passes.schedule import Schedule
from .places import PlaceFinder
from .task_queue import TaskQueue
from .tasks import Task, due_tasks, tasks_of
from .team import Done, Failed, GivenUp, Lost, Progressed, Team, TeamMaker
from .unit_run import Assignment
from .unit_worker import Setup

__all__ = ["DistributedColorRun", "DistributedRun", "check_distributable"]

_WAIT = 0.2  # seconds for which the team is asked at once
_LATE = 90.0  # seconds after which what others have written is seen on any drive


def check_distributable(plan: FilmPlan) -> None:
    """Check that a film has several parts that can be colored independently.

    Raises:
        UsageError: it has not.
    """
    if plan.shots is None:
        raise UsageError(
            f"{plan.info.path} is colored as one shot, which cannot be divided between workers: find its shots with "
            "`colormnet shots`, color their pictures, and give the plan (`plan`)."
        )
    if len(_tasks(plan, plan.schedule)) > 1:
        return
    if (count := len(plan.shots.shots)) > 1:
        raise UsageError(
            f"Workers cannot divide the film: all {count} shots of {plan.info.path} run into each other in dissolves "
            "that color is propagated back into: use one device, or propagate forward only (`direction`)."
        )
    raise UsageError(
        f"{plan.info.path} has one shot, which cannot be divided between workers: use one device, or cut the shot "
        "into windows, which changes its colors (`split_long`)."
    )


def _tasks(plan: FilmPlan, schedule: Schedule) -> list[Task]:
    return tasks_of(schedule, None if plan.fill is None else plan.fill.schedule)


class DistributedRun(FilmRun):
    """One film with a plan, by workers.

    Args:
        team: makes the workers.
        weights: the file that they load; the model of this run is from the same one.
        threads: of the CPU, for each worker.
        device: what the workers compute on; this process needs no such device.
    """

    def __init__(self, plan: FilmPlan, *args: Any, team: TeamMaker, weights: Path, threads: int, **more: Any) -> None:
        check_distributable(plan)
        self._team, self._weights, self._worker_threads = team, weights, threads
        self._done: dict[int, int] = {}  # frames of each task that are colored, by its number
        self._found = 0  # frames that an earlier run has colored
        self._distributing = False
        super().__init__(plan, *args, **more)

    def new_colorizer(self) -> Colorizer:
        """Only for comparing pictures: on the CPU where the workers' device is not here."""
        if self.device.type != "cuda" or torch.cuda.is_available():
            return super().new_colorizer()
        return Colorizer(self.model, self.memory, torch.device("cpu"), "fp32")

    def color_frames(self) -> None:
        if self.folder.checkpoint is None or not self.folder.checkpoint.complete:
            self._distributing = True
            self._distribute()
            self._distributing = False
        super().color_frames()

    def finished_units(self, position: int) -> dict[int, UnitEnd]:
        """All of them; also the shots of `only_shots`, which a run by one device would color again."""
        return self.finished.take(position, self.folder.path, ()) if self.finished else {}

    def resume_hint(self) -> str:
        if not self._distributing:
            return super().resume_hint()
        return "resumes with any number of workers, and finished shots are kept"

    @cached_property
    def _keys(self) -> dict[int, str]:
        assert self.finished is not None  # for the type checker: there is a plan
        return self.finished.keys()

    def _distribute(self) -> None:
        """Have everything colored that is not there."""
        assert self.finished is not None  # for the type checker: there is a plan
        self.folder.discard()  # the finished shots of a run by one device are kept; the one that it began is not
        self.finished.drop_damaged()
        ends = self.finished.places()
        if self.plan.only_shots:
            super().finished_units(0)  # raises an error where another shot is not there
        tasks = due_tasks(_tasks(self.plan, self.schedule), self.schedule, ends)
        due = sum(task.end - task.begin for task in tasks)
        self._found = (self.plan.frames or due) - due
        if not tasks:
            return
        check_folder(self.finished.folder)  # without it, one worker after the other would fail
        self._report()
        units = self.schedule.units
        known = {unit.end: ends[unit.begin].place for unit in units if unit.begin in ends and unit.end is not None}
        starts = [task.start for task in tasks]
        finder = PlaceFinder(self.plan, starts, known, self.finished.folder / "places.json")
        with finder as places, self._team(self._setup()) as team:
            self.meter.workers = team.size
            self._work(tasks, places, team)
        self.meter.workers = None
        self._see(tasks)

    def _see(self, tasks: Sequence[Task]) -> None:
        """Wait until everything is seen here: a network drive may show it late. Nothing is to be colored here."""
        assert self.finished is not None  # for the type checker: there is a plan
        end = time.monotonic() + _LATE
        while missing := due_tasks(tasks, self.schedule, self.finished.places()):
            if time.monotonic() > end:
                raise OutputError(
                    f"{missing[0].name} was colored, but is not in {self.finished.folder}: give the command again."
                )
            time.sleep(_WAIT)

    def _work(self, tasks: Sequence[Task], places: PlaceFinder, team: Team) -> None:
        """Give the team one task after the other, as their places are found."""
        queue = TaskQueue(tasks)
        while not queue.is_done:
            found = set(places.found())
            for number in (task.number for task in tasks if task.start in found):
                queue.add(number)
            while team.idle and (due := queue.next()) is not None:
                team.give(self._assignment(due, places, queue.attempt(due), team.certain))
            self._take_in(team, queue)

    def _setup(self) -> Setup:
        plan = replace(self.plan, schedule=self.schedule)
        alone = isinstance(self, ColorFileRun)
        return Setup(
            plan, self.memory, self._weights, self.weights, self.precision, self._worker_threads, color_alone=alone
        )

    def _assignment(self, task: Task, places: PlaceFinder, attempt: int, certain: bool) -> Assignment:
        keys = tuple(self._keys[unit.begin] for unit in self.schedule.units[task.first : task.stop])
        resume = self.plan.settings.resume or attempt > 0
        again = "" if certain or not attempt else f"-{attempt}"  # not beside one who may still write there
        return Assignment(task, keys, places.place(task.start), keys[0] + again, resume)

    def _take_in(self, team: Team, queue: TaskQueue) -> None:
        """Handle what the team reports."""
        for event in team.poll(_WAIT):
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Done):
                self.monitor.seen = sorted({*self.monitor.seen, *event.outcome.seen})
                queue.done(event.assignment.task)
                self._done[event.assignment.task.number] = event.assignment.task.end - event.assignment.task.begin
            elif isinstance(event, Progressed):
                self._done[event.assignment.task.number] = event.frames
            elif isinstance(event, GivenUp):
                self.meter.workers = team.size
                self.warn(f"A worker could not be started ({event.reason}): the film is colored without it.")
            elif isinstance(event, Lost) and not queue.is_finished(event.assignment.task):
                self._done[event.assignment.task.number] = 0
                queue.lost(event.assignment.task, event.reason)
                self.warn(f"A worker ended ({event.reason}): another one colors {event.assignment.task.name}.")
        self._report()

    def _report(self) -> None:
        self.frames = self._found + sum(self._done.values())
        self.meter.report("color", self.frames)


class DistributedColorRun(DistributedRun, ColorFileRun):
    """The same for a file with the color alone."""
