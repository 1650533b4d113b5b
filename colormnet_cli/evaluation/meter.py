"""One clip measured in a stream: every metric of every frame, whatever the clip's length, in flat memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import metrics
from ..metrics.fidelity import AB_RANGE, decibels
from ..metrics.inputs import in_unit, strips
from .perceptual import PerceptualNetworks

__all__ = ["MEASURES", "ClipFigures", "ClipMeter", "Measure", "mean_of"]


@dataclass(frozen=True)
class Measure:
    """A column of the results, and how people read it."""

    key: str
    label: str
    better: str  # "higher", "lower", or "" where neither is
    digits: int
    about: str


MEASURES: Mapping[str, Measure] = {
    m.key: m
    for m in (
        Measure("psnr", "PSNR", "higher", 2, "dB, float arithmetic, all of RGB"),
        Measure("psnr_published", "PSNR, script", "higher", 2, "dB, with the authors' wrap in uint8"),
        Measure("ssim", "SSIM", "higher", 4, "7×7 uniform window, mean over channels"),
        Measure("lpips", "LPIPS", "lower", 4, "AlexNet"),
        Measure("fid", "FID", "lower", 2, "Inception-v3, all frames of all clips"),
        Measure("ciede2000", "CIEDE2000", "lower", 3, "mean colour difference"),
        Measure("ab_psnr", "ab-PSNR", "higher", 2, "dB, of Lab's a and b alone, peak 255"),
        Measure("colourfulness", "Colourfulness", "", 2, "of the result"),
        Measure("colourfulness_reference", "… reference", "", 2, "of the reference"),
        Measure("colourfulness_published", "Colourf., script", "", 2, "of the result, red and blue exchanged"),
        Measure("cdc", "CDC", "lower", 6, "colour distribution over time, of the result"),
        Measure("cdc_reference", "… reference", "", 6, "colour distribution over time, of the reference"),
        Measure("warp_error", "Warp error", "lower", 6, "change of colour along the motion, of the result"),
        Measure("warp_error_reference", "… reference", "", 6, "change of colour along the motion, of the reference"),
    )
}


@dataclass(frozen=True)
class ClipFigures:
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
        return {key: figures[key] for key in MEASURES if key in figures}


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
        frechet: metrics.FrechetDistance | None = None,
    ) -> None:
        self._paper, self._networks, self._frechet = paper, networks, frechet
        self._columns: dict[str, array[float]] = {}
        self._cdc, self._cdc_reference = metrics.ColourConsistency(), metrics.ColourConsistency()
        self._last: Tensor | None = None  # the frame before, of both, reduced: [1, 6, h, w] in 0..1

    def update(self, result: Tensor, reference: Tensor, to_past: Tensor, to_future: Tensor) -> Tensor:
        """Measure the next frames.

        result, reference: shape = (N, 3, H, W), uint8, RGB. to_past, to_future: the flows between each of these frames
        and the one before it, (N, 2, h, w), reduced as `metrics.reduced` does; at the clip's beginning (N-1, 2, h, w),
        since the first frame has none.
        Returns CIEDE2000 [N].
        """
        difference, ab_psnr = _colour_errors(result, reference)
        figures: dict[str, Tensor] = {
            "psnr": metrics.psnr(result, reference),
            "ssim": metrics.ssim(result, reference),
            "ciede2000": difference,
            "ab_psnr": ab_psnr,
            "colourfulness": metrics.colourfulness(result),
            "colourfulness_reference": metrics.colourfulness(reference),
        }
        figures["warp_error"], figures["warp_error_reference"] = self._warp_errors(
            metrics.reduced(torch.cat((result, reference), 1)), to_past, to_future
        )
        if self._paper:
            figures["psnr_published"] = metrics.psnr_as_published(result, reference)
            figures["colourfulness_published"] = metrics.colourfulness(result, swapped=True)
        if self._networks is not None:
            figures["lpips"] = self._networks.lpips(in_unit(result), in_unit(reference))
        if self._networks is not None and self._frechet is not None:
            self._frechet.update(self._networks.features(result), self._networks.features(reference))
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

    def figures(self, name: str) -> ClipFigures:
        whole = {"cdc": self._cdc.compute(), "cdc_reference": self._cdc_reference.compute()}
        return ClipFigures(name, self._columns, whole)


def _colour_errors(result: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """CIEDE2000 and ab-PSNR of frames [N, 3, H, W], uint8; in strips, so that Lab never has to be kept."""
    difference = torch.zeros(len(result), device=result.device)
    squared = torch.zeros_like(difference)
    for x, y in zip(strips(result), strips(reference), strict=True):
        lab, reference_lab = metrics.bytes_to_lab(x), metrics.bytes_to_lab(y)
        share = x.shape[-2] / result.shape[-2]
        difference += metrics.ciede2000(lab, reference_lab) * share
        squared += (lab[:, 1:] - reference_lab[:, 1:]).square_().mean((1, 2, 3)) * share
    return difference, decibels(squared, AB_RANGE)
