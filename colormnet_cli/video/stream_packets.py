"""The packets of the streams beside the picture: copied, or made anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import av
from av.container import InputContainer

from ..errors import OutputError
from .decode import demuxed
from .subtitle_text import convert_text

__all__ = ["ConvertedSubtitles", "CopiedStream", "TimeRange", "TranscodedAudio", "other_packets"]

LATEST = 10  # seconds that a packet may lie further on in the file than its instant
CERTAIN = 100  # packets in a row behind the part's end; a single one may be a damaged instant


@dataclass(frozen=True)
class TimeRange:
    """The part of the film that goes out, in seconds of the source; `shift` is added to every instant."""

    begin: Fraction | None = None
    end: Fraction | None = None
    shift: Fraction = Fraction(0)


def other_packets(
    source: InputContainer, tracks: dict[int, CopiedStream], end: Fraction | None = None
) -> Iterator[tuple[Fraction, Any]]:
    """Packets for the output in the source's order, each with its instant (decoding time, seconds).

    Of a part that ends early, the rest of the source is not read: sound says where the reading is.
    """
    streams = [source.streams[index] for index in tracks]
    past = {stream.index: 0 for stream in streams if stream.type == "audio"}  # packets in a row behind the end
    for packet in demuxed(source, streams):
        index = packet.stream.index
        if end is not None and index in past and packet.pts is not None:
            past[index] = past[index] + 1 if packet.pts * packet.time_base >= end + LATEST else 0
        yield from tracks[index].packets(packet)
        if past and min(past.values()) >= CERTAIN:
            break
    for track in tracks.values():
        yield from track.flush()


class CopiedStream:
    """Packets of one stream, copied; their timestamps moved by the window's shift.

    What an edit list cuts away stays away where the container has none, but for the decoder's run-up.
    """

    def __init__(self, stream: Any, added: Any, window: TimeRange, muxer: str) -> None:
        self.stream, self.added, self.window = stream, added, window
        self.drops_hidden = muxer not in ("mp4", "mov")
        self.damaged = 0
        self._last_dts: int | None = None
        self._hidden: deque[Any] = deque(maxlen=2)

    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        if not packet.size:
            return
        if self.stream.type == "subtitle" and bytes(packet) == b"\0\0":  # a gap of mov_text; the muxer writes its own
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
        if last is not None and packet.dts <= last and self.stream.type != "subtitle":
            packet.dts = last + 1
            packet.pts = max(packet.pts, packet.dts)
            self.damaged += 1
        self._last_dts = packet.dts
        yield self._out(packet)

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        """What is still held back, when no packet comes any more."""
        yield from ()

    def _within(self, seconds: Fraction) -> bool:
        begin, end = self.window.begin, self.window.end
        return (begin is None or seconds >= begin) and (end is None or seconds < end)

    def _out(self, packet: Any) -> tuple[Fraction, Any]:
        """The packet as the output gets it."""
        shift = round(self.window.shift / packet.time_base)
        packet.pts += shift
        packet.dts += shift
        packet.stream = self.added
        return packet.dts * packet.time_base, packet

    def _shorten(self, packet: Any) -> None:
        """What is on the screen where the part begins comes there, and nothing outlasts its end."""
        begin, end = (
            None if at is None else ceil(at / packet.time_base) for at in (self.window.begin, self.window.end)
        )
        if begin is not None and packet.pts < begin < packet.pts + (packet.duration or 0):
            packet.duration -= begin - packet.pts
            packet.pts = packet.dts = begin
        if end is not None and packet.pts < end < packet.pts + (packet.duration or 0):
            packet.duration = end - packet.pts


class ConvertedSubtitles(CopiedStream):
    """Text subtitles in another form."""

    def __init__(self, stream: Any, added: Any, window: TimeRange, muxer: str, form: str) -> None:
        super().__init__(stream, added, window, muxer)
        self.form = form

    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        data = convert_text(bytes(packet), self.stream.codec_context.name, self.form) if packet.size else None
        if data is None:
            return
        text: Any = av.Packet(data)
        text.pts, text.dts, text.duration, text.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
        text.is_keyframe = True
        yield from super().packets(text)


class TranscodedAudio(CopiedStream):
    """Audio that is encoded anew, all of it as it begins: a broadcast changes rate and channels, an encoder cannot."""

    _first: tuple[Any, ...] | None = None  # format, layout and rate of the first frame
    _kind: tuple[Any, ...] | None = None  # of the last one
    _resampler: Any = None  # from the one to the other

    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        try:
            frames = packet.decode()
        except EOFError:
            frames = []
        except av.error.FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            if frame.pts is None or self._within(frame.pts * frame.time_base):
                for alike in self._alike(frame):
                    yield from self._encoded(alike)

    def _alike(self, frame: Any) -> Iterator[Any]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        self._first = self._first or kind
        if kind != self._kind:
            yield from self._resampled(None)
            self._kind = kind
            self._resampler = av.AudioResampler(*self._first) if kind != self._first else None
        yield from [frame] if self._resampler is None else self._resampled(frame)

    def _resampled(self, frame: Any) -> Iterator[Any]:
        """With the instants in the stream's clock, for the encoder knows no other; None: what is still held back."""
        for alike in self._resampler.resample(frame) if self._resampler is not None else ():
            alike.pts = round(alike.pts * alike.time_base / self.stream.time_base)
            alike.time_base = self.stream.time_base
            yield alike

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        for frame in self._resampled(None):
            yield from self._encoded(frame)
        yield from self._encoded(None)

    def _encoded(self, frame: Any) -> Iterator[tuple[Fraction, Any]]:
        """Packets of a frame; None: those that the encoder still holds back."""
        try:
            packets = self.added.encode(frame)
        except av.error.FFmpegError as error:
            raise OutputError(
                f"Audio stream {self.stream.index} cannot be converted to {self.added.codec_context.name} "
                f"({error.strerror}): run once more with --audio none, or into an .mkv, which may hold it as it is."
            ) from error
        yield from map(self._out, packets)
