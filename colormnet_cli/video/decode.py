"""Decoded frames out of an open container; what cannot be decoded is counted and passed over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
from av.container import InputContainer

from .counts import Counts

__all__ = ["Fed", "decoded_frames", "demuxed"]

log = logging.getLogger(__name__)

LOST_LIMIT = 200  # read errors in a row, without a packet in between, that mean the end


@dataclass
class Fed:
    """What went into the decoder, and what came out."""

    packets: int = 0  # without those that an edit list cuts away
    last: int | None = None  # decoding time of the last packet
    frames: int = 0
    errors: int = 0


def decoded_frames(
    container: InputContainer, stream: Any, counts: Counts | None = None, fed: Fed | None = None, threads: int = 0
) -> Iterator[av.VideoFrame]:
    """All frames from the container's place on; what cannot be decoded is counted and passed over."""
    counts, fed = counts or Counts(), fed or Fed()
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


def demuxed(container: InputContainer, streams: list[Any], counts: Counts | None = None) -> Iterator[Any]:
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
