"""Shots, and how one becomes the next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["Kind", "Shot", "Transition"]

Kind = Literal["start", "cut", "dissolve", "fade"]

_TRANSITION = re.compile(r"([a-z]+)(?:\s+(\d+)\s*-\s*(\d+))?", re.ASCII)
USUAL_LENGTH = 24  # frames of a dissolve or fade of which nobody says how long it is


@dataclass(frozen=True)
class Transition:
    """How a shot takes over from the one before it.

    The frames [first, last) of a dissolve show both shots, those of a fade the way to black and back. Both are None for
    a cut, and for the start of the film.
    """

    kind: Kind
    first: int | None = None
    last: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"a transition is one of {', '.join(get_args(Kind))}, got {self.kind!r}")
        gradual = self.kind in ("dissolve", "fade")
        if gradual != (self.first is not None) or gradual != (self.last is not None):
            raise ValueError(f"a dissolve or fade has a first and a last frame, a cut has none; got {self}")
        if self.first is not None and self.last is not None and not 0 <= self.first < self.last:
            raise ValueError(f"a {self.kind} lasts from a first frame to a later one, got {self}")

    def __str__(self) -> str:
        return self.kind if self.first is None else f"{self.kind} {self.first}-{self.last}"

    @classmethod
    def parse(cls, text: str, start: int) -> Transition:
        """Read ``cut`` or ``dissolve 100-124``; a bare ``dissolve`` lies around frame `start`. Raises ValueError."""
        match = _TRANSITION.fullmatch(text.strip().lower())
        if match is None or match[1] not in get_args(Kind):
            raise ValueError(f"{text!r} is no transition: write start, cut, dissolve 100-124 or fade 100-124")
        kind: Kind = match[1]  # type: ignore[assignment]
        if kind in ("start", "cut"):
            return cls(kind)
        if match[2] is None:
            return cls(kind, max(0, start - USUAL_LENGTH // 2), start + USUAL_LENGTH // 2)
        return cls(kind, int(match[2]), int(match[3]))

    def weight(self, frame: int) -> float:
        """Share of the new shot in a frame: 0 before the dissolve, 1 after it, rising evenly in between."""
        if self.kind != "dissolve" or self.first is None or self.last is None:
            raise ValueError(f"a {self.kind} mixes nothing")
        return min(1.0, max(0.0, (frame - self.first + 1) / (self.last - self.first + 1)))


@dataclass(frozen=True)
class Shot:
    """One shot; frame numbers as `video.reader.Reader` counts them, from 0."""

    start_frame: int  # for a dissolve or fade, its middle
    end_frame: int  # the first frame that is not part of it
    start: float  # seconds since the film's first frame
    end: float
    transition: Transition

    def __post_init__(self) -> None:
        if not 0 <= self.start_frame < self.end_frame:
            raise ValueError(f"a shot lasts from a frame to a later one, got {self.start_frame} to {self.end_frame}")

    @property
    def frames(self) -> int:
        return self.end_frame - self.start_frame
