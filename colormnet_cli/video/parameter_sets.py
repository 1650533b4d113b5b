"""Parameter sets of H.264 and HEVC, which a decoder gets before the first packet, as MP4 and Matroska store them.

Packets of two encoders can follow each other in one film where the decoder has the sets of both. H.264 has room for
several parameter sets, which their ids distinguish; of all other codecs, the encoders must have made the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["H264Sets", "free_id", "is_independent", "merged_sets", "nal_length_size", "same_decoder", "used_ids"]

_H264_IDR, _H264_PICTURES = 5, range(1, 6)
_HEVC_INDEPENDENT, _HEVC_PICTURES = range(16, 21), range(32)  # BLA and IDR; CRA goes on counting pictures
_HEVC_SETS = (32, 33, 34)  # VPS, SPS, PPS; the rest are messages, such as the encoder's options
_IN_KEYFRAMES = ("vp9", "vp8")  # keyframes hold everything that the decoder needs


@dataclass(frozen=True)
class H264Sets:
    """The content of an `avcC` box."""

    head: bytes  # version, profile, compatibility, level, size of lengths
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    tail: bytes  # chroma format and bit depths of the high profiles

    @staticmethod
    def read(data: bytes) -> H264Sets:
        """Raises ValueError where it is no such box."""
        if len(data) < 7 or data[0] != 1:
            raise ValueError("no avcC")
        sps, place = _listed(data, 6, data[5] & 31)
        pps, place = _listed(data, place + 1, data[place])
        return H264Sets(data[:5], sps, pps, data[place:])

    def write(self) -> bytes:
        """The inverse of `read`."""
        parts = [self.head, bytes([0xE0 | len(self.sps)])]
        parts += [len(unit).to_bytes(2, "big") + unit for unit in self.sps]
        parts += [bytes([len(self.pps)]), *(len(unit).to_bytes(2, "big") + unit for unit in self.pps)]
        return b"".join([*parts, self.tail])

    @property
    def ids(self) -> set[int]:
        """The ids of all sets."""
        return {_exp_golomb(unit, 4) for unit in self.sps} | {_exp_golomb(unit, 1) for unit in self.pps}


def same_decoder(codec: str, film: bytes, passage: bytes) -> bool:
    """Whether a decoder that has `film` can decode packets to which `passage` belongs.

    Args:
        codec: FFmpeg's name.
        film, passage: extradata of the streams of two files of one container format.
    """
    if codec in _IN_KEYFRAMES or film == passage:
        return True
    try:
        if codec == "h264":
            one, other = H264Sets.read(film), H264Sets.read(passage)
            return set(other.sps) <= set(one.sps) and set(other.pps) <= set(one.pps) and one.tail == other.tail
        if codec == "hevc":
            return set(_hevc_sets(passage)) <= set(_hevc_sets(film))
    except (ValueError, IndexError):
        pass
    return False


def merged_sets(film: bytes, passage: bytes) -> bytes | None:
    """The extradata of an H.264 film with the sets of a passage added; None where their ids are taken, or too many."""
    try:
        one, other = H264Sets.read(film), H264Sets.read(passage)
    except (ValueError, IndexError):
        return None
    same = one.head[1] == other.head[1] and one.head[4] == other.head[4] and one.tail == other.tail
    if not same or one.ids & other.ids or max(other.ids) > 31:
        return None
    head = one.head[:3] + bytes([max(one.head[3], other.head[3])]) + one.head[4:]  # the higher level
    return H264Sets(head, one.sps + other.sps, one.pps + other.pps, one.tail).write()


def used_ids(film: bytes) -> list[int]:
    """The ids of the parameter sets of an H.264 film; none where its extradata has none."""
    try:
        return sorted(H264Sets.read(film).ids)
    except (ValueError, IndexError):
        return []


def free_id(film: bytes) -> int:
    """The smallest id that no parameter set of an H.264 film has; up to 31 are allowed."""
    taken = used_ids(film)
    return next(number for number in range(len(taken) + 1) if number not in taken)


def nal_length_size(codec: str, extradata: bytes) -> int:
    """Bytes of the length before each NAL unit of a packet; 0: they are separated by start codes."""
    place = {"h264": 4, "hevc": 21}.get(codec)
    return (extradata[place] & 3) + 1 if place is not None and len(extradata) > place and extradata[0] == 1 else 0


def is_independent(codec: str, packet: bytes, length_size: int) -> bool:
    """Whether a keyframe of H.264 or HEVC lets a decoder forget everything before it; of other codecs all do."""
    if codec not in ("h264", "hevc"):
        return True
    for unit in _nal_units(packet, length_size):
        kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
        if kind in (_H264_PICTURES if codec == "h264" else _HEVC_PICTURES):
            return kind == _H264_IDR if codec == "h264" else kind in _HEVC_INDEPENDENT
    return False


def _nal_units(packet: bytes, length_size: int) -> Iterator[bytes]:
    """The beginnings of the NAL units of a packet."""
    if not length_size:
        yield from (unit[:2] for unit in packet.split(b"\0\0\1")[1:] if unit)
        return
    place = 0
    while place + length_size < len(packet):
        size = int.from_bytes(packet[place : place + length_size], "big")
        yield packet[place + length_size : place + length_size + 2]
        place += length_size + size


def _listed(data: bytes, place: int, count: int) -> tuple[tuple[bytes, ...], int]:
    """`count` units with their lengths before them, and the position after them."""
    units = []
    for _ in range(count):
        size = int.from_bytes(data[place : place + 2], "big")
        units.append(data[place + 2 : place + 2 + size])
        place += 2 + size
        if place > len(data):
            raise ValueError("a unit ends after the data")
    return tuple(units), place


def _hevc_sets(data: bytes) -> list[bytes]:
    """The parameter sets of an `hvcC` box."""
    if len(data) < 23 or data[0] != 1:
        raise ValueError("no hvcC")
    sets: list[bytes] = []
    place = 23
    for _ in range(data[22]):
        kind, count = data[place] & 63, int.from_bytes(data[place + 1 : place + 3], "big")
        units, place = _listed(data, place + 3, count)
        sets += units if kind in _HEVC_SETS else ()
    return sets


def _exp_golomb(unit: bytes, place: int) -> int:
    """The number coded at a byte of a NAL unit."""
    bits = "".join(f"{byte:08b}" for byte in unit[place : place + 4])
    zeros = bits.index("1")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1
