"""The frames of a film as a run needs them: in ranges, and ahead of these for backward passes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..video.reader import Frame, FrameChecksum, Reader
from .checkpoint import CHECKSUMS
from .plan import FilmPlan

__all__ = ["FrameSource", "Place"]

Place = tuple[Sequence[FrameChecksum], Mapping[str, Any]]  # the frames before it, and the decode statistics up to it


class FrameSource:
    """Reads a film.

    Args:
        plan: of the film.
        ranges: frames [begin, end) that are wanted, in order; the end is None for the film's end.
        places: of the first frames of ranges; those without one are reached by decoding from the start.
        first_pts: the timestamp of the first frame, where an earlier run has colored that.
        on_skip: called with the number of frames skipped so far on the way to the first one.
    """

    def __init__(
        self,
        plan: FilmPlan,
        ranges: Sequence[tuple[int, int | None]],
        places: Mapping[int, Place],
        first_pts: int,
        on_skip: Callable[[int], None],
    ) -> None:
        self.plan, self.ranges, self.places, self.first_pts, self.on_skip = plan, ranges, places, first_pts, on_skip
        self._recent: deque[Frame] = deque(maxlen=CHECKSUMS)  # the last frames that are done
        self._reader = self._new_reader()

    def frames(self) -> Iterator[Frame]:
        """All frames of the ranges."""
        for begin, end in self.ranges:
            self._reader = reader = self._new_reader()
            frames = reader.frames(*self._position(begin))
            for frame in frames:
                if end is not None and frame.number >= end:
                    break
                yield frame
            frames.close()  # type: ignore[attr-defined]  # a generator

    @property
    def statistics(self) -> dict[str, Any]:
        """The decode statistics up to the last frame."""
        return self._reader.statistics.as_dict()

    def done(self, batch: Sequence[Frame]) -> None:
        """These frames are colored."""
        if self._recent and self._recent[-1].number + 1 != batch[0].number:
            self._recent.clear()
        self._recent.extend(batch)

    def place(self) -> Place:
        """Of the frame after those that are done."""
        return [frame.checksum() for frame in self._recent], self._recent[-1].statistics

    def ahead(self, begin: int, end: int) -> Iterator[Frame]:
        """The frames [begin, end), which come next, by another reader."""
        known = self._recent and self._recent[-1].number + 1 == begin
        position = (begin, *self.place()) if known else self._position(begin)
        for frame in self._new_reader(strict=False).frames(*position):
            if frame.number >= end:
                return
            if frame.number >= begin:
                yield frame

    def _position(self, begin: int) -> tuple[Any, ...]:
        """For `Reader.frames`."""
        if begin not in self.places:
            return (begin,)
        checksums, statistics = self.places[begin]
        return begin, checksums, statistics, self.first_pts

    def _new_reader(self, strict: bool | None = None) -> Reader:
        settings = self.plan.settings
        strict = settings.strict if strict is None else strict
        return Reader(self.plan.info, *settings.timecodes, strict, self.on_skip)
