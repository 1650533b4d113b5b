"""A film joined from real clips, colored by its plan, against each clip colored alone."""

from __future__ import annotations

import os
import runpy
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import colormnet_cli as cm
from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition

CLIPS = Path(os.environ.get("COLORMNET_CLIPS", Path(__file__).parents[3] / "shared" / "clips"))
EXAMPLES = Path(__file__).parents[2] / "examples"
SIZE, FRAMES = (136, 240), 20
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not there"),
    pytest.mark.usefixtures("one_thread"),
]


def street() -> list[NDArray[np.uint8]]:
    """The example in color, which its script draws."""
    script = runpy.run_path(str(EXAMPLES / "make_clip.py"))
    frames = islice(script["frames"](np.random.default_rng(1)), FRAMES)
    return [cv2.resize(frame[..., ::-1].copy(), SIZE[::-1], interpolation=cv2.INTER_AREA) for frame in frames]


def clip(path: Path) -> list[NDArray[np.uint8]]:
    """The first frames of a clip [H, W, 3] in BGR."""
    with av.open(str(path)) as clip:
        frames = [frame.to_ndarray(format="bgr24") for frame in islice(clip.decode(video=0), FRAMES)]
    return [cv2.resize(frame, SIZE[::-1], interpolation=cv2.INTER_AREA) for frame in frames]


def write_gray(path: Path, frames: list[NDArray[np.uint8]]) -> Path:
    """Lossless, so that a clip has the same luma alone and in a film."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "gray"
        for number, frame in enumerate(frames):
            gray = av.VideoFrame.from_ndarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), "gray")
            gray.pts = number
            out.mux(stream.encode(gray))
        out.mux(stream.encode(None))
    return path


def psnr(path: Path, truth: list[NDArray[np.uint8]], start: int = 0) -> float:
    with av.open(str(path)) as film:
        frames = [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)][start : start + len(truth)]
    errors = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(frames, truth, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def test_each_shot_is_as_good_as_alone(tmp_path: Path) -> None:
    """A whole film would be worse than its shots, colored one by one."""
    clips = [clip(CLIPS / "walk.mp4"), clip(CLIPS / "parkour.mp4"), street()]
    film = write_gray(tmp_path / "old.mkv", [frame for shot in clips for frame in shot])
    starts = [sum(map(len, clips[:i])) for i in range(len(clips))]
    ways = [Transition("start"), Transition("cut"), Transition("cut")]
    plan = make_plan(film, boundaries=lambda _: [Boundary(*pair) for pair in zip(starts, ways, strict=True)])
    for number, (truth, start) in enumerate(zip(clips, starts, strict=True), 1):
        cv2.imwrite(str(plan.folder / "colored" / f"{number:04}_f{start:05}.png"), truth[0])
    model: Any = cm.load_model("preview")
    settings = cm.ColorizeSettings(archive=True, size=136)
    colors, out = cm.ColorSource(plan=plan.folder), tmp_path / "out.mkv"
    cm.colorize_video(film, colors, out, model=model, device="cpu", settings=settings)
    for number, (truth, start) in enumerate(zip(clips, starts, strict=True), 1):
        alone = write_gray(tmp_path / f"{number}.mkv", truth)
        first = plan.folder / "colored" / f"{number:04}_f{start:05}.png"
        out = tmp_path / f"out{number}.mkv"
        cm.colorize_video(alone, str(first), out, model=model, device="cpu", settings=settings)
        in_film, by_itself = psnr(tmp_path / "out.mkv", truth, start), psnr(out, truth)
        assert by_itself > 25
        assert in_film == pytest.approx(by_itself, abs=0.05), f"clip {number}"
