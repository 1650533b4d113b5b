"""How well the exemplars of a film show what is in its frames: looked at once a second."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ..inference.colorizer import Colorizer
from ..inference.exemplar import Exemplar
from ..timecode import format_time
from .borrowing import small

__all__ = ["MatchMonitor"]

_KEPT = 32  # exemplars whose features are kept
_NAMED = 3  # passages that a warning names


class MatchMonitor:
    """Compares frames with the exemplars that color them.

    Args:
        colorizer: compares pictures by the features of its network.
        exemplar: reads a reference.
        every: frames from one comparison to the next.
    """

    def __init__(self, colorizer: Colorizer, exemplar: Callable[[str], Exemplar], every: int) -> None:
        self._colorizer, self._exemplar, self.every = colorizer, exemplar, max(1, every)
        self._known: OrderedDict[str, Any] = OrderedDict()
        self.seen: list[tuple[int, float, float]] = []  # frame, seconds, match with the best exemplar
        self._due = 0

    def look(
        self, number: int, seconds: float, L: Tensor, sources: Sequence[str], *, again: bool = False
    ) -> float | None:
        """A frame, its lightness [1, H, W], upright, and the exemplars that color it; its match if it is looked at.

        again: look in any case, so that what follows does not depend on what went before.
        """
        if not sources or (number < self._due and not again):
            return None
        self._due = number + self.every
        own = self._colorizer.compared(small(L))
        match = max(self._colorizer.likeness(own, self._of(source)) for source in sources)
        self.seen.append((number, seconds, match))
        return match

    def _of(self, source: str) -> Any:
        if source not in self._known:
            self._known[source] = self._colorizer.compared(small(self._exemplar(source).lab[:1].clamp(0, 100)))
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(source)
        return self._known[source]

    def mean(self, begin: int = 0, end: int | None = None) -> float | None:
        """The mean match of the frames [begin, end) that were looked at; None if there are none."""
        found = [match for number, _, match in self.seen if begin <= number and (end is None or number < end)]
        return round(sum(found) / len(found), 3) if found else None

    def warning(self) -> str | None:
        """Where the exemplars show little of what is seen; None where they do, or where that is not known."""
        unlike = self._colorizer.engine.unlike
        if unlike is None:
            return None
        passages: list[list[tuple[float, float]]] = []  # of (seconds, match)
        before = False
        for _, seconds, match in self.seen:
            if match < unlike:
                if not before:
                    passages.append([])
                passages[-1].append((seconds, match))
            before = match < unlike
        if not passages:
            return None
        longest = sorted(sorted(passages, key=len, reverse=True)[:_NAMED])
        named = ", ".join(f"{format_time(p[0][0], 0)} to {format_time(p[-1][0] + 1, 0)}" for p in longest)
        share = sum(map(len, passages)) / len(self.seen)
        more = f" and {len(passages) - _NAMED} more passages" if len(passages) > _NAMED else ""
        return (
            f"The references show little of what is seen in {share:.0%} of the film ({named}{more}): colors there may "
            "be wrong or missing. Give references that show the same."
        )
