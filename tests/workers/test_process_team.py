"""Films colored by worker processes: the same film, whatever happens to the workers."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any, cast

import pytest

from colormnet_cli.errors import DeviceError, LostError
from colormnet_cli.workers import process_team
from colormnet_cli.workers.choice import Workers
from colormnet_cli.workers.colorize import colorize_with_workers
from colormnet_cli.workers.process_team import ProcessTeam
from colormnet_cli.workers.team import Event, GivenUp, Lost
from support import ending_worker

LENGTHS, SPANS = (9, 200, 290, 12, 30), {1: 4, 4: 6}  # more than 500 frames: workers seek
pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


@pytest.fixture(scope="module")
def film(studio: Any) -> Any:
    return studio(LENGTHS, SPANS)


def color(film: Any, workers: int = 2, progress: Any = None) -> Any:
    devices = Workers(devices=("cpu",) * workers)
    return colorize_with_workers(film.planned("two.mp4"), film.model, film.weights, devices, progress=progress)


def test_two_workers_give_the_identical_film(film: Any) -> None:
    """The film would depend on the number of GPUs."""
    seen: list[tuple[int, int | None]] = []
    receipt = color(film, progress=lambda p: seen.append((p.frame, p.workers)))
    assert film.result("two.mp4") == film.expected
    assert receipt.frames == film.frames
    assert max(frame for frame, workers in seen if workers == 2) == film.frames


class Killer:
    """Kills workers that color, at random moments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kills: int, longest: float) -> None:
        self.left, self._longest, self._chance = kills, longest, random.Random(3)
        enter = ProcessTeam.__enter__

        def entered(team: ProcessTeam) -> ProcessTeam:
            threading.Thread(target=self._work, args=(enter(team),), daemon=True).start()
            return team

        monkeypatch.setattr(ProcessTeam, "__enter__", entered)

    def _work(self, team: ProcessTeam) -> None:
        while self.left and team._members:
            time.sleep(self._chance.uniform(0, self._longest))
            busy = [member for member in team._members if member.assignment is not None and member.process.is_alive()]
            if busy:
                with suppress(ValueError, OSError):  # it has just been replaced
                    self._chance.choice(busy).process.kill()
                    self.left -= 1


def test_workers_killed_at_random_moments_lose_nothing(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process that runs out of memory would cost the film, or leave a shot half-written in it."""
    monkeypatch.setattr("colormnet_cli.workers.task_queue.ATTEMPTS", 20)  # chance may choose one shot often
    killer, warnings = Killer(monkeypatch, 10, longest=1.0), list[str]()
    while killer.left:
        film.forget()
        warnings += color(film).warnings
        assert film.result("two.mp4") == film.expected
    assert any("SIGKILL" in warning for warning in warnings)


def test_a_shot_that_ends_every_worker_is_reported(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shot for which no GPU has enough memory would keep the run busy for ever, or end it without a message."""
    film.forget()
    killer = Killer(monkeypatch, 1000, longest=0.01)
    with pytest.raises(LostError, match=r"^Shot 3 .* could not be colored: 3 workers failed at it \(SIGKILL"):
        color(film, workers=1)
    killer.left = 0
    assert not (film.folder / "two.mp4.colormnet-part").exists()


@pytest.fixture
def ending_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_team, "work", ending_worker.work)
    monkeypatch.setattr(process_team, "_STARTS", 1)


def events_of(team: ProcessTeam) -> list[Event]:
    """The next ones."""
    end = time.monotonic() + 60
    while not (events := team.poll(0.5)):
        assert time.monotonic() < end
    return events


@pytest.mark.usefixtures("ending_workers")
def test_what_a_worker_says_before_it_ends_is_reported() -> None:
    """A warning about a GPU whose memory is full would say "exit code 0"."""
    assignment: Any = "an assignment"
    with ProcessTeam(["cpu"], cast("Any", None)) as team:
        while not team.idle:
            team.poll(0.5)
        team.give(assignment)
        assert events_of(team) == [Lost(assignment, ending_worker.REASON)]


@pytest.mark.usefixtures("ending_workers")
def test_a_device_that_is_given_up_is_reported() -> None:
    """A film would take twice the time, without a message that one of two GPUs did nothing."""
    with ProcessTeam(["cpu", "missing"], cast("Any", None)) as team:
        assert events_of(team) == [GivenUp("missing: exit code 3")]
        assert team.size == 1


def test_workers_that_cannot_start_end_the_run(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device whose workers end at once would be tried for ever."""
    film.forget()
    monkeypatch.setattr(process_team, "_STARTS", 1)
    monkeypatch.setattr(process_team, "work", partial(os._exit, 3))
    with pytest.raises(DeviceError, match=r"No worker could be started \(cpu: exit code"):
        color(film, workers=1)
