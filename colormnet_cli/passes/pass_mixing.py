"""How the color of two passes is mixed between two exemplars: by distance, and by how well each exemplar matches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ..inference.colorizer import Colorizer
from ..inference.exemplar import Exemplar
from .borrowing import small
from .schedule import Pass, Schedule

__all__ = ["PassMixing"]

EVERY = 12  # frames from one comparison to the next; what lies between is interpolated, so that nothing flickers
_MOST = 2.0  # greatest factor by which the better match counts more


class PassMixing:
    """Shares of the passes in a frame's color.

    Between two exemplars of a shot the shares change evenly. Where the frames show more of one of them, that one
    counts more, at most twice as much.
    """

    def __init__(self, schedule: Schedule, colorizer: Colorizer, exemplar: Callable[[str], Exemplar]) -> None:
        self.schedule, self._colorizer, self._exemplar = schedule, colorizer, exemplar
        self._compared: dict[str, Any] = {}
        self._ratios: dict[Pass, dict[int, float]] = {}  # of backward passes, by frame: the logarithm of both matches'

    def before(self, backward: Pass) -> Pass | None:
        """The forward pass that colors the same frames."""
        passes = (one for one in self.schedule.passes_of(backward.shot) if not one.backward)
        return next((one for one in passes if one.covers(backward.begin) and one.anchor is not None), None)

    def misses(self, backward: Pass) -> bool:
        """Whether a backward pass is mixed with a forward one, and no frame of it has been seen."""
        return backward.anchor is not None and self.before(backward) is not None and backward not in self._ratios

    def look(self, backward: Pass, number: int, L: Tensor) -> None:
        """A frame of a backward pass, its lightness [1, h, w]."""
        if number % EVERY or (forward := self.before(backward)) is None or backward.anchor is None:
            return
        own = self._colorizer.compared(small(L))
        first, second = (self._distance(own, one.references[0]) for one in (forward, backward))
        most = math.log(_MOST)
        self._ratios.setdefault(backward, {})[number] = min(most, max(-most, math.log(first / second)))

    def _distance(self, own: Any, source: str) -> float:
        """How much of a picture an exemplar does not show."""
        if source not in self._compared:
            self._compared[source] = self._colorizer.compared(small(self._exemplar(source).lab[:1].clamp(0, 100)))
        return 0.05 + max(0.0, 1 - self._colorizer.likeness(own, self._compared[source]))

    def at(self, frame: int) -> list[tuple[Pass, float]]:
        """The passes that color a frame, and the share of each: together 1."""
        shares = self.schedule.at(frame)
        adjusted = []
        for one, share in shares:
            pair = [(other, s) for other, s in shares if other.shot is one.shot]
            backward = next((other for other, _ in pair if other.backward), None)
            if len(pair) == 2 and backward is not None:
                total = sum(s for _, s in pair)
                ratio = math.exp(self._ratio(backward, frame))
                later = next(s for other, s in pair if other is backward) / total * ratio
                later /= later + next(s for other, s in pair if other is not backward) / total
                share = total * (later if one is backward else 1 - later)
            adjusted.append((one, share))
        return adjusted

    def _ratio(self, backward: Pass, frame: int) -> float:
        known, forward = self._ratios.get(backward), self.before(backward)
        if not known or forward is None or forward.anchor is None or backward.anchor is None:
            return 0.0
        knots = {forward.anchor: 0.0, **known, backward.anchor: 0.0}
        places = sorted(knots)
        return float(np.interp(frame, places, [knots[place] for place in places]))

    def forget(self, passes: list[Pass]) -> None:
        """Keep only what these passes need."""
        self._ratios = {one: ratios for one, ratios in self._ratios.items() if one in passes}
        needed = {one.references[0] for one in passes if one.references}
        self._compared = {source: known for source, known in self._compared.items() if source in needed}

    def state_dict(self) -> dict[int, dict[int, float]]:
        """By the pass's number: later frames depend on it."""
        return {self.schedule.passes.index(one): dict(ratios) for one, ratios in self._ratios.items()}

    def load_state_dict(self, state: Mapping[int, Mapping[int, float]]) -> None:
        self._ratios = {self.schedule.passes[index]: dict(ratios) for index, ratios in state.items()}
