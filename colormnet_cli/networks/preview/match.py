"""Which element of the exemplars each pixel of a frame shows, and how sure that is.

Not of the paper, like the detail that is read there. A pixel alone is easily mistaken. So what its neighbours found is
tried as well, moved along with them, and that element wins whose surroundings resemble the pixel's own best. From
there the way back is looked for in the same manner: where the match is right, it leads to the pixel itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Match", "matched"]

Score = Callable[[Tensor, Tensor], Tensor]  # numbers of pixels and of elements, of one shape: how alike they are


class Match(NamedTuple):
    """For each pixel of a frame."""

    element: Tensor  # (hw) the number of the element that it matches
    apart: Tensor  # (hw) how far the pixel that this element matches is from it, in elements


@functools.lru_cache(maxsize=4)
def _surroundings(sizes: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """The numbers of the 5×5 elements around each of some maps, −1 beyond its map: [N, 5, 5]."""
    tables, first = [], 0
    for h, w in sizes:
        numbers = torch.arange(first, first + h * w, device=device).view(1, h, w)
        around = F.pad(numbers, (2, 2, 2, 2), value=-1)[0]
        tables.append(around.unfold(0, 5, 1).unfold(1, 5, 1).reshape(h * w, 5, 5))
        first += h * w
    return torch.cat(tables)


def matched(
    there: Tensor, back: Tensor, size: tuple[int, int], exemplars: Sequence[tuple[int, int]], score: Score
) -> Match:
    """From each pixel's best element [hw] and each element's best pixel [N]; h, w of the frame and of the exemplars."""
    own, other = (_surroundings(tuple(sizes), there.device) for sizes in ([size], exemplars))
    element = _settled(there, own, other, score)
    returned = _settled(back, other, own, lambda n, pixel: score(pixel, n))[element]
    pixel, width = torch.arange(len(there), device=there.device), size[1]
    rows, columns = returned // width - pixel // width, returned % width - pixel % width
    return Match(element, (rows.square() + columns.square()).float().sqrt())


def _settled(found: Tensor, own: Tensor, other: Tensor, score: Score) -> Tensor:
    """The best of what each pixel and its eight neighbours found [Q], by how alike the 3×3 around both are: [Q]."""
    found = other[found]  # (Q, 5, 5): what those around would show, if they moved along
    known = (own >= 0) & (found >= 0)
    alike = torch.where(known, score(own.clamp_min(0), found.clamp_min(0)), 0)
    alike, known = (F.avg_pool2d(x.float()[:, None], 3, stride=1)[:, 0] for x in (alike, known))  # (Q, 3, 3)
    found = found[:, 1:-1, 1:-1]
    support = (alike / known).masked_fill(found < 0, -torch.inf)  # of what each pixel offers to each around it
    giver = own[:, 1:-1, 1:-1].flip(1, 2)  # who is at the other side: (Q, 3, 3)
    place = torch.arange(9, device=own.device).expand(len(own), -1)
    offered = support.flatten(1)[giver.flatten(1).clamp_min(0), place].masked_fill(giver.flatten(1) < 0, -torch.inf)
    best = offered.argmax(dim=1, keepdim=True)
    return found.flatten(1)[giver.flatten(1).gather(1, best), best][:, 0]
