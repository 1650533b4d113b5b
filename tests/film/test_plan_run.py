"""A film colored by its plan folder: each shot with its own pictures, and only what changed is colored again."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colormnet_cli import ColorizeSettings, colorize_video, plan_video
from colormnet_cli.errors import Interrupted, MediaError, UsageError
from colormnet_cli.film import checkpoint
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.film.segment_encoders import SegmentEncoders
from colormnet_cli.settings import ColorSource
from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from support.films import packets_of
from support.shot_films import Part, camera_scene, join, write_film

SIZE = (48, 64)
LENGTHS = (14, 12, 10, 13)  # the third dissolves into the fourth
SPAN = 6
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setitem(checkpoint.SEGMENT_FRAMES, "cpu", 5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    scenes = [camera_scene(seed, SIZE, pan=(0.01, 0)) for seed in range(4)]
    spans = [0, 0, 0, SPAN]
    parts = [
        Part(scene, length, "dissolve" if span else "cut", span)
        for scene, length, span in zip(scenes, LENGTHS, spans, strict=True)
    ]
    frames, known = join(parts)
    film = write_film(folder / "old.mp4", frames)
    boundaries = [Boundary(0, Transition("start"))]
    for b in known:
        boundaries.append(
            Boundary(b.frame, Transition(b.kind, b.first, b.last) if b.kind != "cut" else Transition("cut"))
        )  # type: ignore[arg-type]
    make_plan(film, boundaries=lambda _: boundaries)
    return folder


TINTS = {1: (40, 90), 2: (-60, 20), 3: (80, -40), 4: (-20, -70)}


def paint(folder: Path, number: int, tint: tuple[int, int] | None = None, name: str | None = None) -> Path:
    """A colored copy of a still."""
    still = cv2.imread(str(folder / "stills" / f"{number:04}.png"))
    green, red = tint or TINTS[number]
    painted = np.clip(still.astype(np.int16) + np.array([0, green, red]), 0, 255).astype(np.uint8)
    path = folder / "colored" / (name or f"{number:04}.png")
    assert cv2.imwrite(str(path), painted)
    return path


class Workplace:
    def __init__(self, folder: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.model, self.film, self.plan = folder, model, folder / "old.mp4", folder / "old-plan"
        self.colored: list[int] = []  # frames that the network colored in the last run
        self.stop_at: int | None = None
        colorize = FilmRun._colorize

        def counting(run: FilmRun, colorizer: Any, batch: Any) -> Any:
            if self.stop_at is not None and batch[0].number >= self.stop_at:
                raise KeyboardInterrupt
            self.colored += [frame.number for frame in batch]
            return colorize(run, colorizer, batch)

        monkeypatch.setattr(FilmRun, "_colorize", counting)

    def run(self, output: str = "out.mp4", stop_at: int | None = None, **settings: Any) -> Any:
        self.colored, self.stop_at = [], stop_at
        settings = {"size": 32, "preset": "ultrafast", "overwrite": True, **settings}
        colors = settings.pop("colors", ColorSource(plan=self.plan))
        return colorize_video(
            self.film,
            colors,
            self.folder / output,
            model=self.model,
            device="cpu",
            settings=ColorizeSettings(**settings),
        )

    def planes(self, output: str = "out.mp4") -> list[NDArray[Any]]:
        with av.open(str(self.folder / output)) as film:
            return [frame.to_ndarray() for frame in film.decode(video=0)]


@pytest.fixture
def work(made: Path, tmp_path: Path, small_model: Any, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    work = Workplace(tmp_path, small_model, monkeypatch)
    for number in TINTS:
        paint(work.plan, number)
    return work


def changed(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> list[int]:
    assert len(one) == len(other)
    return [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if not np.array_equal(a, b)]


FIRST = [0, 14, 26, 36]  # of each shot; the dissolve begins at 36
END = sum(LENGTHS) + SPAN


@pytest.mark.slow
def test_every_shot_has_its_own_colors_and_the_rest_of_the_film_is_whole(work: Workplace) -> None:
    """A film would be in the colors of one scene, or without its sound."""
    receipt = work.run()
    assert receipt.frames == END
    assert work.colored == list(range(END))
    sound = [[data for _, data in packets_of(path, "audio")] for path in (work.film, work.folder / "out.mp4")]
    assert sound[0] == sound[1]
    assert [shot["references"] for shot in receipt.shots] == [[str(work.plan / f"colored/000{n}.png")] for n in TINTS]


@pytest.mark.slow
def test_a_changed_picture_costs_its_shot(work: Workplace) -> None:
    """Hours for a film would pass again for one corrected picture; or the correction would reach other shots."""
    work.run()
    before = work.planes()
    paint(work.plan, 2, (90, -60))
    receipt = work.run()
    assert work.colored == list(range(14, 26))
    assert receipt.reused == END - 12
    assert set(changed(before, work.planes())) <= set(range(14, 26))
    assert changed(before, work.planes())
    shutil.rmtree(work.plan / "segments")
    again = work.planes()
    work.run()
    assert work.colored == list(range(END))
    assert changed(again, work.planes()) == []


@pytest.mark.slow
def test_a_shot_that_dissolves_is_colored_again_with_the_dissolve(work: Workplace) -> None:
    """The dissolve would keep colors of a picture that is gone."""
    work.run()
    before = work.planes()
    paint(work.plan, 4, (90, -60))
    work.run()
    assert work.colored == list(range(36, END))
    after = work.planes()
    assert set(changed(before, after)) <= set(range(36, END))
    shutil.rmtree(work.plan / "segments")
    work.run()
    assert changed(after, work.planes()) == []


@pytest.mark.slow
def test_nothing_changed_costs_nothing(work: Workplace) -> None:
    """A second run with another name would color the whole film again."""
    work.run()
    work.run("again.mp4")
    assert work.colored == []
    assert (work.folder / "out.mp4").read_bytes() == (work.folder / "again.mp4").read_bytes()


@pytest.mark.slow
def test_other_settings_color_everything(work: Workplace) -> None:
    """Segments of another size or encoder would be mixed into one film."""
    work.run()
    work.run(guided=False)
    assert work.colored == list(range(END))
    assert len(list((work.plan / "segments").iterdir())) == 5  # those of the last run alone


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 17, 30, 38, 45])
def test_an_interrupted_film_ends_the_same(work: Workplace, stop: int) -> None:
    """A film that was interrupted within a shot or a dissolve would have other colors."""
    work.run("whole.mp4")
    shutil.rmtree(work.plan / "segments")
    with pytest.raises(Interrupted):
        work.run(stop_at=stop)
    receipt = work.run()
    assert receipt.resumed_at == max([f for f in (0, 5, 10, 14, 19, 24, 26, 31, 36, 41, 42, 47, 52) if f <= stop])
    assert (work.folder / "out.mp4").read_bytes() == (work.folder / "whole.mp4").read_bytes()


@pytest.mark.slow
def test_a_film_interrupted_behind_its_last_frame_ends_the_same(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every further run ended with an internal error, and the work of hours was lost."""
    whole = work.run("whole.mp4")
    shutil.rmtree(work.plan / "segments")

    def stop(self: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SegmentEncoders, "finish", stop)
        with pytest.raises(Interrupted, match=f"the same command resumes at frame {whole.frames}"):
            work.run()
    receipt = work.run()
    assert work.colored == []
    assert (receipt.resumed_at, receipt.findings) == (whole.frames, whole.findings)
    assert (work.folder / "out.mp4").read_bytes() == (work.folder / "whole.mp4").read_bytes()


@pytest.mark.slow
def test_a_picture_changed_while_a_run_was_interrupted_costs_its_shot(work: Workplace) -> None:
    """The user would have to choose between the old picture and starting again."""
    with pytest.raises(Interrupted):
        work.run(stop_at=30)
    paint(work.plan, 1, (90, -60))
    work.run()
    assert work.colored == [*range(14), *range(26, END)]
    result = work.planes()
    shutil.rmtree(work.plan / "segments")
    work.run()
    assert changed(result, work.planes()) == []


@pytest.mark.slow
def test_only_shots(work: Workplace) -> None:
    """--only-shots would color all of them, or none again."""
    work.run()
    before = (work.folder / "out.mp4").read_bytes()
    work.run(only_shots="1,4")
    assert work.colored == [*range(14), *range(36, END)]
    assert (work.folder / "out.mp4").read_bytes() == before
    paint(work.plan, 2, (90, -60))
    with pytest.raises(UsageError, match=r"no finished segments of shot 2 .*`only_shots`"):
        work.run(only_shots="1")
    work.run(only_shots="1-2")
    assert work.colored == list(range(26))
    with pytest.raises(UsageError, match="names 9, which the plan does not have"):
        work.run(only_shots="9")


def rows(work: Workplace) -> dict[str, str]:
    with open(work.plan / "shots.csv") as file:
        return {row["shot"]: row["borrowed_from"] for row in csv.DictReader(file)}


@pytest.mark.slow
def test_a_shot_without_a_picture_borrows_from_the_one_most_like_it(work: Workplace) -> None:
    """Scenes that nobody colored would stay gray, or take the colors of any other scene without a word."""
    for number in (1, 3):
        (work.plan / "colored" / f"000{number}.png").unlink()
    shutil.copy(work.plan / "stills/0003.png", work.plan / "stills/0001.png")
    shutil.copy(work.plan / "stills/0003.png", work.plan / "stills/0004.png")  # the same place as 1 and 3
    receipt = work.run()
    assert rows(work) == {"1": "4 (auto)", "2": "", "3": "4 (auto)", "4": ""}
    assert [shot["borrowed_from"] for shot in receipt.shots] == [4, None, 4, None]
    assert any("1 from 4, 3 from 4" in warning for warning in receipt.warnings)
    paint(work.plan, 3)
    work.run()
    assert rows(work) == {"1": "3 (auto)", "2": "", "3": "", "4": ""} or rows(work)["3"] == ""
    with pytest.raises(MediaError, match=r"shot 1 has no colored picture"):
        work.run(strict=True)


def test_a_plan_with_mistakes_is_refused_at_once(work: Workplace) -> None:
    """Hours would pass before the mistake is found."""
    with pytest.raises(UsageError, match="leave `start`"):
        work.run(start="0.5")
    with pytest.raises(UsageError, match="`only_shots` takes shots of a plan"):
        work.run(colors=ColorSource((str(work.plan / "colored/0001.png"),)), only_shots="1")
    with pytest.raises(UsageError, match="not both"):
        ColorSource(("a.png",), plan=work.plan)
    for path in (work.plan / "colored").iterdir():
        path.unlink()
    with pytest.raises(MediaError, match="has no colored picture"):
        work.run()
    assert not (work.folder / "out.mp4").exists()


@pytest.mark.slow
def test_references_at_frames_need_no_plan(work: Workplace) -> None:
    """A second colored picture of a scene could not be given without a table."""
    one, other = work.plan / "colored/0001.png", work.plan / "colored/0002.png"
    still = plan_video(work.film, ColorSource(plan=work.plan), work.folder / "x.mp4").shots
    assert still is not None
    at = ((f"f{still.stills[1]}", str(one)), (f"{(still.stills[2] - 0.5) / 24}", str(other)))
    plan = plan_video(work.film, ColorSource(references_at=at), work.folder / "out.mp4")
    assert [reference.frame for reference in plan.schedule.shots[0].references] == [still.stills[1], still.stills[2]]
    receipt = work.run(colors=ColorSource(references_at=at))
    assert receipt.frames == END
    with pytest.raises(MediaError, match="belongs to frame 5000"):
        work.run(colors=ColorSource(references_at=(("f5000", str(one)),)))
    wide = work.folder / "wide.png"
    cv2.imwrite(str(wide), np.full((40, 100, 3), (20, 90, 200), np.uint8))
    with pytest.raises(MediaError, match="cannot be frame 3"):
        work.run(colors=ColorSource(references_at=(("f3", str(wide)),)))


@pytest.mark.slow
def test_a_gray_picture_keeps_its_shot_gray(work: Workplace) -> None:
    """A title among the shots would end the run, or take colors of other shots."""
    shutil.copy(work.plan / "stills/0002.png", work.plan / "colored/0002.png")
    receipt = work.run()
    assert any("0002.png" in warning and "stay gray" in warning for warning in receipt.warnings)
    plan = plan_video(work.film, ColorSource(plan=work.plan), work.folder / "x.mp4").shots
    assert plan is not None
    frame = work.planes()[plan.stills[2]]
    assert np.abs(frame[SIZE[0] :].astype(int) - 128).mean() < 1  # the random network colors the frames around it
