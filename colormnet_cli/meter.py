"""One clip measured in a stream: every metric of every frame, whatever the clip's length, in flat memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from . import metrics
from .lab import rgb_to_lab
from .metrics._inputs import in_unit, strips
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
        self._last: tuple[Tensor, Tensor] | None = None  # the frame before, of both: [1, 3, H, W] in 0..1

    def update(self, result: Tensor, reference: Tensor, to_past: Tensor, to_future: Tensor) -> Tensor:
        """Measure the next frames.

        result, reference: shape = (N, 3, H, W), uint8, RGB. to_past, to_future: the flows between each of these frames
        and the one before it, (N, 2, H, W); at the clip's beginning (N-1, 2, H, W), since the first frame has none.
        Returns CIEDE2000 [N].
        """
        x, y = in_unit(result), in_unit(reference)
        lab, reference_lab = _lab(x), _lab(y)
        difference = metrics.ciede2000(lab, reference_lab)
        figures: dict[str, Tensor] = {
            "psnr": metrics.psnr(result, reference),
            "ssim": metrics.ssim(result, reference),
            "ciede2000": difference,
            "ab_psnr": metrics.ab_psnr(lab[:, 1:], reference_lab[:, 1:]),
            "colourfulness": metrics.colourfulness(result),
            "colourfulness_reference": metrics.colourfulness(reference),
        }
        figures["warp_error"], figures["warp_error_reference"] = self._warp_errors(x, y, to_past, to_future)
        if self._paper:
            figures["psnr_published"] = metrics.psnr_as_published(result, reference)
            figures["colourfulness_published"] = metrics.colourfulness(result, swapped=True)
        if self._networks is not None:
            figures["lpips"] = self._networks.lpips(x, y)
        if self._networks is not None and self._frechet is not None:
            self._frechet.update(self._networks.features(result), self._networks.features(reference))
        self._cdc.update(result)
        self._cdc_reference.update(reference)
        for key, values in figures.items():
            self._columns.setdefault(key, array("d")).extend(values.tolist())
        return difference

    def _warp_errors(self, x: Tensor, y: Tensor, to_past: Tensor, to_future: Tensor) -> tuple[Tensor, Tensor]:
        """Of result and reference, [N, 3, H, W] in 0..1: one figure a frame, nan at the clip's first."""
        last, self._last = self._last, (x[-1:].clone(), y[-1:].clone())
        current = (x[1:], y[1:]) if last is None else (x, y)
        if to_past.shape[0] != len(current[0]):
            raise ValueError(f"{len(x)} frames came with {to_past.shape[0]} flows, meant were {len(current[0])}")
        first = x.new_full((len(x) - len(current[0]),), math.nan)
        if not len(current[0]):
            return first, first
        before = (x[:-1], y[:-1]) if last is None else [_behind(*pair) for pair in zip(last, (x, y), strict=True)]
        ours, theirs = metrics.warp_errors(before, current, to_past, to_future)
        return torch.cat((first, ours)), torch.cat((first, theirs))

    def figures(self, name: str) -> ClipFigures:
        whole = {"cdc": self._cdc.compute(), "cdc_reference": self._cdc_reference.compute()}
        return ClipFigures(name, self._columns, whole)


def _lab(rgb: Tensor) -> Tensor:
    return torch.cat([rgb_to_lab(strip) for strip in strips(rgb)], dim=-2)


def _behind(last: Tensor, frames: Tensor) -> Tensor:
    """The frame before each of these, [N, C, H, W]."""
    return last if len(frames) == 1 else torch.cat((last, frames[:-1]))
