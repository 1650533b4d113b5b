"""The video packets of a finished film: the timestamps of its frames, and where a passage can be replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..errors import MediaError
from .demux import demuxed
from .parameter_sets import is_independent, nal_length_size
from .probe import VideoInfo, open_input

__all__ = ["PacketTable", "read_packet_table", "reorder_delay"]


@dataclass(frozen=True)
class PacketTable:
    """The packets of a video stream in decoding order; timestamps are in its time base."""

    pts: tuple[int, ...]
    dts: tuple[int | None, ...]
    durations: tuple[int, ...]
    independent: tuple[bool, ...]  # keyframes before which a decoder may forget everything

    @cached_property
    def frames(self) -> tuple[int, ...]:
        """The timestamps of all frames, as they are shown."""
        return tuple(sorted(self.pts))

    @property
    def delay(self) -> int:
        """How many packets a decoder needs before it can output the first frame."""
        return reorder_delay(self.pts)

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """Where the film can be cut, the end among them: no packet from here on needs or precedes one before it.

        As many packets as frames lie before each: it is the number of a packet, and that of a frame.
        """
        found, least = [len(self.pts)], None
        for number in range(len(self.pts) - 1, -1, -1):
            pts = self.pts[number]
            ahead = least is None or pts < least
            least = pts if least is None else min(pts, least)
            if self.independent[number] and ahead and (number == 0 or self._latest[number - 1] < pts):
                found.append(number)
        return tuple(reversed(found))

    @cached_property
    def _latest(self) -> list[int]:
        """The latest timestamp up to each packet."""
        latest: list[int] = []
        for pts in self.pts:
            latest.append(max(pts, latest[-1]) if latest else pts)
        return latest

    def around(self, first: int, last: int) -> tuple[int, int]:
        """The shortest passage between two cuts that has the frames [first, last)."""
        return max(cut for cut in self.cuts if cut <= first), min(cut for cut in self.cuts if cut >= last)


def reorder_delay(pts: Sequence[int]) -> int:
    """How many packets with these timestamps, in decoding order, a decoder needs before it can output the first."""
    ranks = {value: rank for rank, value in enumerate(sorted(pts))}
    return max((number - ranks[value] for number, value in enumerate(pts)), default=0)


def read_packet_table(info: VideoInfo) -> PacketTable:
    """Read all packets of a film's video stream.

    Raises MediaError: it has packets without a timestamp, two frames at one time, or hidden frames.
    """
    pts, dts, durations, independent = [], [], [], []
    with open_input(info.path) as container:
        stream = container.streams[info.index]
        codec = stream.codec_context.codec.canonical_name
        size = nal_length_size(codec, stream.codec_context.extradata or b"")
        for packet in demuxed(container, [stream]):
            if not packet.size:
                continue
            if packet.pts is None or packet.is_discard:
                what = "a packet without a timestamp" if packet.pts is None else "frames that an edit list hides"
                raise MediaError(f"{info.path} has {what}: no passage of it can be replaced, color the whole film.")
            pts.append(packet.pts)
            dts.append(packet.dts)
            durations.append(packet.duration or 0)
            independent.append(packet.is_keyframe and is_independent(codec, bytes(packet), size))
    if len(set(pts)) < len(pts) or not pts or not independent[0]:
        what = "does not begin with a keyframe" if pts and not independent[0] else "has two frames at one time"
        raise MediaError(f"{info.path} {what}: no passage of it can be replaced, color the whole film.")
    return PacketTable(tuple(pts), tuple(dts), tuple(durations), tuple(independent))
