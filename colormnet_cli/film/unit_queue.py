"""Which units of a film a run colors, which exist from an earlier run, and which are kept for later ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ..errors import UsageError
from ..passes.schedule import Unit
from ..wording import listed
from .segment_table import SegmentTable
from .shot_cache import ShotCache, UnitEnd

__all__ = ["FinishedUnits", "UnitQueue"]


class UnitQueue:
    """The units from a position on.

    Args:
        units: of the film, or of a part of it.
        finished: the units that exist, by their first frames.
        position: the first frame that is not done; a unit's first frame, or one within a unit that is not finished.
    """

    def __init__(self, units: Sequence[Unit], finished: Mapping[int, UnitEnd], position: int) -> None:
        self.units = [unit for unit in units if unit.end is None or unit.end > position]
        self.finished, self.position = finished, position
        due = [unit for unit in self.units if unit.begin not in finished]
        self.shots = {shot.key for unit in due for shot in unit.shots}  # that are colored

    def is_finished(self, unit: Unit) -> bool:
        """Whether its segments exist."""
        return unit.begin in self.finished

    def ranges(self) -> list[tuple[int, int | None]]:
        """The frames [begin, end) that are decoded: of units that are not finished, or through which a pass leads."""
        found: list[tuple[int, int | None]] = []
        for unit in self.units:
            if not any(shot.key in self.shots for shot in unit.shots):
                continue
            begin = max(unit.begin, self.position)
            if found and found[-1][1] == begin:
                begin = found.pop()[0]
            found.append((begin, unit.end))
        return found


class FinishedUnits:
    """The units of a plan whose segments are kept from run to run.

    Args:
        folder: where they are kept.
        segments: the numbers of their segments in a run's folder.
        keys: of the units; see `unit_keys`.
    """

    def __init__(self, folder: Path, segments: SegmentTable, keys: Sequence[str]) -> None:
        self.folder, self._cache, self._segments, self._keys = folder, ShotCache(folder), segments, list(keys)
        self._colored: dict[int, UnitEnd] = {}  # by this run, by their first frames

    def take(self, position: int, folder: Path, only: Collection[int]) -> dict[int, UnitEnd]:
        """Put the segments of finished units into a run's folder; the units by their first frames.

        Args:
            position: the first frame that the run has not done.
            folder: of the run.
            only: shots that are colored in any case; if there are any, no others.

        Raises:
            UsageError: a shot that is not to be colored is not there.
        """
        finished: dict[int, UnitEnd] = {}
        missing: set[int] = set()
        for unit, key in zip(self._segments.units, self._keys, strict=True):
            if unit.begin < position or any(shot.number in only for shot in unit.shots):
                continue
            if (end := self._cache.take(key, self._segments.of(unit), folder)) is not None:
                finished[unit.begin] = end
            else:
                missing.update(shot.number for shot in unit.shots)
        if only and missing:
            which = f"shot {min(missing)}" if len(missing) == 1 else f"the shots {listed(sorted(missing))}"
            raise UsageError(
                f"There are no finished segments of {which} with the present colors and settings: add them to "
                "`only_shots`, or leave it out to color what has changed."
            )
        return finished

    def places(self) -> dict[int, UnitEnd]:
        """Where finished units end, by their first frames."""
        found = {}
        for unit, key in zip(self._segments.units, self._keys, strict=True):
            count = len(self._segments.of(unit))
            if count and (end := self._cache.find(key, count)) is not None:
                found[unit.begin] = end
        return found

    def drop_damaged(self) -> None:
        """Delete what is left of units that are not whole: nothing else would replace them."""
        whole = self.places()
        for begin, key in self.keys().items():
            if begin not in whole:
                self._cache.drop(key)

    def keys(self) -> dict[int, str]:
        """The keys of the units, by their first frames."""
        return {unit.begin: key for unit, key in zip(self._segments.units, self._keys, strict=True)}

    def note(self, unit: Unit, end: UnitEnd) -> None:
        """A unit is colored; its segments may not be on the disk yet."""
        self._colored[unit.begin] = end

    def keep(self, frames: int, folder: Path) -> str | None:
        """Keep the units that end within `frames` frames, whose segments are in a run's folder; why that fails."""
        for unit, key in zip(self._segments.units, self._keys, strict=True):
            if unit.end is not None and unit.end <= frames and (end := self._colored.pop(unit.begin, None)):
                try:
                    self._cache.keep(key, self._segments.of(unit), folder, end)
                except OSError as error:
                    return f"Finished shots cannot be kept in {self._cache.folder} ({error.strerror})."
        return None

    def prune(self) -> None:
        """Delete the units of other runs."""
        self._cache.prune(self._keys)
