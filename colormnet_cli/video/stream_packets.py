"""Packets of the streams besides the colored one: copied, converted (subtitles) or transcoded (audio)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from ..errors import OutputError
from .demux import continuous_packets, demuxed
from .subtitle_text import convert_text

__all__ = ["ConvertedSubtitles", "CopiedStream", "TimeRange", "TranscodedAudio", "mux_copied", "other_packets"]

MAX_JUMP = 1  # seconds of a gap in audio after which the next packet is looked at
MAX_DELAY = 10  # seconds by which a packet may come later in the file than its timestamp says
MIN_PAST_END = 100  # packets in a row after the end of the part; a single one may have a damaged timestamp


@dataclass(frozen=True)
class TimeRange:
    """The part of the source that is muxed, in its seconds (None: open); `shift` is added to every timestamp."""

    begin: Fraction | None = None
    end: Fraction | None = None
    shift: Fraction = Fraction(0)


def other_packets(
    source: InputContainer, copies: dict[int, CopiedStream], end: Fraction | None = None, video: Any = None
) -> Iterator[tuple[Fraction, Any]]:
    """Packets for the output in the source's order, each with its decoding time in seconds.

    The source is not read beyond `end`; the audio packets tell when that is reached. The timestamps of `video`, the
    stream that is colored, tell where those of the others start again.
    """
    streams = [source.streams[index] for index in copies]
    past = {stream.index: 0 for stream in streams if stream.type == "audio"}  # packets in a row after the end
    for packet in demuxed(source, streams) if video is None else continuous_packets(source, streams, video):
        index = packet.stream.index
        if end is not None and index in past and packet.pts is not None:
            past[index] = past[index] + 1 if packet.pts * packet.time_base >= end + MAX_DELAY else 0
        yield from copies[index].packets(packet)
        if past and min(past.values()) >= MIN_PAST_END:
            break
    for copy in copies.values():
        yield from copy.flush()


def mux_copied(output: OutputContainer, packet: Any) -> bool:
    """Write a packet of the source; False where the muxer refuses it because it is damaged."""
    try:
        output.mux(packet)
    except (av.error.InvalidDataError, av.error.ArgumentError):
        return False
    return True


class CopiedStream:
    """Copies the packets of one stream; a base class for those that change them.

    Packets that an edit list hides are dropped where the output's container has no edit lists, except for the last
    two before the first visible one: the decoder's pre-roll.
    """

    def __init__(self, stream: Any, added: Any, part: TimeRange, muxer: str) -> None:
        self.stream, self.added, self.part = stream, added, part
        self.drops_hidden = muxer not in ("mp4", "mov")
        self.increasing = muxer in ("mp4", "mov") and stream.type == "audio"  # these refuse two packets at one time
        self.damaged = 0
        self._expected = 0  # DTS of the next packet, if it is audio without a gap
        self._held: Any = None  # a packet that comes later than that
        self._last_dts: int | None = None
        self._last_out = -(2**63)  # in the output's time base
        self._hidden: deque[Any] = deque(maxlen=2)

    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        """What becomes of a packet of the source: (decoding time in seconds, packet of the output), any number.

        An empty packet ends the stream.
        """
        for plausible in self._plausible(packet) if self.stream.type == "audio" else (packet,):
            yield from self._converted(plausible)

    def _plausible(self, packet: Any) -> Iterator[Any]:
        """Audio packets, with timestamps that are far too late repaired: the next packet shows which are."""
        held, self._held = self._held, None
        if held is not None:
            if packet.dts is not None and self._expected <= packet.dts < held.dts:
                held.pts = held.dts = self._expected
                self.damaged += 1
            self._expected = held.dts + held.duration
            yield held
        if packet.size and packet.dts is not None:
            if packet.dts > self._expected + MAX_JUMP / packet.time_base:
                self._held = packet
                return
            self._expected = packet.dts + packet.duration
        yield packet

    def _converted(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        if not packet.size:
            return
        if self.stream.type == "subtitle" and bytes(packet) == b"\0\0":  # mov_text's gap; the muxer writes its own
            return
        if self.drops_hidden and packet.is_discard:
            self._hidden.append(packet)
            return
        if self._last_dts is None:
            for before in self._hidden:
                yield from self._copied(before)
        yield from self._copied(packet)

    def _copied(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        step = packet.duration or 1
        last = self._last_dts
        if packet.pts is None and packet.dts is None:
            packet.pts = packet.dts = 0 if last is None else last + step
        elif packet.dts is None:
            packet.dts = packet.pts
        elif packet.pts is None:
            packet.pts = packet.dts
        if self.stream.type == "subtitle":
            self._shorten(packet)
        if not self._within(packet.pts * packet.time_base):
            return
        if last is not None and packet.dts < last and self.stream.type != "subtitle":
            packet.dts = last + 1
            packet.pts = max(packet.pts, packet.dts)
            self.damaged += 1
        self._last_dts = packet.dts
        yield self._out(packet)

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        """What is left after the last packet."""
        yield from ()

    def _within(self, seconds: Fraction) -> bool:
        begin, end = self.part.begin, self.part.end
        return (begin is None or seconds >= begin) and (end is None or seconds < end)

    def _out(self, packet: Any) -> tuple[Fraction, Any]:
        """The packet, moved to the output's stream and time."""
        shift = round(self.part.shift / packet.time_base)
        packet.pts += shift
        packet.dts += shift
        packet.stream = self.added
        seconds = packet.dts * packet.time_base
        if self.increasing:
            dts = floor(seconds / self.added.time_base + Fraction(1, 2))
            if dts <= self._last_out:  # short packets in a coarse time base, such as TrueHD's in milliseconds
                dts = self._last_out + 1
                packet.time_base, packet.duration = self.added.time_base, 0
                packet.pts = packet.dts = dts
            self._last_out = dts
        return seconds, packet

    def _shorten(self, packet: Any) -> None:
        """Cut a subtitle to the part: one already on screen at its beginning starts there, none outlasts its end."""
        begin, end = (None if at is None else ceil(at / packet.time_base) for at in (self.part.begin, self.part.end))
        if begin is not None and packet.pts < begin < packet.pts + (packet.duration or 0):
            packet.duration -= begin - packet.pts
            packet.pts = packet.dts = begin
        if end is not None and packet.pts < end < packet.pts + (packet.duration or 0):
            packet.duration = end - packet.pts


class ConvertedSubtitles(CopiedStream):
    """Text subtitles in another format."""

    def __init__(self, stream: Any, added: Any, part: TimeRange, muxer: str, codec: str) -> None:
        super().__init__(stream, added, part, muxer)
        self.codec = codec

    def _converted(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        data = convert_text(bytes(packet), self.stream.codec_context.name, self.codec) if packet.size else None
        if data is None:
            return
        text: Any = av.Packet(data)
        text.pts, text.dts, text.duration, text.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
        text.is_keyframe = True
        yield from super()._converted(text)


class TranscodedAudio(CopiedStream):
    """Audio that is encoded again, in the format of its first frame: broadcasts change rate and channels midway."""

    _first: tuple[Any, ...] | None = None  # sample format, layout and rate of the first frame
    _last: tuple[Any, ...] | None = None  # those of the last frame
    _resampler: Any = None  # from the last to the first
    _end = 0  # of the last frame, in the stream's time base

    def _converted(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        try:
            frames = packet.decode()
        except EOFError:
            frames = []
        except av.error.FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            if frame.pts is None:  # such as the last one of WMA, from the flushed decoder
                frame.pts, frame.time_base = self._end, self.stream.time_base
            self._end = frame.pts + round(Fraction(frame.samples, frame.sample_rate) / frame.time_base)
            if self._within(frame.pts * frame.time_base):
                for uniform in self._uniform(frame):
                    yield from self._encoded(uniform)

    def _uniform(self, frame: Any) -> Iterator[Any]:
        """The frame in the format of the first one."""
        format_ = (frame.format.name, frame.layout.name, frame.sample_rate)
        self._first = self._first or format_
        if format_ != self._last:
            yield from self._resampled(None)
            self._last = format_
            self._resampler = av.AudioResampler(*self._first) if format_ != self._first else None
        yield from [frame] if self._resampler is None else self._resampled(frame)

    def _resampled(self, frame: Any) -> Iterator[Any]:
        """In the stream's time base, the only one that the encoder knows. None: the resampler's remaining frames."""
        for resampled in self._resampler.resample(frame) if self._resampler is not None else ():
            resampled.pts = round(resampled.pts * resampled.time_base / self.stream.time_base)
            resampled.time_base = self.stream.time_base
            yield resampled

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        for frame in self._resampled(None):
            yield from self._encoded(frame)
        yield from self._encoded(None)

    def _encoded(self, frame: Any) -> Iterator[tuple[Fraction, Any]]:
        """The frame's packets. None: the encoder's remaining ones."""
        try:
            packets = self.added.encode(frame)
        except av.error.FFmpegError as error:
            raise OutputError(
                f"Audio stream {self.stream.index} cannot be converted to {self.added.codec_context.name} "
                f"({error.strerror}): run again without audio, or write an .mkv, which may hold it unchanged."
            ) from error
        yield from map(self._out, packets)
