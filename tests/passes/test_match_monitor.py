"""References that show nothing of the film are reported, and those that do are not."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.passes.match_monitor import MatchMonitor
from support.shot_films import Part, camera_scene, join, write_film

CLIPS = Path(os.environ.get("COLORMNET_CLIPS", Path(__file__).parents[3] / "shared" / "clips"))
pytestmark = pytest.mark.usefixtures("one_thread")


def lab(rgb: np.ndarray) -> torch.Tensor:
    return cm.rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1) / 255)


def frames_of(path: Path, count: int, step: int) -> list[torch.Tensor]:
    with av.open(str(path)) as film:
        return [lab(f.to_ndarray(format="rgb24")) for f in islice(film.decode(video=0), 0, count * step, step)]


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not there")
@pytest.mark.parametrize("film", ["walk", "parkour"])
def test_another_scene_is_reported_and_the_same_one_is_not(film: str) -> None:
    """A film without any right color would end with a success, or every film with a warning."""
    colorizer = cm.Colorizer(cm.load_model("preview"), device="cpu")
    exemplars = {name: cm.Exemplar(frames_of(CLIPS / f"{name}.mp4", 1, 1)[0]) for name in ("walk", "parkour")}
    frames = frames_of(CLIPS / f"{film}.mp4", 4, 5)
    for name in exemplars:
        monitor = MatchMonitor(colorizer, exemplars.__getitem__, every=5)
        for number, frame in enumerate(frames):
            monitor.look(5 * number, number / 5, frame[:1], [name])
        assert (monitor.warning() is None) == (name == film)


@pytest.mark.slow
def test_passages_are_listed_in_the_receipt(tmp_path: Path) -> None:
    """The user would have to look through hours of film for the place without colors."""
    parts = [Part(camera_scene(seed, (72, 96), actors=0), 48) for seed in (0, 30)]
    film = write_film(tmp_path / "old.mp4", join(parts)[0])
    gray = next(iter(join(parts)[0])) * 255
    cv2.imwrite(str(tmp_path / "ref.png"), np.clip(np.stack([gray, gray, gray + 60], -1), 0, 255).astype(np.uint8))
    receipt = cm.colorize_video(
        film, str(tmp_path / "ref.png"), tmp_path / "out.mp4", model=cm.load_model("preview"), device="cpu",
        settings=cm.ColorizeSettings(size=72),
    )  # fmt: skip
    assert receipt.match is not None
    sentences = [warning for warning in receipt.warnings if "show little" in warning]
    assert len(sentences) == 1
    assert "50% of the film (0:00:02 to 0:00:04)" in sentences[0]
