"""The simulation of many workers: figures in the documentation come from it."""

from __future__ import annotations

import pytest

import simulate_workers as sim
from colormnet_cli.passes.schedule import Schedule, ScheduledShot
from colormnet_cli.workers.tasks import tasks_of

TIMES = sim.Times(frame=1.0, shot=2.0, start=10.0, read=0.0, join=0.0)


def film(*lengths: int) -> list[ScheduledShot]:
    shots, begin = list[ScheduledShot](), 0
    for length in lengths:
        shots.append(ScheduledShot(len(shots) + 1, begin, begin + length, ()))
        begin += length
    return shots


def seconds(workers: int, times: sim.Times, *lengths: int) -> float:
    return sim.simulate(tasks_of(Schedule(film(*lengths))), workers, times)[0]


def test_times_add_up() -> None:
    """The figures would promise a speed that no number of workers has."""
    lengths = (30, 10, 20, 40)
    assert seconds(1, TIMES, *lengths) == 10 + sum(lengths) + 4 * 2
    assert seconds(2, TIMES, *lengths) == 10 + 50 + 4  # 40 and 10; 30 and 20
    assert seconds(100, TIMES, *lengths) == 10 + 40 + 2  # the longest shot


def test_a_shot_waits_until_it_is_found() -> None:
    """Reading the film once would cost nothing, as no machine reads."""
    times = sim.Times(frame=0.001, shot=0.0, start=0.0, read=1.0, join=0.5)
    assert seconds(8, times, 600, 10, 5) == pytest.approx(610 + 0.005 + 0.5 * 615)


def test_a_film_is_as_it_is_described() -> None:
    """The documentation names another distribution than the one that was simulated."""
    shots = sim.shots_of_film(hours=0.5)
    lengths = [((shot.end or 0) - shot.start) / sim.RATE for shot in shots]
    assert sum(lengths) == pytest.approx(1800)
    assert 4.5 < sum(lengths) / len(lengths) < 6.5
    found = sim.outcomes(shots, TIMES, (1, 4))
    assert [one.workers for one in found] == [1, 4]
    assert found[0].speedup == 1
    assert 3.9 < found[1].speedup <= 4
