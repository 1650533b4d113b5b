"""Decoded frames out of an open container; what cannot be decoded is counted and passed over."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import av
from av.container import InputContainer

from ..wording import many

__all__ = ["DecodeStatistics", "DecoderCounters", "decoded_frames", "demuxed"]

log = logging.getLogger(__name__)

LOST_LIMIT = 200  # read errors in a row, without a packet in between, that mean the end


@dataclass
class DecodeStatistics:
    """So far."""

    undecodable: int = 0  # packets
    damaged: int = 0  # frames that the decoder itself calls so
    missing: int = 0  # frames that the container announces and the file does not hold
    resized: int = 0  # frames of another size than the first
    retimed: int = 0  # frames whose timestamp was missing or went backwards
    interlaced: bool = False
    colored: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def restore(self, counted: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` gave; whoever counts here goes on doing so."""
        for name, value in counted.items():
            setattr(self, name, value)

    def first_error(self, where: str) -> str | None:
        """The first thing that is broken, for those who want none; `where` is the place."""
        if self.undecodable:
            return f"a packet after {where} cannot be decoded"
        if self.damaged:
            return f"the frame at {where} is damaged"
        return f"it ends early, at {where}" if self.missing else None

    def warnings(self) -> Iterator[str]:
        """All of it, for people, when the film is read."""
        if self.colored:
            yield "The film already has colour: it was discarded."
        if self.interlaced:
            yield "The film is interlaced: its fields were coloured together; deinterlacing it first gives more."
        if self.undecodable:
            yield f"The film has {many(self.undecodable, 'packet')} that cannot be decoded; it went on without."
        if self.damaged:
            yield f"The film has {many(self.damaged, 'frame')} that came out of the decoder damaged."
        if self.missing:
            yield f"The film ends early: about {many(self.missing, 'frame')} that it announces are not there."
        if self.resized:
            yield f"The film has {many(self.resized, 'frame')} of another size than the first, left out."
        if self.retimed:
            yield f"The film has {many(self.retimed, 'frame')} without a usable timestamp, placed after the last."


@dataclass
class DecoderCounters:
    """What went into the decoder, and what came out."""

    packets: int = 0  # without those that an edit list cuts away
    last: int | None = None  # decoding time of the last packet
    frames: int = 0
    errors: int = 0


def decoded_frames(
    container: InputContainer,
    stream: Any,
    counts: DecodeStatistics | None = None,
    fed: DecoderCounters | None = None,
    threads: int = 0,
) -> Iterator[av.VideoFrame]:
    """All frames from the container's place on; what cannot be decoded is counted and passed over."""
    counts, fed = counts or DecodeStatistics(), fed or DecoderCounters()
    # Frame threads; but where PyAV hands FFmpeg's messages to Python, a frame thread that has something to say and a
    # decoder that is being closed wait for each other.
    stream.codec_context.thread_type = "AUTO" if av.logging.get_level() is None else "SLICE"
    stream.codec_context.thread_count = threads
    for packet in demuxed(container, [stream], counts):
        if packet.size:
            fed.packets, fed.last = fed.packets + (not packet.is_discard), packet.dts
        try:
            frames = packet.decode()
        except EOFError:
            return
        except av.error.FFmpegError as error:
            fed.errors += 1
            counts.undecodable += 1
            log.debug("packet at %s: %s", packet.pts, error)
            continue
        for frame in frames:
            fed.frames += 1
            yield frame


def demuxed(container: InputContainer, streams: list[Any], counts: DecodeStatistics | None = None) -> Iterator[Any]:
    """Packets of some streams, last the empty ones that flush; a read error is passed over, but not for ever."""
    lost = 0
    while streams and lost < LOST_LIMIT:  # PyAV takes none for all
        try:
            for packet in container.demux(streams):
                if packet.size:
                    lost = 0
                yield packet
            return
        except av.error.FFmpegError as error:
            lost += 1
            if lost == 1 and counts is not None:
                counts.undecodable += 1
            log.debug("read error: %s", error)
    for stream in streams:
        flush: Any = av.Packet()
        flush.stream = stream
        yield flush
