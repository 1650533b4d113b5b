"""One clip measured in a stream: every metric of every frame, whatever the clip's length, in flat memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import metrics
from ..media.clips import Frame
from ..metrics.fidelity import AB_RANGE, psnr_from_mse
from ..metrics.inputs import strips
from ..metrics.temporal import dis_flow, flow_luma
from .perceptual import PerceptualNetworks
from .tables import METRICS

__all__ = ["Batch", "ClipMeter", "ClipMetrics", "batches", "mean_of"]


@dataclass(frozen=True)
class ClipMetrics:
    """What was measured on one clip."""

    name: str
    columns: Mapping[str, array[float]]  # measure → one value a frame; nan where a frame has none (the first, in time)
    whole: Mapping[str, float]  # measures that only a whole clip has: CDC

    @property
    def frames(self) -> int:
        return len(self.columns["psnr"])

    @property
    def identical(self) -> int:
        """Frames without any error: their PSNR is infinite, and left out of the mean."""
        return sum(math.isinf(value) for value in self.columns["psnr"])

    def means(self) -> dict[str, float]:
        """Every measure of the clip: the mean of its frames, or its own."""
        figures = {key: mean_of(values) for key, values in self.columns.items()} | dict(self.whole)
        return {key: figures[key] for key in METRICS if key in figures}


def mean_of(values: Iterable[float]) -> float:
    """Mean of what is finite; infinity if all else is that (identical pictures), nan if there is nothing."""
    known = [value for value in values if not math.isnan(value)]
    finite = [value for value in known if math.isfinite(value)]
    if finite:
        return math.fsum(finite) / len(finite)
    return math.inf if known else math.nan


class ClipMeter:
    """Takes a clip's frames in batches, in order; keeps one frame and a few floats for each."""

    def __init__(
        self,
        *,
        paper: bool = False,
        networks: PerceptualNetworks | None = None,
    ) -> None:
        self._paper, self._networks = paper, networks
        self._columns: dict[str, array[float]] = {}
        self._cdc, self._cdc_reference = metrics.ColorDistributionConsistency(), metrics.ColorDistributionConsistency()
        self._last: Tensor | None = None  # the frame before, of both, reduced: [1, 6, h, w] in 0..1

    def update(self, result: Tensor, reference: Tensor, to_past: Tensor, to_future: Tensor) -> Tensor:
        """Measure the next frames.

        result, reference: shape = (N, 3, H, W), uint8, RGB.  to_past, to_future: the optical flow between each of these
        frames and the one before it, (N, 2, h, w), h and w as of `metrics.downscale_for_flow`; at the start of the clip
        (N-1, 2, h, w), since the first frame has none.
        Returns CIEDE2000 [N].
        """
        difference, ab_psnr = _color_errors(result, reference)
        figures: dict[str, Tensor] = {
            "psnr": metrics.psnr(result, reference),
            "ssim": metrics.ssim(result, reference),
            "ciede2000": difference,
            "ab_psnr": ab_psnr,
            "colourfulness": metrics.colorfulness(result),
            "colourfulness_reference": metrics.colorfulness(reference),
        }
        figures["warp_error"], figures["warp_error_reference"] = self._warp_errors(
            metrics.downscale_for_flow(torch.cat((result, reference), 1)), to_past, to_future
        )
        if self._paper:
            figures["psnr_published"] = metrics.psnr_as_published(result, reference)
            figures["colourfulness_published"] = metrics.colorfulness(result, swap_red_blue=True)
        if self._networks is not None:
            figures["lpips"] = self._networks.update(result, reference)
        self._cdc.update(result)
        self._cdc_reference.update(reference)
        for key, values in figures.items():
            self._columns.setdefault(key, array("d")).extend(values.tolist())
        return difference

    def _warp_errors(self, both: Tensor, to_past: Tensor, to_future: Tensor) -> tuple[Tensor, Tensor]:
        """Of result and reference, reduced, [N, 6, h, w] in 0..1: one figure a frame, nan at the clip's first."""
        last, self._last = self._last, both[-1:]
        current = both[1:] if last is None else both
        if to_past.shape[0] != len(current):
            raise ValueError(f"{len(both)} frames came with {to_past.shape[0]} flows, meant were {len(current)}")
        errors = both.new_full((len(both), 2), math.nan)
        if len(current):
            before = both[:-1] if last is None else last if len(both) == 1 else torch.cat((last, both[:-1]))
            errors[-len(current) :] = metrics.warp_errors(before, current, to_past, to_future)
        return errors[:, 0], errors[:, 1]

    def figures(self, name: str) -> ClipMetrics:
        whole = {"cdc": self._cdc.compute(), "cdc_reference": self._cdc_reference.compute()}
        return ClipMetrics(name, self._columns, whole)


def _color_errors(result: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """CIEDE2000 and ab-PSNR of frames [N, 3, H, W], uint8; in strips, so that Lab never has to be kept."""
    difference = torch.zeros(len(result), device=result.device)
    squared = torch.zeros_like(difference)
    for x, y in zip(strips(result), strips(reference), strict=True):
        lab, reference_lab = metrics.rgb8_to_lab(x), metrics.rgb8_to_lab(y)
        share = x.shape[-2] / result.shape[-2]
        difference += metrics.ciede2000(lab, reference_lab) * share
        squared += (lab[:, 1:] - reference_lab[:, 1:]).square_().mean((1, 2, 3)) * share
    return difference, psnr_from_mse(squared, AB_RANGE)


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
            grays = [flow_luma(reference) for _, reference in group]
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
