"""What the tables show: how each metric is named and printed, and the figures that the papers report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DIGITS", "METRICS", "NOTE", "PUBLISHED", "Metric", "PublishedRow", "figure_text"]


@dataclass(frozen=True)
class Metric:
    """A column of the results, and how people read it."""

    key: str
    label: str
    better: str  # "higher", "lower", or "" where neither is
    digits: int
    about: str


METRICS: Mapping[str, Metric] = {
    m.key: m
    for m in (
        Metric("psnr", "PSNR", "higher", 2, "dB, float arithmetic, all of RGB"),
        Metric("psnr_published", "PSNR, script", "higher", 2, "dB, with the authors' wrap in uint8"),
        Metric("ssim", "SSIM", "higher", 4, "7×7 uniform window, mean over channels"),
        Metric("lpips", "LPIPS", "lower", 4, "AlexNet"),
        Metric("fid", "FID", "lower", 2, "Inception-v3, all frames of all clips"),
        Metric("ciede2000", "CIEDE2000", "lower", 3, "mean color difference"),
        Metric("ab_psnr", "ab-PSNR", "higher", 2, "dB, of Lab's a and b alone, peak 255"),
        Metric("colourfulness", "Colorfulness", "", 2, "of the result"),
        Metric("colourfulness_reference", "… reference", "", 2, "of the reference"),
        Metric("colourfulness_published", "Colorf., script", "", 2, "of the result, red and blue exchanged"),
        Metric("cdc", "CDC", "lower", 6, "color distribution over time, of the result"),
        Metric("cdc_reference", "… reference", "", 6, "color distribution over time, of the reference"),
        Metric("warp_error", "Warp error", "lower", 6, "change of color along the motion, of the result"),
        Metric("warp_error_reference", "… reference", "", 6, "change of color along the motion, of the reference"),
    )
}


def figure_text(value: float, digits: int) -> str:
    """As tables show it: ∞ for identical pictures, – for what is not known."""
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


# Metric → with how many digits it was published
DIGITS = {"psnr_published": 2, "ssim": 3, "lpips": 3, "fid": 2}

NOTE = (
    "Published PSNRs come from a script that subtracts uint8 arrays, which wraps: compare them with PSNR, script "
    "(--paper). ColorMNet's row is second-hand; its figures on Videvo and NVCC2023 were not to be had."
)


@dataclass(frozen=True)
class PublishedRow:
    method: str
    dataset: str
    figures: Mapping[str, float]  # the keys of METRICS


def _rows(method: str, *by_dataset: tuple[float, float, float, float]) -> list[PublishedRow]:
    datasets = ("DAVIS", "Videvo", "NVCC2023")
    return [
        PublishedRow(method, name, dict(zip(DIGITS, row, strict=True)))
        for name, row in zip(datasets, by_dataset, strict=False)
    ]


PUBLISHED: tuple[PublishedRow, ...] = tuple(
    sorted(
        [
            *_rows(
                "DeepExemplar", (33.24, 0.950, 0.062, 69.56), (33.11, 0.956, 0.053, 54.93), (32.03, 0.930, 0.073, 35.39)
            ),
            *_rows(
                "DeepRemaster", (33.25, 0.961, 0.060, 92.28), (32.95, 0.964, 0.053, 68.15), (32.25, 0.951, 0.071, 53.03)
            ),
            *_rows("BiSTNet", (34.02, 0.964, 0.043, 44.69), (34.12, 0.968, 0.036, 32.25), (33.18, 0.949, 0.054, 25.55)),
            *_rows("DDColor", (30.84, 0.926, 0.085, 65.13), (30.76, 0.925, 0.079, 45.08), (29.95, 0.888, 0.114, 48.50)),
            *_rows("ColorMNet", (35.77, 0.970, 0.035, 38.39)),
        ],
        key=lambda row: ("DAVIS", "Videvo", "NVCC2023").index(row.dataset),
    )
)
