"""Luma planes: bit-exact from any pixel format."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from colormnet_cli.video.pixel_formats import build_frame, convert_luma, luma_plane, pixel_layout
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader
from support.films import frames_of, make_film, picture

PLANAR = [
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuv420p10le",
    "yuv422p10le",
    "yuv444p10le",
    "gray",
    "gray10le",
    "yuv420p12le",
]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", PLANAR)
def test_luma_is_bit_exact(tmp_path: Path, pix_fmt: str, full: bool) -> None:
    """Luma that is rounded or rescaled while reading would change every film."""
    path = make_film(tmp_path / "film.mkv", pix_fmt=pix_fmt, full_range=full, frames=3)
    info = probe(path)
    assert info.full_range == full
    for number, (_, luma) in enumerate(frames_of(path)):
        assert np.array_equal(luma, picture(number, 48, 64, info.layout.bits, full))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("film.nut", "rawvideo", "rgb24"), ("film.mov", "png", "pal8"), ("film.avi", "rawvideo", "yuyv422"),
     ("film.mov", "png", "rgb24"), ("film.nut", "rawvideo", "nv12"), ("film.nut", "rawvideo", "yuv420p10be"),
     ("film.nut", "rawvideo", "gray16be")],
)  # fmt: skip
def test_rgb_packed_and_big_endian_formats_give_their_luma(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    """Black-and-white film stored as RGB, palette, packed or big-endian would change its gray."""
    path = tmp_path / name
    layout = pixel_layout(pix_fmt)
    planar = {16: "gray16le", 10: "yuv420p10le"}.get(layout.bits, "yuv422p" if pix_fmt == "yuyv422" else "yuv420p")
    luma = picture(5, 48, 64, layout.bits, layout.kind != "yuv")
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        if pix_fmt == "pal8":
            palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, 1)
            palette[:, 0] = 255  # opaque
            frame = av.VideoFrame.from_ndarray((luma, palette), "pal8")
        elif layout.kind == "rgb":
            frame = av.VideoFrame.from_ndarray(np.repeat(luma[..., None], 3, -1), "rgb24")
        else:
            frame = av.VideoFrame(64, 48, planar)
            for i, plane in enumerate(frame.planes):
                rows = np.frombuffer(plane, luma.dtype).reshape(plane.height, -1)
                rows[:, : plane.width] = luma if i == 0 else 1 << (layout.bits - 1)
        out.mux(stream.encode(frame if pix_fmt == "pal8" else frame.reformat(format=pix_fmt)))
        out.mux(stream.encode(None))
    assert np.array_equal(frames_of(path)[0][1], luma)


def test_interleaved_planes_give_their_luma() -> None:
    """Hardware decoders output 10 bits in the upper bits of 16: the film would be 64 times too bright."""
    luma = picture(1, 48, 64, 10)
    frame = build_frame("yuv420p10le", (luma, *[np.full((24, 32), 512, np.uint16)] * 2)).reformat(format="p010le")
    assert np.array_equal(luma_plane(frame, pixel_layout("p010le"), "bt709"), luma)


def test_luma_of_rgb_is_that_of_the_matrix(tmp_path: Path) -> None:
    """Another matrix would change the luma of a film that is stored as RGB."""
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    path = tmp_path / "red.nut"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(red, "rgb24")))
    info = probe(path)
    reader = Reader(info)
    assert [int(f.luma[0, 0]) for f in reader.frames()] == [round(0.299 * 200)]
    assert reader.statistics.colored


def test_depth_and_range_conversion_rounds() -> None:
    """8 bits in 10 must lose nothing, and black and white stay black and white."""
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(convert_luma(codes, (8, 10), (False, False)), codes.astype(np.uint16) * 4)
    full = convert_luma(codes, (8, 8), (True, False))
    assert (full.min(), full.max()) == (16, 235)
    assert convert_luma(codes, (8, 8), (True, True)) is codes
