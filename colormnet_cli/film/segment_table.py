"""Which frames of a film each encoded segment has."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ..passes.schedule import Unit

__all__ = ["SegmentTable"]


class SegmentTable:
    """Segments of `frames` frames each, the last one of each unit shorter: none crosses the end of a unit.

    Args:
        lead: units at the beginning that have none: a pass only leads through them.
    """

    def __init__(self, units: Sequence[Unit], frames: int, lead: int = 0) -> None:
        self.units, self.frames, self._lead = tuple(units), frames, lead
        self._begins = [unit.begin for unit in self.units]
        self._first = [0]  # the number of each unit's first segment
        for index, unit in enumerate(self.units[:-1]):
            assert unit.end is not None  # for the type checker: only the last one may be open
            count = 0 if index < lead else -(-(unit.end - unit.begin) // frames)
            self._first.append(self._first[-1] + count)

    def number(self, frame: int) -> int:
        """Of the segment that has the frame."""
        at = self._unit(frame)
        return self._first[at] + (frame - self._begins[at]) // self.frames

    def end(self, frame: int) -> int:
        """The first frame after the segment that has this one, where the film is long enough."""
        unit = self.units[self._unit(frame)]
        end = frame - (frame - unit.begin) % self.frames + self.frames
        return end if unit.end is None else min(end, unit.end)

    def before(self, frames: int) -> int:
        """How many segments the first `frames` frames fill, the last one perhaps partly."""
        if not frames or self._unit(frames - 1) < self._lead:
            return 0
        return self.number(frames - 1) + 1

    def of(self, unit: Unit) -> range:
        """The numbers of a unit's segments; the unit is not open."""
        assert unit.end is not None  # for the type checker
        return range(self.number(unit.begin), self.before(unit.end))

    def _unit(self, frame: int) -> int:
        return bisect_right(self._begins, frame) - 1
