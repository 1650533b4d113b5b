"""Gives tasks to workers: the longest first; a task whose worker was lost is given again, a few times."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from ..errors import LostError
from ..wording import listed
from .tasks import Task

__all__ = ["ATTEMPTS", "TaskQueue"]

ATTEMPTS = 3  # workers that a task is given to before the run ends


class TaskQueue:
    """Tasks that are to be colored, by any worker; each can be given out once it is added by `add`."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = {task.number: task for task in tasks}
        self._left = set(self._tasks)
        self._lost: dict[int, list[str]] = {}
        self._heap: list[tuple[int, int]] = []

    @property
    def is_done(self) -> bool:
        """Whether every task is."""
        return not self._left

    def is_finished(self, task: Task) -> bool:
        """Whether a task is: it may be by another worker than the one that had it last."""
        return task.number not in self._left

    def add(self, number: int) -> None:
        """A task can be begun."""
        heapq.heappush(self._heap, (-self._tasks[number].frames, number))

    def next(self) -> Task | None:
        """The longest task that nobody works at; None where there is none now."""
        while self._heap:
            _, number = heapq.heappop(self._heap)
            if number in self._left:
                return self._tasks[number]
        return None

    def attempt(self, task: Task) -> int:
        """How many workers were lost over it."""
        return len(self._lost.get(task.number, ()))

    def done(self, task: Task) -> None:
        """A task is finished; it may be that by two workers."""
        self._left.discard(task.number)

    def lost(self, task: Task, reason: str) -> None:
        """The worker that had a task has ended: another one gets it.

        Raises:
            LostError: it was the last attempt.
        """
        if self.is_finished(task):
            return
        reasons = self._lost.setdefault(task.number, [])
        reasons.append(reason)
        if len(reasons) >= ATTEMPTS:
            raise LostError(
                f"{task.name} could not be colored: {ATTEMPTS} workers failed at it ({listed(_unique(reasons))}); "
                "finished shots are kept, and the same command tries it again."
            )
        self.add(task.number)


def _unique(reasons: list[str]) -> list[str]:
    return list(dict.fromkeys(reasons))
