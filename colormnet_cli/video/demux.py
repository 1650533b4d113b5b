"""Demuxing that survives damage, with continuous timestamps for joined MPEG streams (.ts, .vob).

In these the timestamps start again at every joint. The coloring and the muxing of a film read it separately: both place
the parts by the video's timestamps alone, so that all streams are moved by the same offset and audio stays in sync.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer

if TYPE_CHECKING:
    from .decode import DecodeStatistics

__all__ = ["continuous_packets", "demuxed", "first_packets"]

log = logging.getLogger(__name__)

FIRST_PACKETS, FIRST_BYTES = 300, 64 << 20  # what `first_packets` reads at most
MAX_READ_ERRORS = 200  # in a row, without a packet in between: nothing more can be read
MAX_BACKWARD = Fraction(1, 10)  # seconds by which decoding timestamps may go back without starting again
LOOK_AHEAD = 4  # packets of video that must confirm it: a single one may have a damaged timestamp
MAX_BUFFERED = 1000  # packets of all streams that are read ahead for that

_MAY_START_AGAIN: Any = av.format.Flags["ts_discont"].value
_Interval = tuple[Fraction, Fraction]  # DTS of a packet, and of the one after it


def demuxed(container: InputContainer, streams: list[Any], statistics: DecodeStatistics | None = None) -> Iterator[Any]:
    """Packets of some streams, and finally an empty packet for each, which flushes its decoder.

    A read error is skipped; too many in a row end the reading.
    """
    errors = 0
    while streams and errors < MAX_READ_ERRORS:  # without streams, PyAV would demux all of them
        try:
            for packet in container.demux(streams):
                if packet.size:  # PyAV's own flush packets are replaced by those below
                    errors = 0
                    yield packet
            break
        except IndexError:  # after the last packet: PyAV flushes all streams, and has no object for a late one
            if statistics is not None:
                statistics.late_streams = True
            break
        except av.error.FFmpegError as error:
            errors += 1
            if errors == 1 and statistics is not None:
                statistics.undecodable += 1
            log.debug("read error: %s", error)
    for stream in streams:
        flush: Any = av.Packet()
        flush.stream = stream
        yield flush


def first_packets(container: InputContainer) -> Iterator[Any]:
    """The packets at the beginning of a file, of all its streams: enough to see whether a muxer takes them."""
    size = 0
    for number, packet in enumerate(demuxed(container, list(container.streams)), 1):
        size += packet.size
        if packet.size:
            yield packet
        if number == FIRST_PACKETS or size > FIRST_BYTES:
            return


def continuous_packets(
    container: InputContainer, streams: list[Any], video: Any, statistics: DecodeStatistics | None = None
) -> Iterator[Any]:
    """`demuxed`, with an offset added to the timestamps wherever those of the stream `video` start again."""
    if not container.format.flags & _MAY_START_AGAIN:
        yield from demuxed(container, streams, statistics)
        return
    wanted = {stream.index for stream in streams}
    needed = streams if video.index in wanted else [*streams, video]
    for packet in _Timeline(video.index, statistics).moved(demuxed(container, needed, statistics)):
        if packet.stream.index in wanted:
            yield packet


class _Timeline:
    def __init__(self, video: int, statistics: DecodeStatistics | None) -> None:
        self.video, self.statistics = video, statistics
        self.offset = Fraction(0)  # of the current part, in seconds
        self.early: dict[int, Fraction] = {}  # of streams that are in the next part before the video
        self.ends: dict[int, Fraction] = {}  # of each stream's last packet, without the offset
        self.ahead: deque[Any] = deque()
        self.intervals: deque[_Interval] = deque()  # of the video's packets in `ahead`

    def moved(self, packets: Iterator[Any]) -> Iterator[Any]:
        """The packets, with continuous timestamps."""
        while True:
            while len(self.intervals) < LOOK_AHEAD and len(self.ahead) < MAX_BUFFERED:
                packet = next(packets, None)
                if packet is None:
                    break
                self.ahead.append(packet)
                if packet.stream.index == self.video and packet.dts is not None:
                    self.intervals.append(_interval(packet))
            if not self.ahead:
                return
            packet = self.ahead.popleft()
            if packet.dts is not None:
                self._place(packet)
            move = round(self.early.get(packet.stream.index, self.offset) / packet.time_base) if packet.size else 0
            if move:
                packet.pts = None if packet.pts is None else packet.pts + move
                packet.dts = None if packet.dts is None else packet.dts + move
            yield packet

    def _place(self, packet: Any) -> None:
        """Update the offsets for this packet."""
        index, (begin, end) = packet.stream.index, _interval(packet)
        video = index == self.video
        if video:
            self.intervals.popleft()
        back = index in self.ends and begin < self.ends[index] - MAX_BACKWARD
        if back and index not in self.early:
            offset = self._next_offset(chain([(begin, end)] if video else [], self.intervals))
            if offset is not None and video:
                self.offset, self.early = offset, {}
                if self.statistics is not None:
                    self.statistics.restarts += 1
            elif offset is not None:
                self.early[index] = offset
        if not (video and self._is_late(begin)):
            self.ends[index] = end

    def _next_offset(self, intervals: Iterable[_Interval]) -> Fraction | None:
        """The offset of the next part, if these packets of video show that it begins."""
        expected, offset = self.ends.get(self.video), None
        for begin, end in intervals:
            if expected is None or (offset is None and begin >= expected - MAX_BACKWARD):
                expected = end
            elif begin >= expected - MAX_BACKWARD:  # it goes on: the one before had a damaged timestamp
                return None
            elif offset is None:
                offset = self.offset + expected - begin
        return offset

    def _is_late(self, begin: Fraction) -> bool:
        """Whether the video's next packet shows that this one has a damaged timestamp, far too late."""
        last = self.ends.get(self.video)
        following = self.intervals[0][0] if self.intervals else None
        return last is not None and following is not None and last - MAX_BACKWARD <= following < begin - MAX_BACKWARD


def _interval(packet: Any) -> _Interval:
    return packet.dts * packet.time_base, (packet.dts + (packet.duration or 0)) * packet.time_base
