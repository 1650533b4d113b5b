"""Which parts of a film workers color independently, and in which order they get them."""

from __future__ import annotations

import pytest

from colormnet_cli.errors import LostError
from colormnet_cli.passes.schedule import Schedule, ScheduledShot, ShotReference
from colormnet_cli.passes.windows import OVERLAP, cut_into_windows
from colormnet_cli.shots.shot import Transition
from colormnet_cli.workers.task_queue import ATTEMPTS, TaskQueue
from colormnet_cli.workers.tasks import Task, due_tasks, tasks_of


def shot(number: int, start: int, end: int, at: int | None = None, dissolve: tuple[int, int] | None = None):
    way = Transition("dissolve", *dissolve) if dissolve else None
    return ScheduledShot(number, start, end, (ShotReference(f"{number}.png", at),), way)


def spans(schedule: Schedule) -> list[tuple[int, int, int]]:
    return [(task.start, task.begin, task.end) for task in tasks_of(schedule)]


def test_every_shot_between_cuts_is_a_task() -> None:
    """Workers would wait for each other, or color a frame twice."""
    assert spans(Schedule([shot(1, 0, 10), shot(2, 10, 25), shot(3, 25, 30)])) == [
        (0, 0, 10),
        (10, 10, 25),
        (25, 25, 30),
    ]


def test_a_shot_that_begins_in_a_dissolve_is_colored_through_it_again() -> None:
    """A film full of dissolves would be one task; or a shot's colors would begin anew behind its dissolve."""
    shots = [shot(1, 0, 20), shot(2, 16, 40, dissolve=(16, 20)), shot(3, 40, 50)]
    assert spans(Schedule(shots)) == [(0, 0, 20), (16, 20, 40), (40, 40, 50)]


def test_color_that_comes_from_behind_a_dissolve_joins_its_shots() -> None:
    """The color of a whole shot would be computed twice, for its dissolve and for itself."""
    shots = [shot(1, 0, 20), shot(2, 16, 40, at=30, dissolve=(16, 20)), shot(3, 40, 50)]
    assert spans(Schedule(shots)) == [(0, 0, 40), (40, 40, 50)]
    assert tasks_of(Schedule(shots))[0].name == "The shots 1 and 2 (frames 0 to 39)"


def test_only_what_is_not_there_is_due() -> None:
    """Shots that are finished would be colored again."""
    schedule = Schedule([shot(1, 0, 20), shot(2, 16, 40, dissolve=(16, 20)), shot(3, 40, 50)])
    tasks = tasks_of(schedule)
    assert due_tasks(tasks, schedule, {0, 16, 20, 40}) == []
    assert due_tasks(tasks, schedule, {0, 20, 40}) == tasks[:1]  # the dissolve is missing


def test_windows_of_a_long_shot_overlap_and_can_be_distributed() -> None:
    """--split-long would leave gaps, or windows that depend on each other."""
    shots = [shot(1, 0, 100), shot(2, 92, 400, dissolve=(92, 100)), shot(3, 390, 430, dissolve=(390, 400))]
    cut = cut_into_windows(shots, 120)
    assert [(s.number, s.window, s.start, s.end) for s in cut] == [
        (1, 0, 0, 100), (2, 1, 92, 208), (2, 2, 184, 305), (2, 3, 281, 400), (3, 0, 390, 430),
    ]  # fmt: skip
    assert cut[2].start == cut[1].end - OVERLAP
    assert spans(Schedule(cut)) == [(0, 0, 100), (92, 100, 208), (184, 208, 305), (281, 305, 400), (390, 400, 430)]
    assert cut_into_windows(cut[:1], 100) == [cut[0]]


def task(number: int, frames: int) -> Task:
    return Task(number, 0, 0, 1, 0, 0, frames, (number,))


def queue_of(*tasks: Task) -> TaskQueue:
    """With all of these tasks, which can be begun."""
    queue = TaskQueue(tasks)
    for one in tasks:
        queue.add(one.number)
    return queue


def test_the_longest_task_comes_first() -> None:
    """A long shot that begins last keeps all others waiting."""
    queue = TaskQueue([task(0, 5), task(1, 50), task(2, 20)])
    queue.add(0)
    queue.add(2)
    assert queue.next() == task(2, 20)
    queue.add(1)
    assert [queue.next(), queue.next(), queue.next()] == [task(1, 50), task(0, 5), None]
    for number, frames in enumerate((5, 50, 20)):
        assert not queue.is_done
        queue.done(task(number, frames))
    assert queue.is_done


def test_a_lost_task_is_given_again_three_times_at_most() -> None:
    """A shot that ends every worker would keep a film busy for ever; one that ended once would be missing."""
    queue, one = queue_of(task(7, 5)), task(7, 5)
    for attempt in range(ATTEMPTS - 1):
        assert queue.next() == one
        assert queue.attempt(one) == attempt
        queue.lost(one, "SIGKILL")
    assert queue.next() == one
    with pytest.raises(LostError, match=r"Shot 7 \(frames 0 to 4\) could not be colored: 3 workers .*\(SIGKILL\)"):
        queue.lost(one, "SIGKILL")


def test_a_task_that_two_workers_finished_is_done_once() -> None:
    """A worker that was believed lost and comes back would end the run, or have its shot colored again."""
    queue = queue_of(task(0, 5), task(1, 3))
    first = queue.next()
    assert first is not None
    queue.lost(first, "silent")
    queue.done(first)
    queue.lost(first, "silent")
    assert queue.next() == task(1, 3)
    assert queue.next() is None
