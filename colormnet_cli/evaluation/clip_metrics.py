"""The metrics of one clip, frame by frame, in constant memory whatever the length of the clip."""

from __future__ import annotations

import math
from array import array
from collections import deque
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
from ..metrics.temporal import color_only, dis_flow, flow_luma
from ..timecode import format_time
from .perceptual import PerceptualNetworks
from .tables import METRICS

__all__ = ["Batch", "ClipMeter", "ClipMetrics", "Flows", "batches", "mean_of"]

# Distance in frames → flows between each frame and the one so far before it, for all frames that have one: to it, and
# from it, each (N, 2, h, w), float32; h and w as of `metrics.downscale_for_flow`.
Flows = Mapping[int, tuple[Tensor, Tensor]]

SHORT, LONG = 1, 10  # frames; the paper of the warp error trains with clips of 11
_WARP_ERRORS = {"warp_error": SHORT, "warp_error_long": LONG}


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
    """Consecutive frames of a clip, on the CPU, with the optical flow of the reference."""

    first: int  # number of the first frame
    result: Tensor  # (N, 3, H, W), uint8, RGB
    reference: Tensor
    flows: Flows


def batches(pairs: Iterable[tuple[Frame, Frame]], size: int) -> Iterator[Batch]:
    """(result, reference) frames [H, W, 3] → batches of at most `size`."""
    past: list[NDArray[np.uint8]] = []  # lumas of the last LONG frames
    first, rest = 0, iter(pairs)
    with ThreadPoolExecutor(1) as other:  # both directions at the same time: OpenCV releases the GIL
        while group := list(islice(rest, size)):
            lumas = [flow_luma(reference) for _, reference in group]
            known = [*past, *lumas]
            flows = {}
            for distance in _WARP_ERRORS.values():
                begin = max(len(past), distance)
                before, after = known[begin - distance : max(0, len(known) - distance)], known[begin:]
                to_future = other.map(dis_flow, before, after)
                to_past = [dis_flow(now, then) for now, then in zip(after, before, strict=True)]
                none = torch.empty(0, 2, *lumas[0].shape)
                flows[distance] = (torch.stack(to_past), torch.stack(list(to_future))) if to_past else (none, none)
            yield Batch(
                first,
                _stacked([result for result, _ in group]),
                _stacked([reference for _, reference in group]),
                flows,
            )
            past = known[-LONG:]
            first += len(group)


def _stacked(frames: list[Frame]) -> Tensor:
    """[H, W, 3] frames → [N, 3, H, W]."""
    return torch.stack([torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1) for frame in frames])


class ClipMeter:
    """Takes the frames of a clip in batches, in order; keeps LONG frames, downscaled, and a few floats per frame."""

    def __init__(self, *, paper: bool = False, networks: PerceptualNetworks | None = None) -> None:
        self._paper, self._networks = paper, networks
        self._columns: dict[str, array[float]] = {}
        self._cdc, self._cdc_reference = metrics.ColorDistributionConsistency(), metrics.ColorDistributionConsistency()
        self._past: deque[Tensor] = deque(maxlen=LONG)  # result and reference, downscaled: [1, 6, h, w] in 0..1

    def update(self, result: Tensor, reference: Tensor, flows: Flows) -> dict[str, list[float]]:
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
        figures |= self._warp_errors(metrics.downscale_for_flow(torch.cat((result, reference), 1)), flows)
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

    def _warp_errors(self, both: Tensor, flows: Flows) -> dict[str, Tensor]:
        """Of result and reference, downscaled, [N, 6, h, w] in 0..1: [N] each, nan where no frame is before it."""
        known, begin = [*self._past, *both.split(1)], len(self._past)
        self._past.extend(known[begin:])
        figures: dict[str, Tensor] = {}
        for key, distance in _WARP_ERRORS.items():
            first = max(begin, distance)
            count, found = max(0, len(known) - first), len(flows[distance][0])
            if count != found:
                raise ValueError(f"expected {count} flows for {len(both)} frames, {distance} apart, got {found} flows")
            errors = both.new_full((len(both), 4), math.nan)
            if count:
                before, after = torch.cat(known[first - distance : -distance]), torch.cat(known[first:])
                before, after = (torch.cat((frames, color_only(frames)), 1) for frames in (before, after))
                errors[-count:] = metrics.warp_errors(before, after, *flows[distance])
            names = (key, f"{key}_reference", f"color_{key}", f"color_{key}_reference")
            figures |= dict(zip(names, errors.unbind(1), strict=True))
        return figures

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
