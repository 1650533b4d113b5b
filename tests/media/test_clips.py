"""Clips: what is read of films and folders, and what belongs to what."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from colormnet_cli.errors import MediaError
from colormnet_cli.evaluation.evaluate import evaluate
from colormnet_cli.media.clips import natural_order, open_clip
from colormnet_cli.video.rgb import RgbFilm, rgb_to_planes
from support.clips import picture, write_frames
from support.films import make_film


@pytest.mark.parametrize(("matrix", "weights"), [("bt709", (0.2126, 0.0722)), ("bt601", (0.299, 0.114))])
@pytest.mark.parametrize("full", [False, True])
def test_films_become_rgb_by_their_own_matrix_and_range(
    tmp_path: Path, matrix: str, weights: tuple[float, float], full: bool
) -> None:
    """Colors would be measured with a green tint, or washed out."""
    kr, kb = weights
    rgb = np.random.default_rng(1).integers(0, 256, (32, 48, 3)).astype(float)
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    span, black, chroma = (255, 0, 255) if full else (219, 16, 224)
    planes = np.stack((luma * span + black, cb * chroma + 128, cr * chroma + 128)).round().clip(0, 255).astype(np.uint8)
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        video = out.add_stream("ffv1", rate=24)
        video.height, video.width, video.pix_fmt = 32, 48, "yuv444p"
        video.codec_context.colorspace, video.codec_context.color_range = (
            1 if matrix == "bt709" else 6,
            2 if full else 1,
        )
        out.mux(video.encode(av.VideoFrame.from_ndarray(planes, format="yuv444p")))
        out.mux(video.encode(None))
    (found,) = RgbFilm(tmp_path / "a.mkv")
    assert np.abs(found - rgb).max() <= 2
    assert np.abs(found - rgb).mean() < 0.45  # 8-bit planes cannot do better
    back = rgb_to_planes(found, "yuv444p", matrix, full)
    assert np.abs(np.stack(back).astype(int) - planes).mean() < 0.5


def test_a_film_that_breaks_off_is_not_compared_frame_by_frame(tmp_path: Path) -> None:
    """Every frame behind a lost one would be measured against its neighbor."""
    path = make_film(tmp_path / "a.mkv", frames=24, codec="libx264", color=True)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = os.urandom(400)
    path.write_bytes(data)
    whole = make_film(tmp_path / "b.mkv", frames=24, codec="libx264", color=True)
    with pytest.raises(MediaError, match=r"a\.mkv"):
        evaluate(path, whole, device="cpu")


def test_frames_come_in_natural_order_and_as_8_bits(tmp_path: Path) -> None:
    """Frame 10 would be measured as frame 2, or 16-bit pictures not at all."""
    for number in (10, 9, 100, 1):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), np.full((16, 16, 3), number * 257, np.uint16))
    clip = open_clip(tmp_path)
    assert [p.name for p in clip.pictures] == ["f1.png", "f9.png", "f10.png", "f100.png"]
    assert [int(frame[0, 0, 0]) for frame in clip] == [1, 9, 10, 100]
    assert natural_order(Path("a2b10")) < natural_order(Path("a10b2"))


def test_a_size_that_changes_within_a_folder_is_an_error(tmp_path: Path) -> None:
    """It would end in a traceback deep in a metric."""
    a, b = write_frames(tmp_path / "a", 3), write_frames(tmp_path / "b", 3)
    cv2.imwrite(str(a / "2.png"), picture(2, 32, 64))
    with pytest.raises(MediaError, match=r"2\.png is 64×32"):
        evaluate(a, b, device="cpu")
    small = write_frames(tmp_path / "small", 2, size=(10, 64))
    with pytest.raises(MediaError, match="12×12"):
        evaluate(small, small, device="cpu")
