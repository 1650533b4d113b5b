"""What an image's header says, without decoding it: size (PNG, JPEG, TIFF); transparency, pages (PNG, TIFF, WebP)."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["has_alpha_and_pages", "size_by_header"]

_PNG = b"\x89PNG\r\n\x1a\n"
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274  # tags of TIFF, and of EXIF, which is a TIFF without a picture
_SUBFILE, _PHOTOMETRIC, _SAMPLES = 254, 262, 277
_COLORS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # channels by _PHOTOMETRIC: gray, RGB, palette, CMYK, …
_SMALLER_COPY = 1  # a bit of _SUBFILE
_MAX_PARTS = 1000  # chunks of a PNG before its pixels, directories of a TIFF
_EXIF = b"Exif\0\0"
_APP1, _SCAN = 0xE1, 0xDA  # JPEG: where EXIF lies, and where the picture begins
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # among C0…CF, the markers that tell no size


def size_by_header(path: Path) -> tuple[int, int] | None:
    """(H, W) that `read_image` will most likely give; None where the header does not say, or cannot be read."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_PNG))
            if begin == _PNG:
                width, height = struct.unpack(">8xII", file.read(16))
                return height, width
            file.seek(0)
            if begin[:2] == b"\xff\xd8":
                return _of_jpeg(file)
            tags = next(_directories(file), {})
            return (tags[_HEIGHT], tags[_WIDTH]) if {_HEIGHT, _WIDTH} <= tags.keys() else None
    except (OSError, struct.error):  # whoever reads the picture says what is wrong with it
        return None


def _of_jpeg(file: BinaryIO) -> tuple[int, int] | None:
    """Segment after segment, up to the one that tells the size; EXIF lies before it."""
    file.seek(2)
    turned = False  # rows and columns change places
    while True:
        sign, marker, length = struct.unpack(">BBH", file.read(4))
        if sign != 0xFF or marker == _SCAN or length < 2:
            return None
        if marker == _APP1:
            content = file.read(length - 2)
            if content.startswith(_EXIF):
                tags = next(_directories(io.BytesIO(content[len(_EXIF) :])), {})
                turned = tags.get(_ORIENTATION, 1) >= 5
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack(">xHH", file.read(5))
            return (width, height) if turned else (height, width)
        else:
            file.seek(length - 2, io.SEEK_CUR)


def _directories(file: BinaryIO) -> Iterator[dict[int, int]]:
    """The whole numbers of each directory of a TIFF; nothing of a file that is no TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4))
    if order is None:
        return
    form = {3: "H2x", 4: "I"}  # by the entry's type: short, long
    for _ in range(_MAX_PARTS):
        (place,) = struct.unpack(f"{order}I", file.read(4))
        if not place:
            return
        file.seek(place)
        (count,) = struct.unpack(f"{order}H", file.read(2))
        entries = struct.iter_unpack(f"{order}HHI4s", file.read(12 * count))
        yield {
            tag: struct.unpack(order + form[kind], value)[0]
            for tag, kind, number, value in entries
            if kind in form and number == 1
        }


def has_alpha_and_pages(path: Path) -> tuple[bool, bool]:
    """Whether an image has transparency, and whether it has several pages or is animated.

    `read_image` gives the colors of the first page alone.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(30)
            if begin.startswith(_PNG):
                return _of_png(file)
            if begin[:4] == b"RIFF" and begin[8:12] == b"WEBP":
                extended, lossless = begin[12:16] == b"VP8X", begin[12:16] == b"VP8L"
                alpha = (extended and begin[20] & 0x10) or (lossless and begin[24] & 0x10)
                return bool(alpha), extended and bool(begin[20] & 0x02)
            file.seek(0)
            first, *others = [*_directories(file)] or [{}]
            pages = any(not tags.get(_SUBFILE, 0) & _SMALLER_COPY for tags in others)
            return first.get(_SAMPLES, 1) > _COLORS.get(first.get(_PHOTOMETRIC, 1), 4), pages
    except (OSError, struct.error, IndexError):  # whoever reads the image says what is wrong with it
        return False, False


def _of_png(file: BinaryIO) -> tuple[bool, bool]:
    file.seek(len(_PNG))
    alpha = pages = False
    for _ in range(_MAX_PARTS):
        length, kind = struct.unpack(">I4s", file.read(8))
        content = file.read(length + 4) if kind == b"IHDR" else b""
        if kind == b"IDAT":
            break
        if content:
            alpha = content[9] in (4, 6)  # the color type
        else:
            file.seek(length + 4, io.SEEK_CUR)
        alpha, pages = alpha or kind == b"tRNS", pages or kind == b"acTL"
    return alpha, pages
