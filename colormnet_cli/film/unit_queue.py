"""Which units of a film a run colors, and which are there from an earlier run."""

from __future__ import annotations

from collections.abc import Mapping

from .schedule import Schedule, Unit
from .shot_cache import UnitEnd

__all__ = ["UnitQueue"]


class UnitQueue:
    """The units from a position on.

    Args:
        finished: the units that are there, by their first frames.
        position: the first frame that is not done; a unit's first frame, or one within a unit that is not finished.
    """

    def __init__(self, schedule: Schedule, finished: Mapping[int, UnitEnd], position: int) -> None:
        self.units = [unit for unit in schedule.units if unit.end is None or unit.end > position]
        self.finished, self.position = finished, position
        due = [unit for unit in self.units if unit.begin not in finished]
        self.shots = {shot.number for unit in due for shot in unit.shots}  # that are colored

    def is_finished(self, unit: Unit) -> bool:
        """Whether its segments are there."""
        return unit.begin in self.finished

    def ranges(self) -> list[tuple[int, int | None]]:
        """The frames [begin, end) that are decoded: of units that are not finished, or through which a pass leads."""
        found: list[tuple[int, int | None]] = []
        for unit in self.units:
            if not any(shot.number in self.shots for shot in unit.shots):
                continue
            begin = max(unit.begin, self.position)
            if found and found[-1][1] == begin:
                begin = found.pop()[0]
            found.append((begin, unit.end))
        return found
