"""Frames of the film that was colored, by the frame numbers of the colored one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice

from ..errors import MediaError
from ..film.same_film import MIN_CORRELATION, correlation
from ..shots.detect import detect
from ..shots.looks import look_at
from ..timecode import Timecode, format_time
from ..video.packet_table import PacketTable
from ..video.pixel_formats import Plane
from ..video.probe import VideoInfo
from ..video.reader import Frame, Reader
from .passage import FADE

__all__ = ["GrayFrames", "check_likeness", "find_cuts"]

_AROUND = 2  # seconds before and after a frame in which the neighbors of a cut are seen
_CLEAR = 8.0  # standard deviation of the luma, in 8-bit codes, from which on its correlation is looked at


class GrayFrames:
    """The film that was colored, by the frame numbers of the colored one.

    Args:
        info: of that film; the colored film's own where there is no other.
        part: the start, end and duration with which it was colored.
        colored: of the colored film.
        table: of the colored film.
    """

    def __init__(
        self,
        info: VideoInfo,
        part: tuple[Timecode | None, Timecode | None, Timecode | None],
        colored: VideoInfo,
        table: PacketTable,
    ) -> None:
        self.info, self.part, self.colored, self.table = info, part, colored, table
        self._tolerance = info.time_base + colored.time_base  # each of two timestamps is rounded

    def between(self, begin: int, end: int) -> Iterator[Frame]:
        """The frames [begin, end). Raises MediaError where the film has no such frames."""
        count = 0
        for frame in islice(self._from(begin), end - begin):
            count += 1
            yield frame
        if count < end - begin:
            raise self._missing(begin + count)

    def _from(self, begin: int) -> Iterator[Frame]:
        """The frames from `begin` on: by seeking, or from the start where seeking finds other timestamps."""
        start = self._time(begin) - 1 / self.info.rate / 2
        if not any(self.part) and start > 0:
            found = Reader(self.info, Timecode(seconds=start)).frames()
            first = next(found, None)
            if first is not None and self._comes(first, begin):
                yield from self._checked(chain([first], found), begin)
                return
        yield from self._checked(islice(Reader(self.info, *self.part).frames(), begin, None), begin)

    def _checked(self, frames: Iterator[Frame], begin: int) -> Iterator[Frame]:
        for number, frame in enumerate(frames, begin):
            if number >= len(self.table.frames):
                return
            if not any(self.part) and not self._comes(frame, number):
                raise self._missing(number)
            yield replace(frame, number=number)

    def _time(self, number: int) -> Fraction:
        """The time of a frame of the colored film, since its first one."""
        return (self.table.frames[number] - self.table.frames[0]) * self.colored.time_base

    def _comes(self, frame: Frame, number: int) -> bool:
        """Whether a frame is shown when the colored film shows that one."""
        return abs(frame.pts * self.info.time_base - self.info.first_time - self._time(number)) <= self._tolerance

    def _missing(self, number: int) -> MediaError:
        return MediaError(
            f"{self.info.path} has no frame where {self.colored.path} has frame {number}, at "
            f"{format_time(float(self._time(number)))}: give the film that was colored."
        )


def check_likeness(one: Plane, other: Plane, bits: int, where: str) -> None:
    """Raise a MediaError where two planes of luma of one size show different pictures; `where` names the films."""
    likeness = correlation(one, other, _CLEAR * 2 ** (bits - 8))
    if likeness is not None and likeness < MIN_CORRELATION:
        raise MediaError(f"{where} (their luma correlates by {likeness:.2f}): give the film that was colored.")


def find_cuts(film: GrayFrames, frames: Sequence[int]) -> set[int]:
    """The cuts near some frames."""
    count, rate = len(film.table.frames), float(film.info.rate)
    reach = max(2 * FADE, round(_AROUND * rate))
    found: set[int] = set()
    for frame in frames:
        begin, end = max(0, frame - reach), min(count, frame + reach)
        looks = [look_at(gray.luma, film.info.layout.bits) for gray in film.between(begin, end)]
        found |= {begin + one.frame for one in detect(looks, rate) if one.transition.kind == "cut"}
    return found
