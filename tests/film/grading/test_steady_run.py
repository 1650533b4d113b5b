"""`steady` of a run: colors of the network without flicker, in one command."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from colormnet_cli import ColorizeSettings, ColorSource, colorize_video
from colormnet_cli.errors import Interrupted, MediaError, UsageError
from colormnet_cli.film import checkpoint
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.film.grading.apply_color import apply_color, plan_apply
from colormnet_cli.film.grading.steady_film import plan_steady, steady_film
from colormnet_cli.film.receipt import FileRecord
from colormnet_cli.film.verify import verify_film
from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from colormnet_cli.video.rgb import RgbFilm
from support.films import assert_same_frames, make_film

CUT = 7
ARCHIVE = ColorizeSettings(archive=True)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setitem(checkpoint.SEGMENT_FRAMES, "cpu", 5)


def chroma(path: Path) -> np.ndarray:
    """Cb and Cr of all frames around 0, [N, 2, h, w]."""
    return np.array(list(RgbFilm(path).chroma("yuv420p", "bt601", False))).astype(int) - 128


@pytest.mark.slow
def test_the_same_as_both_commands(tmp_path: Path, color: Any) -> None:
    """One command would give other colors than two, or leave flicker in."""
    old = make_film(tmp_path / "old.mkv", frames=14, audio=[("flac", "deu")])
    color(old, tmp_path / "plain.mkv", archive=True)
    before = {path.name for path in tmp_path.iterdir()}
    receipt = color(old, tmp_path / "out.mkv", archive=True, steady=True)
    assert {path.name for path in tmp_path.iterdir()} - before == {"out.mkv"}
    assert receipt.settings["steady"]
    assert receipt.weights["sha256"]
    assert [check.name for check in verify_film(old, tmp_path / "out.mkv") if not check.passed] == []
    color(old, tmp_path / "color.mkv", chroma_out=tmp_path / "color.mkv")
    settings = ColorizeSettings(archive=True, steady=True)
    apply_color(plan_apply(old, tmp_path / "color.mkv", tmp_path / "applied.mkv", settings=settings))
    assert np.array_equal(chroma(tmp_path / "out.mkv"), chroma(tmp_path / "applied.mkv"))
    steady_film(plan_steady(old, tmp_path / "plain.mkv", tmp_path / "steady.mkv", settings=ARCHIVE))
    assert np.abs(chroma(tmp_path / "out.mkv") - chroma(tmp_path / "steady.mkv")).max() <= 1
    flicker = [np.abs(np.diff(chroma(tmp_path / name), axis=0)).mean() for name in ("plain.mkv", "out.mkv")]
    assert flicker[1] < flicker[0]


@pytest.mark.slow
def test_shots_and_masks_of_a_plan(tmp_path: Path, small_model: Any, photo: Path) -> None:
    """Colors would be averaged over a cut, or drawn into parts that stay neutral."""
    old = make_film(tmp_path / "old.mkv", frames=14)
    make_plan(old, boundaries=lambda _: [Boundary(0, Transition("start")), Boundary(CUT, Transition("cut"))])
    folder = tmp_path / "old-plan"
    picture = cv2.imread(str(photo))
    (folder / "masks").mkdir()
    mask = np.zeros((48, 64), np.uint8)
    mask[:20] = 255
    cv2.imwrite(str(folder / "masks" / "0001.png"), mask)

    def run(name: str, first: np.ndarray) -> np.ndarray:
        cv2.imwrite(str(folder / "colored" / "0001.png"), first)
        settings = ColorizeSettings(size=32, archive=True, steady=True, overwrite=True)
        colorize_video(
            old, ColorSource(plan=folder), tmp_path / name, model=small_model, settings=settings, device="cpu"
        )
        assert_same_frames(old, tmp_path / name)
        return chroma(tmp_path / name)

    shutil.copy(photo, folder / "colored" / "0002.png")
    one, other = run("one.mkv", picture), run("other.mkv", np.ascontiguousarray(picture[..., ::-1]))
    assert not one[:CUT, :, :10].any()
    assert one[CUT:, :, :10].any()
    assert np.abs(one[:CUT] - other[:CUT]).max() > 1  # the first shot has other colors
    assert np.array_equal(one[CUT:], other[CUT:])


@pytest.mark.slow
def test_both_steps_are_resumed(tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network would compute everything again because flicker was being removed when the run was interrupted."""
    old = make_film(tmp_path / "old.mkv", frames=22)
    color(old, tmp_path / "whole.mkv", archive=True, steady=True)

    def stop(at: Any) -> None:
        if at.phase == "apply" and at.frame > 6:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"the same command resumes at frame (5|10|15|20)\."):
        color(old, tmp_path / "out.mkv", archive=True, steady=True, progress=stop)
    monkeypatch.setattr(FilmRun, "_colorize", None)
    receipt = color(old, tmp_path / "out.mkv", archive=True, steady=True)
    assert receipt.resumed_at >= 5
    assert np.array_equal(chroma(tmp_path / "whole.mkv"), chroma(tmp_path / "out.mkv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.mkv", "out.mkv", "whole.mkv"]


@pytest.mark.slow
def test_interrupted_while_the_film_is_hashed_only_the_film_is_there(
    tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The large file between both steps would stay for good: the next run only says that the film exists."""
    old = make_film(tmp_path / "old.mkv", frames=6)

    def stop(path: Path) -> FileRecord:
        raise KeyboardInterrupt

    monkeypatch.setattr(FileRecord, "of", stop)
    with pytest.raises(KeyboardInterrupt):
        color(old, tmp_path / "out.mkv", archive=True, steady=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.mkv", "out.mkv"]


def test_what_cannot_be_made_steady(tmp_path: Path, color: Any, photo: Path) -> None:
    """A run would fail after hours, or leave flicker in without a word."""
    small = make_film(tmp_path / "small.mkv", width=16, height=10)
    with pytest.raises(MediaError, match=r"small\.mkv is 16×10: motion needs at least 12×12 pixels"):
        color(small, tmp_path / "out.mkv", archive=True, steady=True, size=16)
    with pytest.raises(UsageError, match="The whole film is made steady"):
        ColorizeSettings(steady=True, start=1)
