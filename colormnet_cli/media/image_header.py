"""The size of an image from its header, without decoding it: PNG, JPEG and TIFF."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["size_by_header"]

_PNG = b"\x89PNG\r\n\x1a\n"
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274  # tags of TIFF, and of EXIF, which is a TIFF without a picture
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
            tags = _tags(file)
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
                turned = _tags(io.BytesIO(content[len(_EXIF) :])).get(_ORIENTATION, 1) >= 5
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack(">xHH", file.read(5))
            return (width, height) if turned else (height, width)
        else:
            file.seek(length - 2, io.SEEK_CUR)


def _tags(file: BinaryIO) -> dict[int, int]:
    """The whole numbers of a TIFF's first directory; none of a file that is no TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4))
    if order is None:
        return {}
    file.seek(*struct.unpack(f"{order}I", file.read(4)))
    (count,) = struct.unpack(f"{order}H", file.read(2))
    entries = struct.iter_unpack(f"{order}HHI4s", file.read(12 * count))
    form = {3: "H2x", 4: "I"}  # by the entry's type: short, long
    return {
        tag: struct.unpack(order + form[kind], value)[0]
        for tag, kind, number, value in entries
        if kind in form and number == 1
    }
