"""Segments of an encoded film on disk: packets with their order and timestamps, in files that are complete or absent.

A segment has some consecutive frames of the film, begins with a keyframe and depends on no other one. So an interrupted
run loses at most one segment, and the film muxed from the segments is the same whether or not the run was interrupted.
Layout of a segment: the packets' bytes one after the other, an index (JSON), the index's length (8 bytes), `MAGIC`.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Any, BinaryIO

from ..errors import OutputError
from ..files import sync_folder
from ..wording import many
from .encode import EncoderSpec, open_encoder
from .pixel_formats import Plane, build_frame

__all__ = [
    "PacketRecord",
    "Segment",
    "SegmentWriter",
    "SegmentsSummary",
    "check_segments",
    "read_packets",
    "read_segment",
    "segment_path",
]

MAGIC = b"CMSEGMT2"
_FOOTER = 8 + 4 + len(MAGIC)  # bytes


@dataclass(frozen=True)
class PacketRecord:
    """One packet, in decoding order."""

    frame: int  # number of its frame within the segment, in presentation order
    size: int  # bytes
    key: bool


@dataclass(frozen=True)
class Segment:
    """The index of a segment."""

    pts: tuple[int, ...]  # of its frames, in the film's time base
    durations: tuple[int, ...]  # of its frames, from the source; 0 where it has none
    packets: tuple[PacketRecord, ...]
    extradata: bytes
    crc: int  # CRC-32 of the packets' bytes

    @property
    def delay(self) -> int:
        """How many packets a decoder needs before it can output the first frame."""
        return max((i - p.frame for i, p in enumerate(self.packets)), default=0)

    def end(self, frame_duration: int) -> int:
        """When its last frame ends if no segment follows; `frame_duration` is used where the source has none."""
        last, gaps = self.durations[-1] or frame_duration, [after - before for before, after in pairwise(self.pts)]
        if any(abs(gap - duration) > 1 for gap, duration in zip(gaps, self.durations, strict=False) if duration):
            # MP4 with B-frames: FFmpeg gives durations in decoding order, so the last one belongs to another frame
            last = min(last, median_low(gaps))
        return self.pts[-1] + last


@dataclass(frozen=True)
class SegmentsSummary:
    """What the segments of a film have in common."""

    delay: int  # the longest of all segments
    extradata: bytes
    whole_milliseconds: bool  # every timestamp is one


class SegmentWriter:
    """Encodes frames into segments, each with an encoder of its own.

    Args:
        frames: of a segment; None: until it is closed.

    `write` and `close` raise OutputError where the encoder drops or adds frames, and OSError where the disk fails.
    """

    def __init__(self, spec: EncoderSpec, folder: Path, frames: int | None = None) -> None:
        self.spec, self.folder, self.frames = spec, folder, frames
        self.number = 0  # of the segment that is being written, or comes next
        self._open: _OpenSegment | None = None

    def write(self, planes: tuple[Plane, Plane, Plane], pts: int, duration: int) -> None:
        """The next frame: (Y′, Cb, Cr) at the encoder's depth and sampling, its timestamp and its duration."""
        if self._open is None:
            self._open = _OpenSegment(self.spec, segment_path(self.folder, self.number))
        self._open.write(build_frame(self.spec.pix_fmt, planes), pts, duration)
        if len(self._open.pts) == self.frames:
            self.close()

    def close(self) -> None:
        """Finish the segment that is being written."""
        if self._open is not None:
            self._open.close()
            self._open = None
            self.number += 1

    def abort(self) -> None:
        """Discard the segment that is being written."""
        if self._open is not None:
            self._open.abort()
            self._open = None


class _OpenSegment:
    """A segment that is being written, to a `.part` file that is renamed when it is complete."""

    def __init__(self, spec: EncoderSpec, path: Path) -> None:
        self.spec, self.path = spec, path
        self.part = path.with_suffix(".part")
        self.context = open_encoder(spec)
        self.pts: list[int] = []
        self.durations: list[int] = []
        self.packets: list[PacketRecord] = []
        self.crc = 0
        self.file: BinaryIO = open(self.part, "wb")  # noqa: SIM115 (closed in close and abort)

    def write(self, frame: Any, pts: int, duration: int) -> None:
        frame.pts, frame.time_base = len(self.pts), 1 / self.spec.rate
        frame.color_range, frame.colorspace = self.spec.range_tag, self.spec.matrix_tag
        frame.color_primaries, frame.color_trc = self.spec.primaries_tag, self.spec.transfer_tag  # ProRes takes these
        self.pts.append(pts)
        self.durations.append(duration)
        self._store(self.context.encode(frame))

    def _store(self, packets: list[Any]) -> None:
        for packet in packets:
            self.file.write(packet)
            self.crc = zlib.crc32(packet, self.crc)
            self.packets.append(PacketRecord(packet.pts, packet.size, packet.is_keyframe))

    def close(self) -> None:
        self._store(self.context.encode(None))
        if sorted(p.frame for p in self.packets) != list(range(len(self.pts))):
            made = f"{many(len(self.packets), 'packet')} of {many(len(self.pts), 'frame')}"
            raise OutputError(f"{self.spec.encoder} made {made}: choose another codec or other encoder options.")
        index = {
            "pts": self.pts,
            "durations": self.durations,
            "packets": [[p.frame, p.size, int(p.key)] for p in self.packets],
            "extradata": (self.context.extradata or b"").hex(),
            "crc": self.crc,
        }
        data = json.dumps(index, separators=(",", ":")).encode()
        self.file.write(data + len(data).to_bytes(8, "little") + zlib.crc32(data).to_bytes(4, "little") + MAGIC)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.part, self.path)
        sync_folder(self.path.parent)

    def abort(self) -> None:
        self.file.close()
        self.part.unlink(missing_ok=True)


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment; the first is number 0."""
    return folder / f"segment-{number:06d}"


def read_segment(path: Path) -> Segment:
    """The index of a segment. Raises ValueError where the file is not a complete segment."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _FOOTER))
        footer = file.read(_FOOTER)
        length, crc = int.from_bytes(footer[:8], "little"), int.from_bytes(footer[8:12], "little")
        if footer[12:] != MAGIC or length > end - _FOOTER:
            raise ValueError(f"{path} is not a complete segment")
        file.seek(end - _FOOTER - length)
        data = file.read(length)
        if zlib.crc32(data) != crc:
            raise ValueError(f"{path} is damaged")
        index = json.loads(data)
    packets = tuple(PacketRecord(frame, size, bool(key)) for frame, size, key in index["packets"])
    extradata = bytes.fromhex(index["extradata"])
    segment = Segment(tuple(index["pts"]), tuple(index["durations"]), packets, extradata, index["crc"])
    if sum(p.size for p in packets) != end - _FOOTER - length:
        raise ValueError(f"{path} is not a complete segment")
    return segment


def read_packets(path: Path, segment: Segment) -> Iterator[bytes]:
    """The bytes of a segment's packets, in decoding order. Raises OutputError at the end where they are damaged."""
    crc = 0
    with open(path, "rb") as file:
        for packet in segment.packets:
            data = file.read(packet.size)
            crc = zlib.crc32(data, crc)
            yield data
    if crc != segment.crc:
        raise OutputError(f"{path} is damaged: start again (`resume=False`).")


def check_segments(folder: Path, count: int, time_base: Fraction) -> SegmentsSummary:
    """Read the index of every segment. Raises OutputError where one is damaged or comes from another encoder."""
    delay, extradata, whole = 0, None, True
    for number in range(count):
        try:
            segment = read_segment(segment_path(folder, number))
        except (OSError, ValueError) as error:
            raise OutputError(f"{segment_path(folder, number)} is damaged: start again (`resume=False`).") from error
        delay = max(delay, segment.delay)
        if extradata is not None and segment.extradata != extradata:
            raise OutputError(f"The segments in {folder} do not belong together: start again (`resume=False`).")
        extradata = segment.extradata
        whole = whole and all(pts * time_base.numerator * 1000 % time_base.denominator == 0 for pts in segment.pts)
    return SegmentsSummary(delay, extradata or b"", whole)
