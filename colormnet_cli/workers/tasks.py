"""The parts of a film that workers color independently of each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..passes.schedule import Schedule, Unit
from ..wording import listed

__all__ = ["Task", "due_tasks", "tasks_of"]


@dataclass(frozen=True)
class Task:
    """Consecutive units that one worker colors: a shot, and the dissolve to the next one.

    A shot that begins in a dissolve is colored through it once more, because its colors depend on that: the worker
    starts at the unit `lead`, and keeps what it colors from the unit `first` on.
    """

    number: int
    lead: int  # indices of units, as of `Schedule.units`: [lead, first) are passed through, [first, stop) are colored
    first: int
    stop: int
    start: int  # first frame of `lead`
    begin: int  # frames [begin, end) are colored
    end: int
    shots: tuple[int, ...]  # their numbers, for messages

    @property
    def frames(self) -> int:
        """That the network goes through."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """The task's shots and frames, for messages."""
        shots = f"Shot {self.shots[0]}" if len(self.shots) == 1 else f"The shots {listed(self.shots)}"
        return f"{shots} (frames {self.begin} to {self.end - 1})"


def tasks_of(schedule: Schedule, fill: Schedule | None = None) -> list[Task]:
    """A film whose shots all have an end, in as many parts as can be colored independently.

    It is cut where two shots meet, and after each dissolve, unless color is propagated into that backward from later
    frames.

    Args:
        fill: automatic stills of the same shots, which fill in.
    """
    schedules = [schedule] if fill is None else [schedule, fill]
    units, tasks = schedule.units, list[Task]()
    first, lead = 0, 0
    for index in range(1, len(units) + 1):
        if index < len(units) and not _is_cut(schedules, units[index - 1], units[index]):
            continue
        start, begin, end = units[lead].begin, units[first].begin, units[index - 1].end
        assert end is not None  # for the type checker: see above
        shots = tuple(dict.fromkeys(unit.shots[0].number for unit in units[first:index]))
        tasks.append(Task(len(tasks), lead, first, index, start, begin, end, shots))
        first = index
        lead = index - 1 if index < len(units) and _share(units[index - 1], units[index]) else index
    return tasks


def due_tasks(tasks: Collection[Task], schedule: Schedule, finished: Collection[int]) -> list[Task]:
    """The tasks of which a unit is not finished. Units are named by their first frames."""
    return [task for task in tasks if any(u.begin not in finished for u in schedule.units[task.first : task.stop])]


def _share(before: Unit, after: Unit) -> bool:
    """Whether a shot goes from one unit into the next."""
    return any(shot in after.shots for shot in before.shots)


def _is_cut(schedules: Sequence[Schedule], before: Unit, after: Unit) -> bool:
    """Whether a worker can begin with the unit `after`."""
    if not _share(before, after):
        return True
    if len(before.shots) < 2 or len(after.shots) != 1 or before.end is None:
        return False
    passes = (one for schedule in schedules for one in schedule.passes_of(after.shots[0]))
    return not any(one.backward and one.begin < before.end for one in passes)
