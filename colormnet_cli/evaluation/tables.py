"""What the tables of the terminal and of the report show: metrics, clips, and the figures that papers published."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clip_metrics import ClipMetrics
    from .evaluate import Evaluation

__all__ = [
    "METRICS",
    "NOTE",
    "PUBLISHED",
    "Metric",
    "PublishedRow",
    "Table",
    "clip_table",
    "figure_text",
    "figures_of_shot",
    "overall_table",
    "published_table",
    "shot_table",
]


@dataclass(frozen=True)
class Metric:
    """How one metric is named and printed."""

    key: str  # in JSON and CSV; does not change, hence the British spelling of some
    label: str
    unit: str  # "" for a pure number
    better: str  # "higher", "lower", or "" where neither is
    digits: int
    about: str

    @property
    def title(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def arrow(self) -> str:
        return {"higher": "\u00a0↑", "lower": "\u00a0↓", "": ""}[self.better]

    def badness(self, value: float) -> float:
        """The larger, the worse."""
        return -value if self.better == "higher" else value

    def text(self, value: float) -> str:
        return figure_text(value, self.digits)


METRICS: Mapping[str, Metric] = {
    m.key: m
    for m in (  # in the order of the tables and of the columns of the CSV file
        Metric("psnr", "PSNR", "dB", "higher", 2, "all of RGB, in floating point"),
        Metric("psnr_published", "PSNR, script", "dB", "higher", 2, "as the authors' script: uint8 differences wrap"),
        Metric("ssim", "SSIM", "", "higher", 4, "7×7 uniform window, mean over channels"),
        Metric("lpips", "LPIPS", "", "lower", 4, "AlexNet"),
        Metric("fid", "FID", "", "lower", 2, "Inception-v3, all frames of all clips"),
        Metric("ciede2000", "CIEDE2000", "ΔE", "lower", 3, "color difference, mean over pixels"),
        Metric("ab_psnr", "ab-PSNR", "dB", "higher", 2, "a and b of Lab only, peak 255"),
        Metric("colourfulness", "Colorfulness", "", "", 2, "Hasler and Süsstrunk; 0 is gray"),
        Metric("colourfulness_reference", "Colorfulness, reference", "", "", 2, "of the reference"),
        Metric("colourfulness_published", "Colorfulness, script", "", "", 2, "as the authors' script: red is blue"),
        Metric("cdc", "CDC", "", "lower", 6, "color distribution consistency over time"),
        Metric("cdc_reference", "CDC, reference", "", "lower", 6, "of the reference"),
        Metric("warp_error", "Warp error", "", "lower", 6, "squared change of RGB along the optical flow"),
        Metric("warp_error_reference", "Warp error, reference", "", "lower", 6, "of the reference"),
        Metric("warp_error_long", "Warp error, long", "", "lower", 6, "the same over 10 frames"),
        Metric("warp_error_long_reference", "Warp error, long, reference", "", "lower", 6, "of the reference"),
        Metric("color_warp_error", "Flicker", "", "lower", 6, "warp error of color alone (RGB minus luma)"),
        Metric("color_warp_error_reference", "Flicker, reference", "", "lower", 6, "of the reference"),
        Metric("color_warp_error_long", "Flicker, long", "", "lower", 6, "the same over 10 frames"),
        Metric("color_warp_error_long_reference", "Flicker, long, reference", "", "lower", 6, "of the reference"),
    )
}


def figure_text(value: float, digits: int) -> str:
    """As tables show it: ∞ for identical pictures, – for a value that is not known."""
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


@dataclass(frozen=True)
class Table:
    """A table of plain text."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Collection[int] = (0,)  # columns of words, aligned left
    note: str = ""


def overall_table(found: Evaluation) -> Table:
    """One row for each metric: result, reference where it has one, and how to read it."""
    rows = []
    for key, value in found.overall.items():
        metric = METRICS[key]
        if not key.endswith("_reference"):
            reference = found.overall.get(f"{key}_reference")
            better = f"{metric.better} is better; " if metric.better else ""
            theirs = "" if reference is None else metric.text(reference)
            rows.append((metric.title, metric.text(value), theirs, better + metric.about))
    title = "Mean over clips" if len(found.clips) > 1 else "Mean over frames"
    return Table(title, ("Metric", "Result", "Reference", "Meaning"), rows, left=(0, 3))


def clip_table(found: Evaluation, keys: Collection[str] = METRICS.keys(), *, worst_frame: bool = True) -> Table:
    """One row for each clip, with the metrics of `keys`."""
    by = METRICS[found.worst_by]
    metrics = [METRICS[key] for key in found.overall if key in keys and key != "fid"]
    rows = []
    for clip in found.clips:
        means, worst = clip.means(), _worst_of(clip, by, 0, clip.frames)
        rows.append((clip.name, f"{clip.frames:,}", *([worst] * worst_frame), *(m.text(means[m.key]) for m in metrics)))
    heads = ("Clip", "Frames", *([f"Worst frame ({by.label})"] * worst_frame), *(m.label + m.arrow for m in metrics))
    return Table("Clips", heads, rows, left=(0, 2) if worst_frame else (0,))


def shot_table(found: Evaluation) -> Table:
    """One row for each shot of the plan, with the mean of each metric and its worst value."""
    by, (clip,) = METRICS[found.worst_by], found.clips
    metrics = [METRICS[key] for key in METRICS if key in clip.columns]
    rows = []
    for row in found.shots:
        first, end = row.shot.start_frame, row.shot.end_frame
        means, worst = figures_of_shot(clip, first, end)
        cells = (m.text(means[m.key]) + (f" ({m.text(worst[m.key])})" if m.key in worst else "") for m in metrics)
        rows.append((f"{row.number}", clip.time_of(first), f"{end - first:,}", _worst_of(clip, by, first, end), *cells))
    heads = ("Shot", "Begins at", "Frames", f"Worst frame ({by.label})", *(m.label + m.arrow for m in metrics))
    note = "The mean over the frames of the shot, and in parentheses the value of its worst frame by that metric."
    return Table("Shots", heads, rows, left=(1, 3), note=note)


def figures_of_shot(clip: ClipMetrics, first: int, end: int) -> tuple[dict[str, float], dict[str, float]]:
    """Mean of each metric over frames [first, end), and the worst value of those of which one is better."""
    part = clip.part(first, end)
    frames = {key: part.worst_frame(key) for key in part.columns if METRICS[key].better}
    worst = {key: math.nan if frame is None else part.columns[key][frame] for key, frame in frames.items()}
    return part.means(), worst


def _worst_of(clip: ClipMetrics, by: Metric, first: int, end: int) -> str:
    """Time, number and value of the worst of frames [first, end)."""
    frame = clip.part(first, end).worst_frame(by.key)
    if frame is None:
        return "–"
    return f"{clip.time_of(first + frame)} ({by.text(clip.columns[by.key][first + frame])})"


@dataclass(frozen=True)
class PublishedRow:
    """What a paper reports for one method on one data set."""

    method: str
    dataset: str
    figures: Mapping[str, float]  # the keys are some of METRICS


_DIGITS = {"psnr_published": 2, "ssim": 3, "lpips": 3, "fid": 2}  # with how many digits they were published

NOTE = (
    "The published PSNRs come from a script that subtracts uint8 arrays, which wraps around: compare them with "
    '"PSNR, script" only. The row of ColorMNet is second-hand; its figures on Videvo and NVCC2023 were not '
    "available."
)

PUBLISHED: tuple[PublishedRow, ...] = tuple(
    PublishedRow(method, dataset, dict(zip(_DIGITS, figures, strict=True)))
    for dataset, methods in {
        "DAVIS": {
            "DeepExemplar": (33.24, 0.950, 0.062, 69.56),
            "DeepRemaster": (33.25, 0.961, 0.060, 92.28),
            "BiSTNet": (34.02, 0.964, 0.043, 44.69),
            "DDColor": (30.84, 0.926, 0.085, 65.13),
            "ColorMNet": (35.77, 0.970, 0.035, 38.39),
        },
        "Videvo": {
            "DeepExemplar": (33.11, 0.956, 0.053, 54.93),
            "DeepRemaster": (32.95, 0.964, 0.053, 68.15),
            "BiSTNet": (34.12, 0.968, 0.036, 32.25),
            "DDColor": (30.76, 0.925, 0.079, 45.08),
        },
        "NVCC2023": {
            "DeepExemplar": (32.03, 0.930, 0.073, 35.39),
            "DeepRemaster": (32.25, 0.951, 0.071, 53.03),
            "BiSTNet": (33.18, 0.949, 0.054, 25.55),
            "DDColor": (29.95, 0.888, 0.114, 48.50),
        },
    }.items()
    for method, figures in methods.items()
)


def published_table(found: Evaluation) -> Table:
    """The figures of the evaluation, then those of the papers."""
    rows = [
        ("Yours", Path(found.reference).name, found.overall),
        *((r.method, r.dataset, r.figures) for r in PUBLISHED),
    ]
    cells = [
        (method, dataset, *(figure_text(figures.get(key, math.nan), digits) for key, digits in _DIGITS.items()))
        for method, dataset, figures in rows
    ]
    heads = ("Method", "Data set", *(METRICS[key].title + METRICS[key].arrow for key in _DIGITS))
    return Table("Published figures", heads, cells, left=(0, 1), note=NOTE)
