"""The passage of a film that is colored again: which frames are encoded, and how much of the new color each gets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ..video.packet_table import PacketTable
from ..video.pixel_formats import Plane

__all__ = ["FADE", "Passage", "mixed", "plan_passage"]

FADE = 12  # frames over which old and new color are cross-faded, unless there is a cut


@dataclass(frozen=True)
class Passage:
    """Frames [begin, end) are encoded again, [first, last) get new color, at the ends mixed with the old one."""

    begin: int
    end: int
    first: int
    last: int
    rising: int  # number of frames from `first` on that are mixed
    falling: int  # number of frames before `last` that are mixed

    def share(self, frame: int) -> float:
        """The share of the new color, 0 to 1."""
        if not self.first <= frame < self.last:
            return 0.0
        rise = (frame - self.first + 1) / (self.rising + 1)
        fall = (self.last - frame) / (self.falling + 1)
        return min(1.0, rise, fall)


def plan_passage(table: PacketTable, first: int, last: int, cuts: Collection[int]) -> Passage:
    """A passage with new color in the frames [first, last).

    Old and new color are cross-faded outside of them, as far as the frames there are encoded again, else within them.
    Where there is a cut within the cross-fade, the new color begins or ends with the shot.

    Args:
        cuts: frames with which shots begin, as far as they are known; the film's ends are added.
    """
    begin, end = table.around(first, last)
    breaks = {0, len(table.pts), *cuts}
    before = [cut for cut in breaks if max(begin, first - FADE) <= cut <= first]
    after = [cut for cut in breaks if last <= cut <= min(end, last + FADE)]
    start = max(before, default=max(begin, first - FADE))
    stop = min(after, default=min(end, last + FADE))
    within = (last - first) // 3  # at most so much of the passage at each end
    rising = 0 if before else first - start + min(FADE - (first - start), within)
    falling = 0 if after else stop - last + min(FADE - (stop - last), within)
    return Passage(begin, end, start, stop, rising, falling)


def mixed(old: Plane, new: Plane, share: float) -> Plane:
    """Codes of chroma [h, w], of which `share` are new, rounded."""
    if share in (0.0, 1.0):
        return new if share else old
    codes: Plane = np.rint(old + share * (new.astype(np.float32) - old)).astype(old.dtype)
    return codes
