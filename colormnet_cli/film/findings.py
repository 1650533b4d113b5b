"""Where to look in a colored film: passages whose colors may be wrong."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from operator import gt, lt
from statistics import median
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..timecode import format_time
from .frame_notes import SegmentNotes

__all__ = ["Finding", "Findings", "find"]

Kind = Literal["sudden change", "pale", "unlike", "uncertain"]

# Limits were set on synthetic clips with known faults and without; see docs/whole-films.md
SUDDEN = 9.0  # Lab units from one frame to the next, see `color_change`
_USUAL = 2.0  # least ratio of a change to the median of those before: things that move change color all the time
_BEFORE = 8  # frames before
PALE = 0.35  # of the chroma of the palest exemplar
UNCERTAIN = 8.0  # Lab units: mean error of a frame's a and b that the network expects
_COLORFUL = 6.0  # mean chroma of an exemplar from which it is no gray picture
_BLACK = 12.0  # mean lightness below which a frame has little color whatever it shows
_LARGE = ("sudden change", "uncertain")  # large values are worse than small ones
MOST = 100  # passages of one kind that are kept, the worst ones


@dataclass(frozen=True)
class Finding:
    """Frames [first, last] and what is noticed in them."""

    kind: Kind
    first: int
    last: int
    start: float  # seconds since the first colored frame
    end: float  # of the last frame
    worst: int  # the frame to look at
    worst_seconds: float
    seconds_before: float  # of the frame before it
    value: float  # in the worst frame: change or error in Lab units, share of the exemplar's chroma, match
    limit: float

    def to_dict(self) -> dict[str, Any]:
        """For the receipt."""
        return {
            "kind": self.kind,
            "frames": [self.first, self.last],
            "start": format_time(self.start),
            "end": format_time(self.end),
            "worst_frame": self.worst,
            "worst_seconds": round(self.worst_seconds, 4),
            "seconds_before": round(self.seconds_before, 4),
            "value": round(self.value, 3),
            "limit": round(self.limit, 3),
        }


@dataclass(frozen=True)
class Findings:
    """The findings of a film."""

    found: tuple[Finding, ...]  # in the film's order
    left_out: int  # of more than MOST of one kind
    frames: int  # that were noted
    seen: tuple[tuple[int, float, float], ...] = ()  # as `MatchMonitor.seen`
    errors: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))  # frame, error that is expected

    def expected_error(self, begin: int = 0, end: int | None = None) -> float | None:
        """The mean error that is expected in the frames [begin, end); None where the network does not say it."""
        numbers, errors = self.errors.T
        wanted = errors[(begin <= numbers) & (numbers < (math.inf if end is None else end))]
        return round(float(wanted.mean()), 2) if wanted.size else None

    def to_dict(self) -> dict[str, Any]:
        """For the receipt."""
        return {"frames": self.frames, "left_out": self.left_out, "passages": [one.to_dict() for one in self.found]}


def find(notes: Iterable[SegmentNotes], unlike: float | None, every: int, origin: float = 0.0) -> Findings:
    """The findings of a film, from the notes of its segments in order; memory hardly grows with its length.

    Args:
        unlike: match below which exemplars show something else; None: not known.
        every: frames from one look at the match to the next, at most.
        origin: seconds from the film's first frame to the first one that is colored.
    """
    kinds = (_Passages("sudden change"), _Passages("pale"), _Passages("unlike", every), _Passages("uncertain"))
    errors = [np.empty((0, 2))]
    frames, seen, before, previous = 0, list[tuple[int, float, float]](), deque[float](maxlen=_BEFORE), 0.0
    for part in notes:
        frames += len(part.numbers)
        errors.append(np.stack((part.numbers, part.error), axis=1)[~np.isnan(part.error)])
        columns = (
            part.numbers, part.seconds, part.lightness, part.chroma, part.expected, part.change, part.match, part.error,
        )  # fmt: skip
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for number, time, light, chroma, expected, change, match, error in rows:
            here = _FrameTime(int(number), time - origin, previous)
            kinds[0].offer(here, change, max(SUDDEN, _USUAL * median(before) if before else 0.0))
            if not math.isnan(change):
                before.append(change)
            if expected >= _COLORFUL and light >= _BLACK:
                kinds[1].offer(here, chroma / expected, PALE)
            if not math.isnan(match):
                seen.append((here.frame, time, match))
                kinds[2].offer(here, match, unlike or 0.0)
            kinds[3].offer(here, error, UNCERTAIN)
            previous = here.seconds
    found = [one for kind in kinds for one in kind.finished()]
    found.sort(key=lambda one: (one.first, one.kind))
    return Findings(tuple(found), sum(kind.left_out for kind in kinds), frames, tuple(seen), np.concatenate(errors))


class _FrameTime(NamedTuple):
    """A frame, its time, and that of the frame before it."""

    frame: int
    seconds: float
    previous: float


class _Passages:
    """Frames beyond a limit, those not more than `apart` frames apart together."""

    def __init__(self, kind: Kind, apart: int = 12) -> None:
        self.kind, self.left_out, self._apart = kind, 0, apart
        self._worse: Callable[[float, float], bool] = gt if kind in _LARGE else lt
        self._open: Finding | None = None
        self._done: list[Finding] = []

    def offer(self, here: _FrameTime, value: float, limit: float) -> None:
        """A value of the next frame; nan where it is not known."""
        if math.isnan(value) or not self._worse(value, limit):
            return
        number, time = here.frame, here.seconds
        before = self._open
        new = Finding(self.kind, number, number, time, time, number, time, here.previous, value, limit)
        if before is None or number - before.last > self._apart:
            self._close()
            self._open = new
        elif self._worse(value, before.value):
            self._open = replace(new, first=before.first, start=before.start)
        else:
            self._open = replace(before, last=number, end=time)

    def _close(self) -> None:
        if self._open is not None:
            self._done.append(self._open)
        self._open = None
        if len(self._done) > 2 * MOST:
            self._keep_worst()

    def _keep_worst(self) -> None:
        self._done.sort(key=lambda one: one.value, reverse=self.kind in _LARGE)
        self.left_out += len(self._done[MOST:])
        del self._done[MOST:]

    def finished(self) -> list[Finding]:
        """The worst ones."""
        self._close()
        if len(self._done) > MOST:
            self._keep_worst()
        return self._done
