"""Decoding that survives damage: what cannot be decoded is counted and skipped."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import asdict, dataclass, field
from typing import Any

import av
from av.container import InputContainer

from ..wording import many
from .demux import continuous_packets

__all__ = ["DecodeStatistics", "DecoderCounters", "decoded_frames"]

log = logging.getLogger(__name__)


MAX_STEPS = 32  # different distances between frames; a film with more has no rhythm
MIN_REGULAR = 20  # steps that must be alike for a longer one to be a gap
MAX_IRREGULAR = 2, 0.05  # steps that may differ, or their share: a film with more has pauses, not gaps


@dataclass
class DecodeStatistics:
    """What was unusual or damaged in a film, counted while it is read and reported at the end."""

    undecodable: int = 0  # packets
    damaged: int = 0  # frames that the decoder flags as corrupt
    missing: int = 0  # frames at the end that the container announces and the file does not hold
    lost: int = 0  # packets that the container announces and the file does not hold, anywhere in it
    steps: dict[str, int] = field(default_factory=dict)  # how often each distance between frames (ms) occurs
    resized: int = 0  # frames of another size than the first, skipped
    retimed: int = 0  # frames whose timestamp was missing or not after the one before
    restarts: int = 0  # points where the timestamps start again, as in joined MPEG streams
    late_streams: bool = False  # a stream begins later than where FFmpeg looks for streams
    interlaced: bool = False
    colored: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def restore(self, values: Mapping[str, Any]) -> None:
        """Take over what `as_dict` returned, in place: those who count into this object keep doing so."""
        for name, value in values.items():
            setattr(self, name, copy(value))

    def count_step(self, milliseconds: int) -> None:
        """Two frames in a row have timestamps this far apart. Only the first `MAX_STEPS` distances are recorded."""
        key = str(milliseconds)
        if key in self.steps or len(self.steps) < MAX_STEPS:
            self.steps[key] = self.steps.get(key, 0) + 1

    @property
    def missing_between(self) -> int:
        """About how many frames are missing before the end: by gaps in a regular rhythm, and by the container's count.

        What was skipped while decoding leaves gaps too, and is not counted again.
        """
        gaps = _frames_in_gaps({int(step): count for step, count in self.steps.items()})
        return max(0, gaps - self.undecodable - self.resized, self.lost - self.missing - self.undecodable)

    def first_error(self, where: str, complete: bool) -> str | None:
        """The first kind of damage found, in words, for strict reading. None: no damage.

        Args:
            where: the current position.
            complete: the film, or its part, has been read to the end.
        """
        if self.undecodable:
            return f"a packet after {where} cannot be decoded"
        if self.damaged:
            return f"the frame at {where} is damaged"
        if self.missing:
            return f"it ends early, at {where}"
        if complete and self.missing_between:
            return f"about {many(self.missing_between, 'frame')} are missing before {where}"
        return None

    def warnings(self) -> Iterator[str]:
        """One sentence for each thing that was counted."""
        if self.colored:
            yield "The film already has color: it was discarded."
        if self.interlaced:
            yield "The film is interlaced: both fields were colored together; deinterlace it first for better results."
        if self.undecodable:
            yield f"The film has {many(self.undecodable, 'packet')} that cannot be decoded: skipped."
        if self.damaged:
            yield f"The film has {many(self.damaged, 'frame')} that the decoder reports as damaged."
        if self.missing:
            yield f"The film ends early: about {many(self.missing, 'frame')} that its header announces are missing."
        if self.missing_between:
            yield f"The film has gaps: about {many(self.missing_between, 'frame')} are missing in the file."
        if self.restarts:
            places = many(self.restarts, "place")
            yield f"The film's timestamps start again in {places}: its parts were placed one after the other."
        if self.late_streams:
            yield "The film has a stream that begins only later in the file: left out."
        if self.resized:
            yield f"The film has {many(self.resized, 'frame')} of another size than the first: left out."
        if self.retimed:
            yield f"The film has {many(self.retimed, 'frame')} without a usable timestamp: placed after the last."


def _frames_in_gaps(steps: Mapping[int, int]) -> int:
    """How many frames fit into the longer of these distances (how often each occurs); 0 without a regular rhythm."""
    usual = max(steps, key=lambda step: steps[step], default=0)
    regular = sum(count for step, count in steps.items() if abs(step - usual) <= max(1, usual / 10))
    total = sum(steps.values())
    allowed = max(MAX_IRREGULAR[0], MAX_IRREGULAR[1] * total)
    if not usual or regular < MIN_REGULAR or total - regular > allowed or len(steps) == MAX_STEPS:
        return 0
    return sum(count * (round(step / usual) - 1) for step, count in steps.items() if step > 1.5 * usual)


@dataclass
class DecoderCounters:
    """What went into a decoder, and what came out."""

    packets: int = 0  # except those that an edit list cuts away
    last: int | None = None  # DTS of the last packet
    frames: int = 0
    errors: int = 0


def decoded_frames(
    container: InputContainer,
    stream: Any,
    statistics: DecodeStatistics | None = None,
    counters: DecoderCounters | None = None,
    threads: int = 0,
) -> Iterator[av.VideoFrame]:
    """All frames from the container's current position on; what cannot be decoded is counted and skipped."""
    statistics, counters = statistics or DecodeStatistics(), counters or DecoderCounters()
    # Frame threads, except where PyAV passes FFmpeg's log messages to Python: there, a frame thread that logs and a
    # decoder that is being closed wait for each other forever.
    stream.codec_context.thread_type = "AUTO" if av.logging.get_level() is None else "SLICE"
    stream.codec_context.thread_count = threads
    for packet in continuous_packets(container, [stream], stream, statistics):
        if packet.size:
            counters.packets, counters.last = counters.packets + (not packet.is_discard), packet.dts
        try:
            frames = packet.decode()
        except EOFError:
            return
        except av.error.FFmpegError as error:
            counters.errors += 1
            statistics.undecodable += 1
            log.debug("packet at %s: %s", packet.pts, error)
            continue
        for frame in frames:
            counters.frames += 1
            yield frame
