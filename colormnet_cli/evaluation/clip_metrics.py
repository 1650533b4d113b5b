"""The metrics of one clip, frame by frame, in constant memory whatever the length of the clip."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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
from ..timecode import format_time
from .perceptual import PerceptualNetworks
from .tables import METRICS

__all__ = ["Batch", "ClipMeter", "ClipMetrics", "batches", "mean_of"]


@dataclass(frozen=True)
class ClipMetrics:
    """The results of one clip."""

    name: str
    columns: Mapping[str, array[float]]  # metric → one value per frame; nan where there is none (flow at the first)
    whole: Mapping[str, float]  # metrics of the whole clip: CDC
    rate: float | None = None  # frames per second; None for pictures

    @property
    def frames(self) -> int:
        return len(self.columns["psnr"])

    @property
    def identical(self) -> int:
        """Number of frames without any error; their PSNR is infinite and left out of the mean."""
        return sum(math.isinf(value) for value in self.columns["psnr"])

    def means(self) -> dict[str, float]:
        """Every metric of the clip: the mean of its frames, or the one of the whole clip."""
        figures = {key: mean_of(values) for key, values in self.columns.items()} | dict(self.whole)
        return {key: figures[key] for key in METRICS if key in figures}

    def part(self, first: int, end: int) -> ClipMetrics:
        """The metrics of frames [first, end), such as a shot; without those of the whole clip."""
        return replace(self, columns={key: values[first:end] for key, values in self.columns.items()}, whole={})

    def worst_frame(self, key: str) -> int | None:
        """Number of the worst frame by one metric, the first of equal ones; None if no frame has a value."""
        known = [(METRICS[key].badness(v), -n) for n, v in enumerate(self.columns[key]) if not math.isnan(v)]
        return -max(known)[1] if known else None

    def time_of(self, frame: int) -> str:
        """``0:01:02.500, frame 1,500``; only the number where there is no frame rate."""
        return ("" if self.rate is None else format_time(frame / self.rate) + ", ") + f"frame {frame:,}"


def mean_of(values: Iterable[float]) -> float:
    """Mean of the finite values; infinity if all known ones are infinite (identical pictures), nan if none is known."""
    known = [value for value in values if not math.isnan(value)]
    finite = [value for value in known if math.isfinite(value)]
    if finite:
        return math.fsum(finite) / len(finite)
    return math.inf if known else math.nan


@dataclass(frozen=True)
class Batch:
    """Consecutive frames of a clip, on the CPU, with the optical flow of the reference.

    The flow is between each frame and the one before it: N of them, N - 1 at the start of the clip.
    """

    first: int  # number of the first frame
    result: Tensor  # (N, 3, H, W), uint8, RGB
    reference: Tensor
    to_past: Tensor  # (N or N-1, 2, h, w), float32; h and w as of `metrics.downscale_for_flow`
    to_future: Tensor


def batches(pairs: Iterable[tuple[Frame, Frame]], size: int) -> Iterator[Batch]:
    """(result, reference) frames [H, W, 3] → batches of at most `size`."""
    past: NDArray[np.uint8] | None = None
    first, rest = 0, iter(pairs)
    with ThreadPoolExecutor(1) as other:  # both directions at the same time: OpenCV releases the GIL
        while group := list(islice(rest, size)):
            lumas = [flow_luma(reference) for _, reference in group]
            before = lumas[:-1] if past is None else [past, *lumas[:-1]]
            after = lumas[1:] if past is None else lumas
            to_future = other.map(dis_flow, before, after)
            to_past = [dis_flow(now, then) for now, then in zip(after, before, strict=True)]
            no_flow = torch.empty(0, 2, *lumas[0].shape)
            yield Batch(
                first,
                _stacked([result for result, _ in group]),
                _stacked([reference for _, reference in group]),
                torch.stack(to_past) if to_past else no_flow,
                torch.stack(list(to_future)) if to_past else no_flow,
            )
            past = lumas[-1]
            first += len(group)


def _stacked(frames: list[Frame]) -> Tensor:
    """[H, W, 3] frames → [N, 3, H, W]."""
    return torch.stack([torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1) for frame in frames])


class ClipMeter:
    """Takes the frames of a clip in batches, in order; keeps one frame, and a few floats per frame."""

    def __init__(self, *, paper: bool = False, networks: PerceptualNetworks | None = None) -> None:
        self._paper, self._networks = paper, networks
        self._columns: dict[str, array[float]] = {}
        self._cdc, self._cdc_reference = metrics.ColorDistributionConsistency(), metrics.ColorDistributionConsistency()
        self._last: Tensor | None = None  # the previous frame of result and reference, downscaled: [1, 6, h, w] in 0..1

    def update(self, result: Tensor, reference: Tensor, to_past: Tensor, to_future: Tensor) -> dict[str, list[float]]:
        """Measure the next frames, given as in `Batch`. Returns their values of each metric."""
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
        values = {key: value.tolist() for key, value in figures.items()}
        for key, value in values.items():
            self._columns.setdefault(key, array("d")).extend(value)
        return values

    def _warp_errors(self, both: Tensor, to_past: Tensor, to_future: Tensor) -> tuple[Tensor, Tensor]:
        """Of result and reference, downscaled, [N, 6, h, w] in 0..1: [N] each, nan at the first frame of the clip."""
        last, self._last = self._last, both[-1:]
        current = both[1:] if last is None else both
        if to_past.shape[0] != len(current):
            raise ValueError(f"expected {len(current)} flows for {len(both)} frames, got {to_past.shape[0]} flows")
        errors = both.new_full((len(both), 2), math.nan)
        if len(current):
            before = both[:-1] if last is None else last if len(both) == 1 else torch.cat((last, both[:-1]))
            errors[-len(current) :] = metrics.warp_errors(before, current, to_past, to_future)
        return errors[:, 0], errors[:, 1]

    def compute(self, name: str, rate: float | None = None) -> ClipMetrics:
        """The results, after the last frame of the clip."""
        whole = {"cdc": self._cdc.compute(), "cdc_reference": self._cdc_reference.compute()}
        return ClipMetrics(name, self._columns, whole, rate)


def _color_errors(result: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """CIEDE2000 and ab-PSNR [N] of frames [N, 3, H, W], uint8; in strips, so that Lab of whole frames is never held."""
    difference = torch.zeros(len(result), device=result.device)
    squared = torch.zeros_like(difference)
    for x, y in zip(strips(result), strips(reference), strict=True):
        lab, reference_lab = metrics.rgb8_to_lab(x), metrics.rgb8_to_lab(y)
        share = x.shape[-2] / result.shape[-2]
        difference += metrics.ciede2000(lab, reference_lab) * share
        squared += (lab[:, 1:] - reference_lab[:, 1:]).square_().mean((1, 2, 3)) * share
    return difference, psnr_from_mse(squared, AB_RANGE)
