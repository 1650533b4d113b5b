"""One picture in, one picture out."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from colormnet_cli.errors import InstallationError, MediaError
from colormnet_cli.media import image_file
from colormnet_cli.media.image_file import read_image, read_opacity, write_png
from support.scans import rgb_frame

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_picture_is_written_whole_and_read_back(tmp_path: Path) -> None:
    """16 bits stay 16 bits, and nothing but the picture stays in the folder."""
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16):
        pixels = rng.integers(0, np.iinfo(dtype).max, (5, 7, 3), dtype)
        write_png(tmp_path / "a.png", pixels)
        back = read_image(tmp_path / "a.png")
        assert back.dtype == dtype
        assert (back == pixels).all()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def png(color_type: int, depth: int, channels: int, more: bytes = b"") -> bytes:
    """A PNG of 16×12 with random samples (palette indices below 16); `more` chunks stand before its pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rng = np.random.default_rng(0)
    palette = chunk(b"PLTE", rng.integers(0, 256, 48, np.uint8).tobytes()) if color_type == 3 else b""
    rows = rng.integers(0, 16 if color_type == 3 else 256, (12, 16 * channels * depth // 8), np.uint8)
    header = struct.pack(">IIBBBBB", 16, 12, depth, color_type, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
    extra = chunk(more[:4], more[4:]) if more else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + extra + pixels + chunk(b"IEND", b"")


def exif(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"


def encoded(kind: str, *options: int) -> bytes:
    picture = rgb_frame(0, 63, 98)
    if kind == "alpha.webp":
        picture = np.dstack([picture, np.linspace(0, 255, picture[..., 0].size).reshape(63, 98).astype(np.uint8)])
    return cv2.imencode(f".{kind.rpartition('.')[2]}", picture, options)[1].tobytes()


def turned_jpeg(orientation: int) -> bytes:
    plain, content = encoded("jpg"), b"Exif\0\0" + exif(orientation)
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + plain[2:]


IMAGES = {
    "rgb8.png": png(2, 8, 3),
    "rgb16.png": png(2, 16, 3),
    "rgba8.png": png(6, 8, 4),
    "rgba16.png": png(6, 16, 4),
    "gray1.png": png(0, 1, 1),
    "gray16.png": png(0, 16, 1),
    "gray-alpha.png": png(4, 8, 2),
    "palette.png": png(3, 8, 1),
    "palette-alpha.png": png(3, 8, 1, b"tRNS" + bytes(range(0, 160, 10))),
    "turned.png": png(2, 8, 3, b"eXIf" + exif(6)),
    **{f"turned{orientation}.jpg": turned_jpeg(orientation) for orientation in (1, 2, 5, 6, 8)},
    "progressive.jpg": encoded("jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "444.jpg": encoded("jpg", cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    "lossy.webp": encoded("webp", cv2.IMWRITE_WEBP_QUALITY, 80),
    "lossless.webp": encoded("webp", cv2.IMWRITE_WEBP_QUALITY, 101),
    "alpha.webp": encoded("alpha.webp"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_pixels_are_the_same_without_opencv(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A film would get other colors on a system where OpenCV cannot be loaded."""
    path = tmp_path / name
    path.write_bytes(IMAGES[name])
    pixels, opacity = read_image(path), read_opacity(path)
    assert (opacity is not None) == ("alpha" in name or "rgba" in name)
    monkeypatch.setattr(image_file, "opencv_problem", lambda: "OpenCV cannot be loaded.")
    without, without_opacity = read_image(path), read_opacity(path)
    assert without.dtype == pixels.dtype
    assert np.array_equal(without, pixels)
    assert (without_opacity is None) == (opacity is None)
    assert opacity is None or np.array_equal(without_opacity, opacity)


def test_a_transparent_color_needs_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference would be taken for an opaque one."""
    (tmp_path / "a.png").write_bytes(png(2, 8, 3, b"tRNS" + bytes(6)))
    monkeypatch.setattr(image_file, "opencv_problem", lambda: "OpenCV cannot be loaded.")
    with pytest.raises(InstallationError, match=r"a\.png has a transparent color.*OpenCV cannot be loaded"):
        read_opacity(tmp_path / "a.png")


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("name", ["rgb8.png", "444.jpg", "lossy.webp"])
def test_a_cut_off_picture_is_an_error_without_opencv(
    name: str, keep: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a picture, the rest gray, would give its gray to the film."""
    monkeypatch.setattr(image_file, "opencv_problem", lambda: "OpenCV cannot be loaded.")
    (tmp_path / name).write_bytes(IMAGES[name][: int(keep * len(IMAGES[name]))])
    with pytest.raises((MediaError, InstallationError), match=r"is damaged|is no PNG, JPEG or WebP image"):
        read_image(tmp_path / name)
