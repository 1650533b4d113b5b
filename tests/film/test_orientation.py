"""Films that are stored lying and shown upright, as phones make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from colormnet_cli import ColorizeSettings, colorize_video
from colormnet_cli.media.clips import read_picture
from colormnet_cli.timecode import parse_time
from colormnet_cli.train.film_frames import find_films
from colormnet_cli.video.probe import probe
from colormnet_cli.video.rgb import frame_at

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(
        not hasattr(av.video.stream.VideoStream, "set_display_matrix"), reason="this PyAV cannot write such films"
    ),
]

ONE = 1 << 16
ROTATIONS = {  # a, b, c, d of the display matrix, and how a picture that is to look like PHOTO is stored
    "upright": ((ONE, 0, 0, ONE), lambda x: x),
    "clockwise": ((0, ONE, -ONE, 0), lambda x: np.rot90(x)),
    "half": ((-ONE, 0, 0, -ONE), lambda x: np.rot90(x, 2)),
    "anticlockwise": ((0, -ONE, ONE, 0), lambda x: np.rot90(x, -1)),
    "mirrored": ((-ONE, 0, 0, ONE), np.fliplr),
    "mirrored and rotated": ((0, ONE, ONE, 0), lambda x: x.swapaxes(0, 1)),
}
PHOTO = cv2.resize(data.astronaut(), (64, 48), interpolation=cv2.INTER_AREA)


def film(path: Path, rotation: str, count: int = 1) -> Path:
    """Lossless RGB frames that look like PHOTO, moving; stored rotated, with the display matrix."""
    (a, b, c, d), stored = ROTATIONS[rotation]
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = *stored(PHOTO).shape[:2], "bgr0"
        stream.set_display_matrix((a, b, 0, c, d, 0, 0, 0, 1 << 30))
        for number in range(count):
            picture = np.ascontiguousarray(stored(np.roll(PHOTO, 2 * number, axis=1)))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        out.mux(stream.encode(None))
    return path


def shown(path: Path, number: int) -> NDArray[np.uint8]:
    """A frame as players show it, by way of how it was stored."""
    return frame_at(path, parse_time(f"f{number}"))


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_an_exemplar_is_what_players_show(rotation: str, tmp_path: Path) -> None:
    """People would lie in the exemplar and stand in the film, and nothing of one be found in the other."""
    assert np.array_equal(shown(film(tmp_path / "a.mkv", rotation), 0), PHOTO)


@pytest.mark.slow
@pytest.mark.parametrize("rotation", ["clockwise", "half"])
def test_a_rotated_film_gets_the_colors_of_an_upright_one(
    rotation: str, tmp_path: Path, small_model: Any, first_frames: list[bool]
) -> None:
    """A phone's film would be colored lying on its side, and its first frame, saved by a player, not be known."""
    cv2.imwrite(str(tmp_path / "first.png"), PHOTO[..., ::-1])
    settings = ColorizeSettings(size=32, codec="ffv1", pix_fmt="yuv444p", overwrite=True)
    for name in ("upright", rotation):
        source = film(tmp_path / f"{name}.mkv", name, count=3)
        for exemplar in (f"{source}@f2", f"{source}@f0", tmp_path / "first.png"):
            out = tmp_path / f"{name}-out.mkv"
            colorize_video(source, [exemplar], out, model=small_model, settings=settings, device="cpu")
    assert first_frames == [False, True, True] * 2
    assert probe(out).display_matrix == probe(source).display_matrix
    upright = tmp_path / "upright-out.mkv"
    assert np.ptp(shown(upright, 2).astype(int) - shown(upright, 2).mean(-1, keepdims=True)) > 8  # there is color
    for number in range(3):
        difference = np.abs(shown(upright, number).astype(int) - shown(out, number))
        assert difference.mean() < 0.5, number  # rounding, here and there doubled; 11 and more where it is not rotated


def test_a_film_is_learned_as_players_show_it(tmp_path: Path) -> None:
    """Whoever fine-tunes on a phone's films would teach the network people that lie on their side."""
    films = (
        str(film(tmp_path / "lying.mkv", "clockwise", count=3)),
        str(film(tmp_path / "not.mkv", "upright", count=3)),
    )
    lying, upright = find_films(films, unpacked=tmp_path / "frames", shorter_side=48, minimum=3)
    for ours, theirs in zip(lying.frames, upright.frames, strict=True):
        np.testing.assert_array_equal(read_picture(ours), read_picture(theirs))
