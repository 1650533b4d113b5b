"""Reads the frames of a film one by one: luma plane and timestamp."""

from __future__ import annotations

import logging
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from typing import Any

import av

from ..errors import MediaError
from ..timecode import Timecode
from .decode import DecoderCounters, DecodeStatistics, decoded_frames
from .pixel_formats import Plane, chroma_offset, convert_luma, luma_plane, pixel_layout
from .probe import VideoInfo, open_input, seek, video_stream

__all__ = ["Frame", "FrameChecksum", "Reader", "plausible_frames"]

log = logging.getLogger(__name__)

SEEK_MARGIN = 10.0  # seconds before the wanted position at which decoding begins
MIN_SEEK_FRAMES = 500  # a position before this frame is reached by decoding from the start, not by seeking
MAX_GAP = 24 * 3600  # seconds: a longer gap between two frames is a damaged timestamp
LATE_CHECK = 4  # frames after a jump that show whether its timestamp is damaged
MIN_STEP = Fraction(1, 1000)  # seconds: the smallest step that every container can store
COLORED = 4.0  # mean distance from gray, in 8-bit codes, above which it is color and not noise


@dataclass(frozen=True)
class FrameChecksum:
    """Identifies a frame: its timestamp and a CRC of its luma."""

    pts: int
    crc: int


@dataclass(frozen=True)
class Frame:
    """A decoded frame of the part that is colored."""

    number: int  # 0 is the first one colored
    luma: Plane  # [H, W], uint8 or uint16, at the film's bit depth
    pts: int  # in the film's time base, strictly increasing
    duration: int  # from the container; 0 where it has none
    statistics: dict[str, Any] = field(repr=False)  # of the film up to and including this frame

    def checksum(self) -> FrameChecksum:
        """By which a resumed run recognizes this frame."""
        return FrameChecksum(self.pts, zlib.crc32(self.luma.data))


class Reader:
    """Streams the frames of a film, or of a part of it.

    Args:
        info: the probed film.
        start, end: counted from the film's first frame; `end` is the first position left out.
        duration: counted from the first frame that is yielded; instead of `end`.
        strict: damage is an error (MediaError).
        on_skip: called with the number of frames decoded so far on the way to the first one that is yielded.
        gaps: gaps in the timestamps count as damage.
        advice: the end of that error's sentence: what the user can do.
    """

    def __init__(
        self,
        info: VideoInfo,
        start: Timecode | None = None,
        end: Timecode | None = None,
        duration: Timecode | None = None,
        strict: bool = False,
        on_skip: Callable[[int], None] | None = None,
        gaps: bool = True,
        advice: str = "switch strict reading off to skip what is damaged",
    ) -> None:
        self.info = info
        self.start, self.end, self.duration = start, end, duration
        self.strict, self.gaps, self.advice = strict, gaps, advice
        self.on_skip = on_skip or (lambda _: None)
        self.statistics = DecodeStatistics()
        self._last_pts: int | None = None
        self._last_step = 0  # between the last two frames
        self._late: list[int] = []  # timestamps that were too late
        self._skipped = 0  # frames of the film before `start`, where they are counted

    def frames(
        self,
        done: int = 0,
        checksums: Sequence[FrameChecksum] = (),
        statistics: Mapping[str, Any] | None = None,
        first_pts: int = 0,
    ) -> Iterator[Frame]:
        """The frames from number `done` on; the arguments describe an earlier run that is resumed.

        Args:
            done: how many frames it finished.
            checksums: those of the last of them, by which the position is found again after seeking. Without them, or
                where the frames differ, the film is decoded from its start.
            statistics: `Frame.statistics` of the last of them.
            first_pts: timestamp of its first frame, from which a `duration` counts.
        """
        may_seek = self._may_seek and statistics is not None and not statistics.get("restarts")
        if checksums and statistics is not None and done > MIN_SEEK_FRAMES and may_seek:
            raw = self._after(checksums, statistics)
            first = next(raw, None)
            if first is not None:
                self._last_pts = checksums[-1].pts
                yield from self._numbered(chain([first], raw), done, first_pts)
                return
            log.info("could not find the position of the last run by seeking: decoding from the start")
        self.statistics, self._last_pts = DecodeStatistics(), None
        for frame in self._numbered(self._selected(), 0):
            if frame.number >= done:
                yield frame
            else:
                self.on_skip(frame.number + 1)

    @property
    def _may_seek(self) -> bool:
        """A range in frame numbers needs every frame counted."""
        return all(t is None or t.frame is None for t in (self.start, self.end))

    def _selected(self) -> Iterator[av.VideoFrame]:
        """Decoded frames from `start` on, by seeking where that saves much."""
        wanted = self.start.seconds if self.start is not None and self._may_seek else None
        if wanted is not None and wanted > SEEK_MARGIN:
            raw = self._decode(self.info.first_time + wanted)
            first = next(raw, None)
            if first is not None and self._seconds(first) <= wanted:
                yield from (frame for frame in chain([first], raw) if self._seconds(frame) >= wanted)
                return
        for number, frame in enumerate(self._decode()):
            if self.start is None or self.start.reached(number, self._seconds(frame, number)):
                yield frame
            else:
                self._skipped = number + 1
                self.on_skip(number + 1)

    def _numbered(self, raw: Iterator[av.VideoFrame], number: int, first_pts: int | None = None) -> Iterator[Frame]:
        """Frames up to `end`, all of one size, with increasing timestamps."""
        for frame in raw:
            self._check_strict()
            if (frame.width, frame.height) != (self.info.width, self.info.height):
                self.statistics.resized += 1
                continue
            pts = self._increasing_pts(frame)
            first_pts = pts if first_pts is None else first_pts
            seconds = pts * self.info.time_base
            if self.end is not None and self.end.reached(number + self._skipped, seconds - self.info.first_time):
                break
            if self.duration is not None and self.duration.reached(number, seconds - first_pts * self.info.time_base):
                break
            yield self._frame(frame, number, pts)
            number += 1
        else:
            self._check_end()
        self._check_strict(complete=True)

    def _check_end(self) -> None:
        """Count the frames missing at the end, where the container says when the film ends."""
        if self.info.end is None or self._last_pts is None or self.statistics.missing:
            return
        if any(pts * self.info.time_base >= self.info.end - 1 for pts in self._late):  # the end of a damaged timestamp
            return
        # the rate of an AVI may be that of a finer clock
        step = max(self._last_step * self.info.time_base, 1 / self.info.rate)
        missing = (self.info.end - self._last_pts * self.info.time_base) / step - 1
        if missing >= 2:  # the last frame may have a longer duration than the others
            self.statistics.missing = round(missing)

    def _frame(self, frame: av.VideoFrame, number: int, pts: int) -> Frame:
        layout = pixel_layout(frame.format.name)
        self.statistics.damaged += bool(frame.is_corrupt)
        self.statistics.interlaced |= bool(frame.interlaced_frame)
        if number % 10 == 0 and not self.statistics.colored:
            self.statistics.colored = chroma_offset(frame, layout) > COLORED
        luma = luma_plane(frame, layout, self.info.matrix)
        if layout.bits != self.info.layout.bits:
            luma = convert_luma(luma, (layout.bits, self.info.layout.bits), (self.info.full_range,) * 2)
        return Frame(number, luma, pts, int(frame.duration or 0), self.statistics.as_dict())

    def _increasing_pts(self, frame: av.VideoFrame) -> int:
        """The frame's own timestamp; one step after the last where it has none, or an impossible one.

        A repeated one is placed right after the last: the frames that follow keep theirs, so the audio stays in sync.
        """
        unit, last = self.info.time_base, self._last_pts
        pts = self.info.timestamp(frame)
        if pts is None or (last is not None and not last < pts <= last + MAX_GAP / unit):
            repeated = pts is not None and last is not None and 0 <= last - pts < 1 / unit  # by less than a second
            step = max(1, round((MIN_STEP if repeated else 1 / self.info.rate) / unit))
            if not (self.info.dts_only and frame.dts is None):  # the last ones, out of the flushed decoder, have none
                self.statistics.retimed += 1
            pts = self.info.first_pts + self._skipped * step if last is None else last + step
        elif last is not None and not self.info.has_index:  # an index lists every frame: its gaps are pauses
            self.statistics.count_step(round((pts - last) * unit * 1000))
        self._last_step = 0 if last is None else int(pts) - last
        self._last_pts = int(pts)
        return int(pts)

    def _seconds(self, frame: av.VideoFrame, number: int = 0) -> Fraction:
        """Since the film's first frame; by its number where it has no timestamp."""
        pts = self.info.timestamp(frame)
        return number / self.info.rate if pts is None else pts * self.info.time_base - self.info.first_time

    def _check_strict(self, complete: bool = False) -> None:
        if not self.strict:
            return
        last = self._last_pts
        where = "its beginning" if last is None else f"{float(last * self.info.time_base):.2f} s"
        if found := self.statistics.first_error(where, complete and self.gaps):
            raise MediaError(f"{self.info.path}: {found}; {self.advice}.")

    def _after(self, checksums: Sequence[FrameChecksum], statistics: Mapping[str, Any]) -> Iterator[av.VideoFrame]:
        """The frames that follow those of the checksums; none where these are not found, bit for bit."""
        wanted = list(checksums)
        raw = self._decode(checksums[-1].pts * self.info.time_base)
        for seen, frame in enumerate(raw):
            pts = self.info.timestamp(frame)
            if pts is None or pts > checksums[-1].pts:
                return
            if pts == wanted[0].pts:
                luma = luma_plane(frame, pixel_layout(frame.format.name), self.info.matrix)
                if FrameChecksum(pts, zlib.crc32(luma.data)) != wanted.pop(0):
                    return
                if not wanted:
                    self.statistics.restore(statistics)  # what lies before is not counted twice
                    yield from raw
                    return
            self.on_skip(seen + 1)

    def _decode(self, near: Fraction | None = None) -> Iterator[av.VideoFrame]:
        """All decoded frames, or those from some seconds before `near` (seconds, as the container counts) on."""
        last, counters = None, DecoderCounters()
        with open_input(self.info.path) as container:
            stream = video_stream(container, self.info.path)
            if near is not None and not seek(container, stream, near - int(SEEK_MARGIN)):
                return
            decoded = decoded_frames(container, stream, self.statistics, counters)
            for frame in plausible_frames(decoded, self.info, self._late):
                last = self.info.timestamp(frame)
                yield frame
            if self.info.has_index and counters.last is not None:
                self.statistics.missing = sum(entry.timestamp > counters.last for entry in stream.index_entries)
        lost = counters.packets - counters.frames - counters.errors  # packets that gave neither a frame nor an error
        if lost > 0 and last is not None:
            for frame in self._tail(last):
                lost -= 1
                yield frame
        if near is not None:
            return
        if self.info.packets is not None:
            self.statistics.lost = max(0, self.info.packets - counters.packets)
        if lost > 0 and not self.info.interlaced and self.info.codec != "vp8":  # one field a packet; hidden frames
            self.statistics.undecodable += lost

    def _tail(self, last: int) -> Iterator[av.VideoFrame]:
        """Frames after `last`, which frame threads drop when one of the last packets is damaged."""
        with open_input(self.info.path) as container:
            stream = video_stream(container, self.info.path)
            near = last * self.info.time_base - int(SEEK_MARGIN)
            if near > self.info.first_time and not seek(container, stream, near):
                return
            for frame in decoded_frames(container, stream, threads=1):
                if (pts := self.info.timestamp(frame)) is not None and pts > last:
                    yield frame


def plausible_frames(
    frames: Iterator[av.VideoFrame], info: VideoInfo, late: list[int] | None = None
) -> Iterator[av.VideoFrame]:
    """The frames, without timestamps that are too late: those that jump ahead while the following frames do not.

    The removed timestamps are appended to `late`.
    """
    ahead: deque[av.VideoFrame] = deque()
    last: int | None = None
    while True:
        frame = ahead.popleft() if ahead else next(frames, None)
        if frame is None:
            return
        pts = info.timestamp(frame)
        if pts is not None and last is not None and pts > last + 2 * info.frame_duration:
            ahead.extend(islice(frames, LATE_CHECK - len(ahead)))
            if any(t is not None and last < t < pts for t in map(info.timestamp, ahead)):
                if late is not None:
                    late.append(pts)
                frame.pts = frame.dts = pts = None
        last = last if pts is None else pts
        yield frame
