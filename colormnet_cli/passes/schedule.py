"""Which exemplars color which frames of a film, and in which direction color is propagated from them.

A film is a sequence of shots. A shot is colored by passes of the network, each with a memory of its own, so nothing of
one shot reaches another. A forward pass colors frames in the film's order; a backward pass in the reverse order, from
an exemplar that shows a later frame. Where two passes color a frame, or two shots dissolve, their colors are mixed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Literal

from ..shots.shot import Transition

__all__ = ["Direction", "Pass", "Schedule", "ScheduledShot", "ShotReference", "Unit"]

Direction = Literal["forward", "backward", "both"]


@dataclass(frozen=True)
class ShotReference:
    """An exemplar of a shot, and the frame of the film that it shows."""

    source: str  # as `media.reference.read_exemplar` takes it
    frame: int | None = None  # None: an image of something else


@dataclass(frozen=True)
class ScheduledShot:
    """A shot with the exemplars that color it."""

    number: int
    start: int  # the first frame that shows it, with the frames of a dissolve
    end: int | None  # the first frame that does not show it; None: the film's end
    references: tuple[ShotReference, ...]
    dissolve: Transition | None = None  # from the shot before it
    mask: str | None = None  # the path of an image: what stays neutral
    window: int = 0  # of a shot that is cut into windows: which one, from 1 on

    @property
    def key(self) -> tuple[int, int]:
        """What identifies the shot: its number and its window."""
        return self.number, self.window

    @property
    def placed(self) -> list[ShotReference]:
        """The exemplars that show frames of this shot, in the film's order, one for each frame."""
        inside = {r.frame: r for r in self.references if self.shows(r.frame)}
        return [inside[frame] for frame in sorted(frame for frame in inside if frame is not None)]

    def shows(self, frame: int | None) -> bool:
        """Whether the frame belongs to it."""
        return frame is not None and self.start <= frame and (self.end is None or frame < self.end)


@dataclass(frozen=True)
class Pass:
    """One run of the network over frames of a shot, with a memory of its own."""

    shot: ScheduledShot
    begin: int  # frames [begin, end) are colored
    end: int | None  # None: the film's end
    backward: bool
    references: tuple[str, ...]  # in the memory from the beginning
    anchor: int | None  # the frame that the first reference shows, with which the pass starts; None: of no such frame

    def covers(self, frame: int) -> bool:
        """Whether it colors the frame."""
        return self.begin <= frame and (self.end is None or frame < self.end)


@dataclass(frozen=True)
class Unit:
    """Consecutive frames that show the same shots: one, or two that dissolve."""

    begin: int
    end: int | None
    shots: tuple[ScheduledShot, ...]


class Schedule:
    """The passes that color a film.

    Args:
        shots: in the film's order, without gaps; two overlap where they dissolve.
        direction: forward: from a shot's first frame on; backward: from its last; both: from each exemplar to both
            sides. None: both where an exemplar shows a later frame of the shot than its first, else forward.
        max_exemplars: in the memory of one pass at most, the nearest in time first.
    """

    def __init__(
        self, shots: Sequence[ScheduledShot], direction: Direction | None = None, max_exemplars: int = 8
    ) -> None:
        self.shots, self.direction, self.max_exemplars = tuple(shots), direction, max_exemplars

    @cached_property
    def passes(self) -> tuple[Pass, ...]:
        """All of them, by shots."""
        return tuple(one for shot in self.shots for one in self._passes(shot))

    @cached_property
    def _changes(self) -> list[int]:
        """The frames at which passes or shots begin or end."""
        ends = {one.end for one in self.passes} | {shot.end for shot in self.shots}
        begins = {one.begin for one in self.passes} | {shot.start for shot in self.shots}
        return sorted(begins | {end for end in ends if end is not None})

    def next_change(self, frame: int) -> int | None:
        """The first later frame at which a pass or a shot begins or ends."""
        at = bisect_right(self._changes, frame)
        return self._changes[at] if at < len(self._changes) else None

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The film in parts that show the same shots."""
        ends: list[int | None] = [*sorted({s.start for s in self.shots} | {s.end for s in self.shots if s.end})]
        if any(shot.end is None for shot in self.shots):
            ends.append(None)
        shots = iter(self.shots)
        shown: list[ScheduledShot] = []
        units, coming = [], next(shots, None)
        for begin, end in pairwise(ends):
            assert begin is not None  # for the type checker: only the last end is
            shown = [shot for shot in shown if shot.shows(begin)]
            while coming is not None and coming.start <= begin:
                shown.append(coming)
                coming = next(shots, None)
            units.append(Unit(begin, end, tuple(shown)))
        return tuple(units)

    def at(self, frame: int) -> list[tuple[Pass, float]]:
        """The passes that color a frame, and the share of each in its color: together 1."""
        shares = []
        for shot, share in self.shot_shares(frame):
            shares += [(one, share * part) for one, part in _pass_shares(self.passes_of(shot), frame)]
        return [(one, share) for one, share in shares if share > 0]

    def unit(self, frame: int) -> Unit:
        """The one that has the frame."""
        return self.units[bisect_right([unit.begin for unit in self.units], frame) - 1]

    def shot_shares(self, frame: int) -> list[tuple[ScheduledShot, float]]:
        """The shots that a frame shows: one, or two with the shares of their dissolve."""
        shown = self.unit(frame).shots
        if len(shown) == 1:
            return [(shown[0], 1.0)]
        before, after = shown
        assert after.dissolve is not None  # for the type checker: only dissolving shots overlap
        share = after.dissolve.weight(frame)
        return [(before, 1 - share), (after, share)]

    def passes_of(self, shot: ScheduledShot) -> list[Pass]:
        """Those of one shot."""
        return self._by_shot[shot.key]

    @cached_property
    def _by_shot(self) -> dict[tuple[int, int], list[Pass]]:
        """The passes of each shot, by its key."""
        return {key: list(passes) for key, passes in groupby(self.passes, lambda one: one.shot.key)}

    def _passes(self, shot: ScheduledShot) -> Iterator[Pass]:
        placed = shot.placed
        later = any(reference.frame != shot.start for reference in placed)
        direction = self.direction or ("both" if later else "forward")
        if direction == "both" and placed:
            for before, here, after in zip([None, *placed], placed, [*placed[1:], None], strict=False):
                yield from self._both_ways(shot, before, here, after)
            return
        backward = direction == "backward"
        first = shot.start if not backward else None if shot.end is None else shot.end - 1
        anchor = next((reference for reference in placed if reference.frame == first), None)
        yield self._pass(shot, shot.start, shot.end, backward, anchor)

    def _both_ways(
        self,
        shot: ScheduledShot,
        before: ShotReference | None,
        here: ShotReference,
        after: ShotReference | None,
    ) -> Iterator[Pass]:
        """From an exemplar back to the one before it, and on to the one after it."""
        assert here.frame is not None  # for the type checker: it is placed
        begin = shot.start if before is None or before.frame is None else before.frame + 1
        if begin < here.frame:
            yield self._pass(shot, begin, here.frame, True, here)
        yield self._pass(shot, here.frame, shot.end if after is None else after.frame, False, here)

    def _pass(
        self, shot: ScheduledShot, begin: int, end: int | None, backward: bool, anchor: ShotReference | None
    ) -> Pass:
        """With the anchor first, then images of no frame, then those of other frames, the nearest first."""
        near = anchor.frame if anchor is not None and anchor.frame is not None else begin
        others = sorted(
            (reference for reference in dict.fromkeys(shot.references) if reference is not anchor),
            key=lambda reference: -1 if reference.frame is None else abs(reference.frame - near),
        )
        kept = [*((anchor,) if anchor is not None else ()), *others][: self.max_exemplars]
        sources = tuple(reference.source for reference in kept)
        return Pass(shot, begin, end, backward, sources, None if anchor is None else anchor.frame)


def _pass_shares(passes: Sequence[Pass], frame: int) -> list[tuple[Pass, float]]:
    """Between two exemplars, the color changes evenly from that of the first to that of the second."""
    covering = [one for one in passes if one.covers(frame)]
    if len(covering) == 1:
        return [(covering[0], 1.0)]
    forward, backward = sorted(covering, key=lambda one: one.backward)
    begin, end = forward.anchor or 0, backward.anchor or 0  # both start at exemplars
    share = (frame - begin) / (end - begin)
    return [(forward, 1 - share), (backward, share)]
