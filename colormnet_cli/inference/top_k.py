"""The k largest numbers of each row: `torch.topk`, but faster on a CPU where rows are long."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["top_k"]

_BLOCK = 8  # elements of a block
_SHORT = 4  # blocks for each number wanted: rows of fewer are not divided


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values and indices [Q, k] of the k largest elements of each row of [Q, N], in no particular order.

    The same elements as `scores.topk(k)` chooses, also where some are equal. PyTorch's CPU version looks at one element
    after the other. Here whole blocks are compared by their maxima, which is vectorized: the k largest elements lie in
    the k blocks with the largest maxima.
    """
    if scores.device.type != "cpu" or scores.shape[1] // _BLOCK < _SHORT * (k + 1):
        return tuple(scores.topk(k, dim=1, sorted=False))  # type: ignore[return-value]
    values, indices = _by_blocks(scores, k + 1, sort=True)
    # Where the next one is as large, which of them `topk` takes depends on its heap: ask it (also where there is NaN).
    tied = (~(values[:, k - 1] > values[:, k])).nonzero()[:, 0]
    values, indices = values[:, :k], indices[:, :k]
    if len(tied):
        values[tied], indices[tied] = scores[tied].topk(k, dim=1, sorted=False)
    return values, indices


def _by_blocks(scores: Tensor, k: int, *, sort: bool) -> tuple[Tensor, Tensor]:
    """Values and indices [Q, k] of k largest elements; any of those that are equal to the smallest of them."""
    blocks = scores.shape[1] // _BLOCK
    if blocks < _SHORT * k:
        return tuple(scores.topk(k, dim=1, sorted=sort))  # type: ignore[return-value]
    # Element i belongs to block i mod `blocks`: so the maxima are taken over whole vectors.
    maxima = scores[:, : _BLOCK * blocks].unflatten(1, (_BLOCK, blocks)).amax(dim=1)
    _, best = _by_blocks(maxima, k, sort=False)
    rest = torch.arange(_BLOCK * blocks, scores.shape[1], device=scores.device).expand(len(scores), -1)
    candidates = torch.cat([*(best + first for first in range(0, _BLOCK * blocks, blocks)), rest], dim=1)
    values, chosen = scores.gather(1, candidates).topk(k, dim=1, sorted=sort)
    return values, candidates.gather(1, chosen)
