"""A size that is known before the picture is read: wrong here, and a good folder takes longer, or a bad one hours."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from colormnet_cli.media.image_file import read_image
from colormnet_cli.media.image_header import has_alpha_and_pages, size_by_header
from support.films import make_film
from support.scans import gray_frame

# EXIF of one entry, in either byte order: Orientation 6, to be turned by a quarter
TURNED = [
    byte_order + struct.pack(f"{sign}HIHHHIHHI", 42, 8, 1, 274, 3, 1, 6, 0, 0)
    for byte_order, sign in ((b"II", "<"), (b"MM", ">"))
]


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_the_header_says_what_the_picture_is(tmp_path: Path, ending: str, depth: type) -> None:
    """Height and width exchanged, and every folder of such pictures would be read twice."""
    if ending == "jpg" and depth is np.uint16:
        pytest.skip("JPEG has 8 bits")
    cv2.imwrite(str(tmp_path / f"a.{ending}"), gray_frame(0, 21, 34).astype(depth))
    assert size_by_header(tmp_path / f"a.{ending}") == (21, 34)


@pytest.mark.parametrize("exif", TURNED)
def test_a_rotated_jpeg_has_the_size_that_is_shown(tmp_path: Path, exif: bytes) -> None:
    """One upright photograph among lying ones would be found only when it is reached."""
    plain = cv2.imencode(".jpg", gray_frame(0, 21, 34), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    segment = b"Exif\0\0" + exif
    path = tmp_path / "phone.jpg"
    path.write_bytes(plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:])
    assert size_by_header(path) == read_image(path).shape[:2] == (34, 21)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_a_cut_off_header_says_nothing(tmp_path: Path, ending: str) -> None:
    """One broken file would end the command in a traceback, or keep it busy for ever."""
    path = tmp_path / f"a.{ending}"
    whole = cv2.imencode(f".{ending}", gray_frame(0, 21, 34))[1].tobytes()
    for length in range(min(len(whole), 200)):
        path.write_bytes(whole[:length])
        assert size_by_header(path) in (None, (21, 34))
    path.write_bytes(whole[:9])
    assert size_by_header(path) is None


def test_what_is_no_such_picture_says_nothing(tmp_path: Path) -> None:
    """WebP and BMP go their own way; a text file named like an image is reported when it is read."""
    for name in ("a.webp", "a.bmp"):
        cv2.imwrite(str(tmp_path / name), gray_frame(0, 21, 34))
        assert size_by_header(tmp_path / name) is None
    for content in (b"", b"a text", b"\xff\xd8" + b"\xff" * 40, b"\xff\xd8\xff\xe1\0\x01", b"II*\0\x08\0\0\0\xff\xff"):
        (tmp_path / "odd").write_bytes(content)
        assert size_by_header(tmp_path / "odd") is None
    assert size_by_header(tmp_path / "none.png") is None


def test_transparency_and_pages_are_seen(tmp_path: Path) -> None:
    """What is not colorized must be named: all but the first page of a TIFF was lost without a word."""
    gray, alpha = gray_frame(0, 21, 34), np.dstack([gray_frame(0, 21, 34)] * 3 + [np.full((21, 34), 9, np.uint8)])
    images = {
        "gray.png": (gray, False), "gray.jpg": (gray, False), "gray.tif": (gray, False), "gray.webp": (gray, False),
        "alpha.png": (alpha, True), "alpha.tif": (alpha, True), "alpha.webp": (alpha, True),
    }  # fmt: skip
    for name, (pixels, has_alpha) in images.items():
        lossy = [cv2.IMWRITE_WEBP_QUALITY, 80] if name == "gray.webp" else []
        assert cv2.imwrite(str(tmp_path / name), pixels, lossy)
        assert has_alpha_and_pages(tmp_path / name) == (has_alpha, False), name
    assert cv2.imwrite(str(tmp_path / "lossless.webp"), alpha, [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert has_alpha_and_pages(tmp_path / "lossless.webp") == (True, False)
    assert cv2.imwritemulti(str(tmp_path / "pages.tif"), [gray, gray, gray])
    assert has_alpha_and_pages(tmp_path / "pages.tif") == (False, True)
    make_film(tmp_path / "moving.webp", codec="libwebp_anim", frames=3)
    assert has_alpha_and_pages(tmp_path / "moving.webp")[1]
    still = (tmp_path / "gray.png").read_bytes()  # 8 bytes, then IHDR: 25
    control = b"acTL" + struct.pack(">II", 3, 0)
    chunk = struct.pack(">I", 8) + control + struct.pack(">I", zlib.crc32(control))
    (tmp_path / "moving.png").write_bytes(still[:33] + chunk + still[33:])
    assert has_alpha_and_pages(tmp_path / "moving.png") == (False, True)


@pytest.mark.parametrize("content", [b"", b"II*\0\x08", b"\x89PNG\r\n\x1a\n\0\0", b"RIFF\0\0\0\0WEBPVP8X", b"GIF89a"])
def test_a_damaged_header_is_left_to_the_decoder(tmp_path: Path, content: bytes) -> None:
    """Its sentence says what is wrong with the file."""
    (tmp_path / "a.tif").write_bytes(content)
    assert has_alpha_and_pages(tmp_path / "a.tif") == (False, False)
    assert size_by_header(tmp_path / "a.tif") is None


def test_a_tiff_that_points_to_itself_ends(tmp_path: Path) -> None:
    """A damaged file must not be read for ever."""
    entry = struct.pack("<HHII", 256, 4, 1, 7)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8))
    assert has_alpha_and_pages(tmp_path / "a.tif") == (False, True)
