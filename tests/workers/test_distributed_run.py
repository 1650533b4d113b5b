"""Films whose shots are distributed: what is colored, and from where it is decoded. The worker is in this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from colormnet_cli import colorize, plan_video, prepare_fill
from colormnet_cli.errors import MediaError, OutputError, UsageError, WorkerError
from colormnet_cli.film.checkpoint import SEGMENT_FRAMES
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.video import reader
from colormnet_cli.workers import colorize as workers_colorize
from colormnet_cli.workers import distributed_run, places
from colormnet_cli.workers.choice import Workers, parse_devices
from colormnet_cli.workers.colorize import colorize_with_workers
from colormnet_cli.workers.team import Done, Event, Failed, GivenUp, Lost
from colormnet_cli.workers.unit_run import Assignment
from colormnet_cli.workers.unit_worker import Outcome, Setup, UnitWorker
from support.networks import make_small_ddcolor
from support.planned_film import paint

LENGTHS, SPANS = (9, 14, 20, 15, 12), {1: 4, 4: 6}
BEGINS = [0, 13, 27, 47, 68]  # of the tasks, in frames; what follows on a dissolve begins behind it
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def film(studio):
    return studio(LENGTHS, SPANS)


@pytest.fixture(autouse=True)
def _seeks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MIN_SEEK_FRAMES", 5)
    monkeypatch.setattr(places, "MIN_SEEK_FRAMES", 5)


class LocalTeam:
    """One worker, in this process."""

    size, certain = 1, True

    def __init__(self, setup: Setup) -> None:
        self.worker, self.assignments = UnitWorker(setup, "cpu"), list[Assignment]()
        self.due: Assignment | None = None

    def __enter__(self) -> LocalTeam:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def idle(self) -> int:
        return int(self.due is None)

    def give(self, assignment: Assignment) -> None:
        self.assignments.append(assignment)
        self.due = assignment

    def poll(self, seconds: float) -> list[Event]:
        assignment, self.due = self.due, None
        if assignment is None:
            return []
        try:
            return [Done(assignment, self.worker.color(assignment, lambda _: None))]
        except WorkerError as error:
            return [Failed(error)]


def color(film: Any, kind: type[LocalTeam] = LocalTeam, **settings: Any) -> tuple[Any, list[Assignment]]:
    """The receipt, and the assignments that were given."""
    teams = list[LocalTeam]()

    def team(_: Any, setup: Setup) -> LocalTeam:
        teams.append(kind(setup))
        return teams[-1]

    with mock.patch.object(workers_colorize, "ProcessTeam", team):
        plan, workers = film.planned("distributed.mp4", **settings), Workers(devices=("cpu",))
        receipt = colorize_with_workers(plan, film.model, film.weights, workers)
    return receipt, [assignment for one in teams for assignment in one.assignments]


@pytest.mark.slow
def test_the_film_is_the_same_and_every_shot_begins_where_it_should(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker would begin a frame early or late, or decode the film from its start for every shot."""
    film.forget()
    decoded = list[int]()
    counting = reader.Reader._frame

    def frame(self: Any, *more: Any) -> Any:
        decoded.append(more[1])
        return counting(self, *more)

    monkeypatch.setattr(reader.Reader, "_frame", frame)
    found = places.PlaceFinder.found

    def all_found(self: places.PlaceFinder) -> list[int]:
        self._thread.join()  # or a short shot may be given before a long one is found
        return found(self)

    monkeypatch.setattr(places.PlaceFinder, "found", all_found)
    receipt, assignments = color(film)
    assert film.result("distributed.mp4") == film.expected
    assert receipt.frames == receipt.reused == film.frames
    assert sorted(one.task.begin for one in assignments) == BEGINS
    frames = [one.task.frames for one in assignments]
    assert frames == sorted(frames, reverse=True)
    assert [bool(one.places) for one in sorted(assignments, key=lambda one: one.task.begin)] == [False] + 4 * [True]
    assert decoded.count(0) <= 3  # by the search for places, and by the passes of the first shot
    assert receipt.match is not None
    assert receipt.findings is not None
    assert receipt.findings["frames"] == film.frames  # noted by the workers
    assert not list((film.plan / "segments").glob("*part*"))


@pytest.mark.slow
def test_only_what_changed_is_distributed(film: Any) -> None:
    """Hours would pass again for one corrected picture."""
    color(film)
    kept = (film.plan / "colored/0001.png").read_bytes()
    paint(film.plan, 1, (90, -60))
    _, assignments = color(film)
    assert [assignment.task.begin for assignment in assignments] == [0]
    (film.plan / "colored/0001.png").write_bytes(kept)
    with pytest.raises(UsageError, match="no finished segments of"):
        color(film, only_shots="3")
    _, assignments = color(film, only_shots="1")
    assert [assignment.task.begin for assignment in assignments] == [0]
    assert film.result("distributed.mp4") == film.expected


@pytest.mark.slow
def test_a_film_that_one_device_has_begun_is_finished_by_workers(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who adds a second GPU in the middle of a film would have to start again."""
    film.forget()
    monkeypatch.setattr("colormnet_cli.film.checkpoint.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setitem(SEGMENT_FRAMES, "cpu", 5)

    def stop(at: Any) -> None:
        if at.frame > 30:
            raise KeyboardInterrupt

    expected = film.alone()
    film.forget()
    with pytest.raises(KeyboardInterrupt):
        colorize(film.planned("distributed.mp4"), film.model, device="cpu", progress=stop)
    _, assignments = color(film)
    assert sorted(assignment.task.begin for assignment in assignments) == BEGINS[2:]
    assert film.result("distributed.mp4") == expected
    film.forget()


@pytest.mark.slow
def test_damaged_segments_are_colored_again(film: Any) -> None:
    """A file that is missing would end every later run."""
    color(film)
    next((film.plan / "segments").glob("*/segment-*")).unlink()
    _, assignments = color(film)
    assert len(assignments) == 1
    assert film.result("distributed.mp4") == film.expected


@pytest.mark.slow
def test_windows_of_a_long_shot_are_the_same_by_one_and_by_several(studio: Any) -> None:
    """--split-long would give other colors with every number of workers; or the same as without, and cost nothing."""
    film = studio((8, 54), rate=6)  # windows have at least 48 frames
    (film.plan / "colored/0002.png").rename(film.plan / "colored/0002_f8.png")  # of its first frame
    expected = film.alone(split_long=4)
    assert expected != film.alone()
    film.forget()
    _, assignments = color(film, split_long=4)
    assert sorted((one.task.start, one.task.end) for one in assignments) == [(0, 8), (8, 47), (23, 62)]
    assert film.result("distributed.mp4") == expected
    with pytest.raises(UsageError, match=r"`split_long` is 1: give at least 4 seconds"):
        color(film, split_long=1)


@pytest.mark.slow
def test_steady_colors_are_the_same_by_one_and_by_several(film: Any) -> None:
    """--steady would be left out with --devices, or color that is kept for other uses would be of another film."""
    film.forget()
    expected = film.alone(steady=True)
    assert expected != film.expected
    film.forget()
    _, assignments = color(film, steady=True)
    assert len(assignments) == len(BEGINS)
    assert film.result("distributed.mp4") == expected
    film.forget()


@pytest.mark.slow
def test_colors_that_fill_in_are_the_same_by_one_and_by_several(film: Any) -> None:
    """--fill would be left out with --devices, or begin anew within a shot."""
    film.forget()
    prepare_fill(film.film, automatic=make_small_ddcolor(), model=film.model, device="cpu")
    expected = film.alone(fill="auto")
    assert expected != film.expected
    film.forget()
    _, assignments = color(film, fill="auto")
    assert len(assignments) > 1
    assert film.result("distributed.mp4") == expected
    film.forget()


def test_a_worker_that_sees_something_else_ends_the_run(film: Any) -> None:
    """Shots of another film, or by other weights, would be joined into this one."""
    film.forget()

    class Elsewhere(LocalTeam):
        def __init__(self, setup: Setup) -> None:
            super().__init__(setup)
            self.worker.plan = film.planned("x.mp4", guided=False)

    with pytest.raises(WorkerError, match="A worker does not see the same as the run"):
        color(film, Elsewhere)

    class Wrong(LocalTeam):
        def __init__(self, setup: Setup) -> None:
            UnitWorker(Setup(setup.plan, setup.memory, setup.weights, "0" * 64, "fp32", 1), "cpu")

    with pytest.raises(WorkerError, match="has other weights for a worker"):
        color(film, Wrong)


@pytest.mark.slow
def test_the_shot_of_a_killed_worker_is_colored_again(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one would find the shot done, and nothing of it would ever be in the film."""

    class Killed(LocalTeam):
        def poll(self, seconds: float) -> list[Event]:
            if self.due is None or self.assignments[0] is not self.due:
                return super().poll(seconds)
            assignment, self.due = self.due, None
            with monkeypatch.context() as patch:
                patch.setattr(FilmRun, "_keep", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
                with pytest.raises(RuntimeError):
                    self.worker.color(assignment, lambda _: None)
            return [Lost(assignment, "SIGKILL")]

    film.forget()
    _, assignments = color(film, Killed)
    assert [assignment.task for assignment in assignments].count(assignments[0].task) == 2
    assert film.result("distributed.mp4") == film.expected


def test_what_was_colored_and_is_not_there_ends_the_run(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that distributes shots would color it itself, alone, without a word."""

    class Forgetful(LocalTeam):
        def poll(self, seconds: float) -> list[Event]:
            assignment, self.due = self.due, None
            return [] if assignment is None else [Done(assignment, Outcome([]))]

    film.forget()
    monkeypatch.setattr(distributed_run, "_LATE", 0.0)
    with pytest.raises(OutputError, match=r"Shot \d .* was colored, but is not in .*segments: give the command again"):
        color(film, Forgetful)


def test_a_plan_folder_that_cannot_be_written_is_reported(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three workers would have to fail, with the name of a hidden file, where an archive's plan is read-only."""
    film.forget()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != film.plan and access(path, mode))
    with pytest.raises(OutputError, match=r"^The folder .*-plan is not writable: choose another, or change its perm"):
        color(film)


@pytest.mark.slow
def test_a_lost_worker_is_reported(film: Any) -> None:
    """A GPU that fails, or whose memory does, would not be noticed."""

    class Losing(LocalTeam):
        def poll(self, seconds: float) -> list[Event]:
            if len(self.assignments) == 1 and self.due is not None:
                assignment, self.due = self.due, None
                return [Lost(assignment, "SIGKILL"), GivenUp("cuda:1: SIGKILL")]
            assignment = self.due
            lost = [] if assignment is None else [Lost(assignment, "no answer")]  # that of another
            return [*super().poll(seconds), *lost]

    film.forget()
    receipt, _ = color(film, Losing)
    assert any("A worker ended (SIGKILL): another one colors Shot" in warning for warning in receipt.warnings)
    assert "A worker could not be started (cuda:1: SIGKILL): the film is colored without it." in receipt.warnings
    assert not any("no answer" in warning for warning in receipt.warnings)  # about shots that are finished
    assert film.result("distributed.mp4") == film.expected


def test_what_cannot_be_distributed_is_reported(film: Any, studio: Any) -> None:
    """Workers would start, and one of them do everything; or none would start, and nobody say why."""
    two = Workers(devices=("cpu", "cpu"))
    picture = str(film.plan / "colored/0001.png")
    alone = plan_video(film.film, [picture], film.folder / "x.mp4")
    with pytest.raises(UsageError, match="is colored as one shot, which cannot be divided between workers: find"):
        colorize_with_workers(alone, film.model, film.weights, two)
    with pytest.raises(UsageError, match=r"has one shot, which cannot be divided .* \(`split_long`\)"):
        colorize_with_workers(studio((20,)).planned("x.mp4"), film.model, film.weights, two)
    joined = studio((12, 20), {1: 6})
    paint(joined.plan, 2, name="0002_f00030.png")
    with pytest.raises(UsageError, match=r"all 2 shots of .* run into each other .* forward only \(`direction`\)"):
        colorize_with_workers(joined.planned("x.mp4"), film.model, film.weights, two)
    with pytest.raises(UsageError, match="several kinds"):
        Workers(devices=("cpu", "cuda:0"))
    with pytest.raises(UsageError, match=r"`devices` is 'gpu': give names such as cuda:0,cuda:1"):
        parse_devices("gpu")
    assert parse_devices("cuda:0, cuda:3") == ("cuda:0", "cuda:3")
    assert parse_devices("cpu:3") == ("cpu",) * 3


def test_a_damaged_film_is_an_error_with_strict(film: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search for places would end without a word, and its shots would be waited for."""
    film.forget()
    monkeypatch.setattr(places.PlaceFinder, "_find", lambda _: (_ for _ in ()).throw(MediaError("damaged.")))
    with pytest.raises(MediaError, match="damaged"):
        color(film)
