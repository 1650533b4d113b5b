"""Which element of the exemplars each pixel of a frame matches, and how reliable that is.

A single pixel is easily mistaken. So the matches of its neighbors are tried as well, moved along with them, and the
element is taken whose surroundings are most similar to the pixel's own. From there the match back to the frame is
refined in the same way: where the match is right, it returns to the pixel itself (cycle consistency).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Match", "forget_maps", "match_exemplars"]

Score = Callable[[Tensor, Tensor], Tensor]  # indices of pixels and of elements, of one shape: their similarity


class Match(NamedTuple):
    """For each pixel of a frame."""

    element: Tensor  # (hw) index of the element that it matches
    cycle_error: Tensor  # (hw) distance from the pixel to the one that this element matches, in elements


@functools.lru_cache(maxsize=4)
def _neighborhoods(sizes: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """Indices of the 5×5 elements around each element of some maps, −1 beyond its map: [N, 5, 5]."""
    tables, first = [], 0
    for h, w in sizes:
        indices = torch.arange(first, first + h * w, device=device).view(1, h, w)
        around = F.pad(indices, (2, 2, 2, 2), value=-1)[0]
        tables.append(around.unfold(0, 5, 1).unfold(1, 5, 1).reshape(h * w, 5, 5))
        first += h * w
    return torch.cat(tables)


def forget_maps() -> None:
    """Drop the indices that are kept for maps of the last sizes."""
    _neighborhoods.cache_clear()


def match_exemplars(
    forward: Tensor, backward: Tensor, size: tuple[int, int], exemplars: Sequence[tuple[int, int]], score: Score
) -> Match:
    """Refine each pixel's best element [hw] and each element's best pixel [N]; h, w of the frame and the exemplars."""
    own, other = (_neighborhoods(tuple(sizes), forward.device) for sizes in ([size], exemplars))
    element = _refine(forward, own, other, score)
    returned = _refine(backward, other, own, lambda element, pixel: score(pixel, element))[element]
    pixel, width = torch.arange(len(forward), device=forward.device), size[1]
    rows, columns = returned // width - pixel // width, returned % width - pixel % width
    return Match(element, (rows.square() + columns.square()).float().sqrt())


def _refine(found: Tensor, own: Tensor, other: Tensor, score: Score) -> Tensor:
    """The best match of each pixel and its eight neighbors [Q], by the similarity of the 3×3 around both: [Q]."""
    found = other[found]  # (Q, 5, 5): what the neighbors would match, if they moved along
    known = (own >= 0) & (found >= 0)
    similar = torch.where(known, score(own.clamp_min(0), found.clamp_min(0)), 0)
    similar, known = (F.avg_pool2d(x.float()[:, None], 3, stride=1)[:, 0] for x in (similar, known))  # (Q, 3, 3)
    found = found[:, 1:-1, 1:-1]
    support = (similar / known).masked_fill(found < 0, -torch.inf)  # of what each pixel offers to each neighbor
    giver = own[:, 1:-1, 1:-1].flip(1, 2)  # the neighbor on the opposite side: (Q, 3, 3)
    position = torch.arange(9, device=own.device).expand(len(own), -1)
    offered = support.flatten(1)[giver.flatten(1).clamp_min(0), position].masked_fill(giver.flatten(1) < 0, -torch.inf)
    best = offered.argmax(dim=1, keepdim=True)
    return found.flatten(1)[giver.flatten(1).gather(1, best), best][:, 0]
