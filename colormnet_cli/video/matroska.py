"""Writes the sample aspect ratio into a finished Matroska or WebM file, which PyAV cannot hand to FFmpeg's muxer.

`reserve_shape` makes room for it in the header by a longer title of the video stream; `write_shape` replaces that by
the true title, the display size and padding. No other byte of the file moves.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from fractions import Fraction
from math import gcd
from typing import Any, BinaryIO

__all__ = ["reserve_shape", "write_shape"]

RESERVED = b"#" * 40  # more than the new elements need

# IDs of elements (RFC 9559)
_SEGMENT, _TRACKS, _TRACK, _NAME, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x536E, 0xE0
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_VOID, _CRC32 = 0xEC, 0xBF
_ASPECT_RATIO = 3  # DisplayUnit: width and height are a ratio, not pixels


def reserve_shape(video: Any) -> None:
    """Make room in the header for the shape of this stream, the first one of the output."""
    video.metadata["title"] = video.metadata.get("title", "") + RESERVED.decode()


def write_shape(file: BinaryIO, width: int, height: int, sample_aspect_ratio: Fraction) -> None:
    """Write the display size of a video of this size, for which room was reserved. Raises ValueError: there is none."""
    _enter(file, _SEGMENT)
    size = _enter(file, _TRACKS)
    begin = file.tell()
    (name, head, track), *others = (e for e in _elements(file.read(size)) if e[0] != _CRC32)
    if name != _TRACK:
        raise ValueError("the first element is not a track")
    data = head + _with_shape(track, *_display_size(width, height, sample_aspect_ratio))
    data += b"".join(head + content for _, head, content in others)
    if len(data) < size:
        data = _element(_CRC32, zlib.crc32(data).to_bytes(4, "little")) + data
    if len(data) != size:
        raise ValueError(f"the header's size would change from {size} to {len(data)}")
    file.seek(begin)
    file.write(data)


def _display_size(width: int, height: int, sample_aspect_ratio: Fraction) -> tuple[int, int, int]:
    """DisplayWidth, DisplayHeight and DisplayUnit: in pixels where these are whole numbers."""
    shown = width * sample_aspect_ratio
    if shown.denominator == 1:
        return shown.numerator, height, 0
    across, down = width * sample_aspect_ratio.numerator, height * sample_aspect_ratio.denominator
    return across // gcd(across, down), down // gcd(across, down), _ASPECT_RATIO


def _with_shape(track: bytes, display_width: int, display_height: int, unit: int) -> bytes:
    """The content of a TrackEntry with these elements, as long as before."""
    values = {_DISPLAY_WIDTH: display_width, _DISPLAY_HEIGHT: display_height} | ({_DISPLAY_UNIT: unit} if unit else {})
    shape = b"".join(_element(name, value.to_bytes(8, "big").lstrip(b"\0")) for name, value in values.items())
    data = b""
    for name, head, content in _elements(track):
        if name == _VIDEO:
            kept = b"".join(head + content for name, head, content in _elements(content) if name != _DISPLAY_UNIT)
            data += _element(_VIDEO, kept + shape)
        elif name == _NAME:
            title = content.removesuffix(RESERVED)
            data += _element(_NAME, title) if title else b""
        else:
            data += head + content
    padding = len(track) - len(data) - 2
    if padding < 0:
        raise ValueError("no room was reserved")
    return data + _element(_VOID, bytes(padding))


def _enter(file: BinaryIO, wanted: int) -> int:
    """Move to the content of the next such element; returns its size."""
    while True:
        name, size, _ = _head(file)
        if name == wanted:
            return size
        file.seek(size, io.SEEK_CUR)


def _elements(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """ID, head and content of the elements in these bytes."""
    file = io.BytesIO(data)
    while file.tell() < len(data):
        name, size, head = _head(file)
        yield name, head, file.read(size)


def _head(file: BinaryIO) -> tuple[int, int, bytes]:
    """ID and content's size of the element that begins here, and the bytes of both."""
    name, size = _variable_length(file), _variable_length(file)
    return int.from_bytes(name, "big"), int.from_bytes(size, "big") - (1 << 7 * len(size)), name + size


def _variable_length(file: BinaryIO) -> bytes:
    """A number whose leading zero bits tell how many bytes follow the first."""
    first = file.read(1)
    if not first or not first[0]:
        raise ValueError("the header is damaged")
    return first + file.read(8 - first[0].bit_length())


def _element(name: int, content: bytes) -> bytes:
    length = 1 if len(content) < 127 else 4
    size = (len(content) + (1 << 7 * length)).to_bytes(length, "big")
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + size + content
