"""Pairs of frames in batches, with the motion between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..media.clips import Frame
from ..metrics.temporal import dis_flow, gray_of

__all__ = ["Batch", "batches"]


@dataclass(frozen=True)
class Batch:
    """Consecutive frames of a clip, on the CPU."""

    first: int  # number of the first frame
    result: Tensor  # (N, 3, H, W) uint8
    reference: Tensor
    to_past: Tensor  # (N, 2, h, w) float32, reduced as the warp error wants it; at the clip's beginning (N-1, 2, h, w)
    to_future: Tensor


def batches(pairs: Iterable[tuple[Frame, Frame]], size: int) -> Iterator[Batch]:
    """(result, reference) frames [H, W, 3] → batches of at most `size`, with the reference's motion."""
    past: NDArray[np.uint8] | None = None
    first, rest = 0, iter(pairs)
    with ThreadPoolExecutor(1) as other:  # the two directions side by side: OpenCV lets go of the interpreter
        while group := list(islice(rest, size)):
            grays = [gray_of(reference) for _, reference in group]
            before = grays[:-1] if past is None else [past, *grays[:-1]]
            after = grays[1:] if past is None else grays
            to_future = other.map(dis_flow, before, after)
            to_past = [dis_flow(now, then) for now, then in zip(after, before, strict=True)]
            nothing = torch.empty(0, 2, *grays[0].shape)
            yield Batch(
                first,
                _stacked([result for result, _ in group]),
                _stacked([reference for _, reference in group]),
                torch.stack(to_past) if to_past else nothing,
                torch.stack(list(to_future)) if to_past else nothing,
            )
            past = grays[-1]
            first += len(group)


def _stacked(frames: list[Frame]) -> Tensor:
    """[H, W, 3] frames → [N, 3, H, W]."""
    return torch.stack([torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1) for frame in frames])
