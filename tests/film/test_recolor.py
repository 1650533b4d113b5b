"""A passage of a finished film is colored again: nothing else of the film changes, and it plays through."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from colormnet_cli import ColorizeSettings, colorize_video, plan_recolor, recolor
from colormnet_cli.film import checkpoint
from colormnet_cli.film.verify import verify_film
from colormnet_cli.video.rgb import RgbFilm
from support.films import FULL, make_film

pytestmark = pytest.mark.usefixtures("one_thread")
FRAMES, SEGMENT = 64, 16
GRAY = ColorizeSettings(vividness=0)  # new color that is told from the old one
CODECS: dict[str, dict[str, Any]] = {
    "h264.mp4": {}, "hevc.mp4": {"codec": "hevc"}, "ffv1.mkv": {"archive": True}, "prores.mov": {"codec": "prores"},
    "vp9.webm": {},
}  # fmt: skip
MORE: dict[str, dict[str, Any]] = {
    "h264.mkv": {}, "hevc.mkv": {"codec": "hevc"}, "vp9.mp4": {"codec": "vp9"}, "av1.mp4": {"codec": "av1"},
    "mpeg4.mp4": {"codec": "mpeg4"},
}  # fmt: skip


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with sound, subtitles, an attachment, chapters and tags; red.png and blue.png beside it."""
    folder = tmp_path_factory.mktemp("recolor")
    for name, bgr in (("red", (30, 20, 220)), ("blue", (200, 90, 30))):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((48, 64, 3), bgr, np.uint8))
    return make_film(folder / "old.mkv", FULL, rotation=None, frames=FRAMES)


@pytest.fixture(scope="module")
def colored(old: Path, small_model: Any) -> Any:
    """Gives the colored film of a name in `CODECS`, with its receipt beside it, made once."""

    def make(name: str) -> Path:
        path = old.parent / name
        if not path.exists():
            settings = ColorizeSettings(size=32, vividness=4, **{**CODECS, **MORE}[name])
            before = checkpoint.SEGMENT_FRAMES["cpu"]
            checkpoint.SEGMENT_FRAMES["cpu"] = SEGMENT
            try:
                blue = old.parent / "blue.png"
                receipt = colorize_video(old, blue, path, model=small_model, device="cpu", settings=settings)
            finally:
                checkpoint.SEGMENT_FRAMES["cpu"] = before
            path.with_name(name + ".json").write_text(receipt.to_json())
        return path

    return make


@pytest.fixture
def film(colored: Any, tmp_path: Path) -> Any:
    """Gives a copy of a colored film, with the receipt beside it if that is wanted."""

    def copied(name: str, receipt: bool = True) -> Path:
        path = colored(name)
        if receipt:
            shutil.copy(path.with_name(name + ".json"), tmp_path)
        return Path(shutil.copy(path, tmp_path))

    return copied


def packets(path: Path) -> dict[int, list[tuple[Any, ...]]]:
    """Of every stream, each packet's timestamps and hash."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                found.setdefault(packet.stream.index, []).append((packet.pts, packet.dts, packet.duration, digest))
    return found


def strength(path: Path) -> np.ndarray:
    """Mean distance of Cb and Cr from gray of each frame, in 8-bit codes."""
    info = RgbFilm(path).info
    planes = RgbFilm(path).chroma("yuv444p", info.matrix, info.full_range)
    return np.array([np.abs(np.stack(pair) - 128.0).mean() for pair in planes])


def assert_only_passage_differs(before: Path, after: Path, begin: int, end: int) -> None:
    """Every packet but those of the video from `begin` to `end`, and all timestamps."""
    one, other = packets(before), packets(after)
    assert one.keys() == other.keys()
    for index, mine in one.items():
        theirs = other[index]
        assert [p[:3] for p in mine if index] == [p[:3] for p in theirs if index]
        assert sorted(p[0] for p in mine) == sorted(p[0] for p in theirs)
        differing = [n for n, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a[3] != b[3]]
        assert (not differing) if index else (differing and begin <= differing[0] and differing[-1] < end)
    with av.open(str(before)) as a, av.open(str(after)) as b:
        assert a.duration == b.duration
        assert [s.metadata for s in a.streams] == [s.metadata for s in b.streams]
        assert a.streams.video[0].codec_context.codec_tag == b.streams.video[0].codec_context.codec_tag


def assert_plays(path: Path) -> None:
    """Every packet can be decoded, also by the `ffmpeg` command, which has nothing to say about it."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == FRAMES
    assert not any(frame.is_corrupt for frame in frames)
    if shutil.which("ffmpeg"):
        command = ["ffmpeg", "-v", "warning", "-i", str(path), "-map", "0:v", "-map", "0:a", "-f", "null", "-"]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        assert [line for line in run.stderr.splitlines() if "ttachment" not in line and "probesize" not in line] == []


@pytest.mark.parametrize("name", [*CODECS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_everything_else_is_copied(film: Any, old: Path, small_model: Any, name: str) -> None:
    """A correction of seconds would change the rest of the film, or break players at its ends."""
    path = film(name)
    before = Path(shutil.copy(path, path.with_name(f"before-{name}")))
    plan = plan_recolor(path, old.parent / "red.png", "f24", "f38", settings=GRAY)
    splice = plan.splice
    intra = name in ("ffv1.mkv", "prores.mov", "mpeg4.mp4")
    assert intra or (splice.begin, splice.end) == (16, 48)
    receipt = recolor(plan, small_model, device="cpu")
    assert_only_passage_differs(before, path, splice.begin, splice.end)
    assert_plays(path)
    receipts = [json.loads(path.with_name(name + ".json").read_text()), receipt.to_dict()]
    checks = [[c.name for c in verify_film(old, path, receipt=r) if not c.passed] for r in (receipts[0], None)]
    assert checks[0] == checks[1] == [c.name for c in verify_film(old, before) if not c.passed]
    one, other = strength(before), strength(path)
    assert one.min() > 2
    assert other[29:33].max() < (0.01 if name == "ffv1.mkv" else 0.7)
    assert np.array_equal(one[: splice.begin], other[: splice.begin])
    assert np.array_equal(one[splice.end :], other[splice.end :])
    assert list(path.parent.glob("*.colormnet-part")) == []
