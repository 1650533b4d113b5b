"""Shot boundaries in a stream of frames, of which only the last few hundred are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .cuts import MIN_SHOT, find_cuts
from .dissolves import find_dissolves
from .fades import find_plain_passages
from .looks import Look
from .shot import Transition

__all__ = ["Boundary", "detect"]

FLASH = 0.25  # seconds that a flash may last
CHUNK = 20.0  # seconds that are decided at once …
MARGIN = 5.0  # … with this margin in seconds on either side, longer than the longest transition
NEAR = 4  # frames between a fade and what is a part of it
MIN_STRETCH = 9  # frames: no dissolve is looked for in less


@dataclass(frozen=True)
class Boundary:
    """Where a shot begins."""

    frame: int
    transition: Transition


def detect(looks: Iterable[Look], rate: float) -> Iterator[Boundary]:
    """The boundaries of a film, in order, without its first frame; `rate` is frames a second."""
    chunk, margin = round(CHUNK * rate), round(MARGIN * rate)
    kept: list[Look] = []
    first = 0  # number of the first frame that is kept
    decided = 0
    last: Boundary | None = None
    pending = iter(looks)
    ended = False
    while not ended:
        while len(kept) < chunk + 2 * margin and not ended:
            look = next(pending, None)
            if look is None:
                ended = True
            else:
                kept.append(look)
        end = first + len(kept) - (0 if ended else margin)
        for found in _find(kept, rate):
            boundary = _moved(found, first)
            if decided - MIN_SHOT <= boundary.frame < end and (last is None or _follows(last, boundary)):
                yield boundary
                last = boundary
        decided = end
        drop = max(0, end - margin - first)
        kept, first = kept[drop:], first + drop


def _find(looks: Sequence[Look], rate: float) -> list[Boundary]:
    second = max(8, round(rate))
    cuts, flashes = find_cuts(looks, max(4, round(FLASH * rate)))
    passages = find_plain_passages(looks, cuts, flashes, second)
    cuts = [cut for cut in cuts if not any(p.first - 2 <= cut <= p.last + 2 for p in passages)]
    hidden = [(cut, cut) for cut in cuts] + [(p.first, p.last) for p in passages]
    found = [Boundary(cut, Transition("cut")) for cut in cuts]
    for passage in passages:
        middle = (passage.plain_first + passage.plain_last) // 2
        if passage.kind == "fade":
            found.append(Boundary(middle, Transition("fade", passage.first, passage.last)))
        elif passage.kind == "cut":
            found.append(Boundary(passage.plain_last, Transition("cut")))
    for dissolve in find_dissolves(looks, _stretches(hidden, len(looks)), flashes, rate):
        if any(p.first <= dissolve.last + NEAR and dissolve.first <= p.last + NEAR for p in passages):
            continue  # the beginning or the end of a fade
        middle = (dissolve.first + dissolve.last) // 2
        found.append(Boundary(middle, Transition("dissolve", dissolve.first, dissolve.last)))
    found = [boundary for boundary in found if MIN_SHOT <= boundary.frame <= len(looks) - MIN_SHOT]
    return sorted(found, key=lambda boundary: boundary.frame)


def _stretches(hidden: Iterable[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """What lies between cuts and plain passages."""
    stretches, begin = [], 0
    for first, last in [*sorted(hidden), (count, count)]:
        if first - begin >= MIN_STRETCH:
            stretches.append((begin, first))
        begin = max(begin, last)
    return stretches


def _moved(boundary: Boundary, by: int) -> Boundary:
    way = boundary.transition
    if way.first is not None and way.last is not None:
        way = Transition(way.kind, way.first + by, way.last + by)
    return Boundary(boundary.frame + by, way)


def _follows(last: Boundary, boundary: Boundary) -> bool:
    """Whether it is another boundary than the last one, seen once more from the next chunk."""
    after = last.frame if last.transition.last is None else last.transition.last
    before = boundary.frame if boundary.transition.first is None else boundary.transition.first
    return boundary.frame - last.frame >= MIN_SHOT and before >= after
