"""Measure results against references, in a stream: one clip or many, or a benchmark that is colored on the way."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..errors import MediaError, OutputError
from ..film.prefetch import Ahead
from ..film.progress import Pace
from ..film.receipt import versions
from ..inference.device import describe_device, resolve_device
from ..media.clips import Frame
from ..settings import Progress
from ..wording import many
from .clip_metrics import ClipMeter, ClipMetrics, batches, mean_of
from .clip_pairs import ClipPair, pair_clips
from .perceptual import PerceptualNetworks, load_networks
from .tables import METRICS
from .worst_frames import WorstFrame, WorstFrames

__all__ = ["EvaluateSettings", "Evaluation", "EvaluationProgress", "FramePairs", "evaluate", "measure"]

EvaluationProgress = Callable[[str, Progress], None]  # the clip's name, how far it is
SMALLEST = 12  # pixels: optical flow needs them


@dataclass(frozen=True)
class EvaluateSettings:
    """What is measured, besides what always is."""

    paper: bool = False  # also the PSNR and the colorfulness exactly as the authors' script computes them
    perceptual: bool = False  # also LPIPS and FID
    worst: int = 6  # frames kept for a look at them
    batch: int | None = None  # frames at once; None: 1 on the CPU (its caches are small), 8 elsewhere

    def __post_init__(self) -> None:
        if self.worst < 0:
            raise ValueError(f"worst is {self.worst}, meant is a number of frames, 0 or more")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch is {self.batch}, meant is a number of frames, 1 or more")


@dataclass(frozen=True)
class FramePairs:
    """A clip to measure: its name, its frames (result, reference), how many if known, and where they come from."""

    name: str
    pairs: Iterable[tuple[Frame, Frame]]
    size: tuple[int, int]
    frames: int | None
    rate: float


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured. Overall figures are means over the clips; by_frame, over all frames."""

    result: str
    reference: str
    clips: tuple[ClipMetrics, ...]
    overall: dict[str, float]
    by_frame: dict[str, float]
    worst: tuple[WorstFrame, ...]
    settings: dict[str, Any]
    versions: dict[str, str]
    device: str
    seconds: float
    warnings: tuple[str, ...] = field(default=())

    @property
    def frames(self) -> int:
        return sum(clip.frames for clip in self.clips)

    @property
    def measures(self) -> list[str]:
        """What was measured, in the order of the tables."""
        return list(self.overall)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the frames' own figures (these are what `write_csv` writes)."""
        return {
            "result": self.result,
            "reference": self.reference,
            "frames": self.frames,
            "overall": _plain(self.overall),
            "overall_by_frame": _plain(self.by_frame),
            "clips": [{"name": c.name, "frames": c.frames, **_plain(c.means())} for c in self.clips],
            "worst": [{"clip": w.clip, "frame": w.frame, "ciede2000": w.ciede2000} for w in self.worst],
            "settings": self.settings,
            "versions": self.versions,
            "device": self.device,
            "seconds": round(self.seconds, 3),
            "warnings": list(self.warnings),
        }

    def to_json(self, indent: int | None = 2, **more: Any) -> str:
        """JSON; what is not known is null, an infinite PSNR (identical pictures) the string "inf"."""
        return json.dumps(self.to_dict() | more, indent=indent, ensure_ascii=False, allow_nan=False)

    def write_csv(self, path: str | Path) -> None:
        """One line a frame: clip, frame, and every measure that frames have."""
        keys = [key for key in METRICS if key in self.clips[0].columns]
        try:
            with open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["clip", "frame", *keys])
                for clip in self.clips:
                    for frame, values in enumerate(zip(*(clip.columns[key] for key in keys), strict=True)):
                        writer.writerow([clip.name, frame, *("" if math.isnan(v) else f"{v:.7g}" for v in values)])
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error


def _plain(figures: dict[str, float]) -> dict[str, float | str | None]:
    return {k: None if math.isnan(v) else "inf" if math.isinf(v) else v for k, v in figures.items()}


def evaluate(
    result: str | Path,
    reference: str | Path,
    *,
    settings: EvaluateSettings | None = None,
    device: str | torch.device = "auto",
    networks: PerceptualNetworks | None = None,
    progress: EvaluationProgress | None = None,
) -> Evaluation:
    """Measure a film against a film, a folder of frames against another, or a folder of clips against another.

    networks: used for LPIPS and FID instead of AlexNet and Inception-v3.
    Raises MediaError where sizes, counts or names do not fit, or a file cannot be read.
    """
    pairs = pair_clips(result, reference)
    return measure(
        [FramePairs(pair.name, pair, pair.result.size, _count(pair), pair.result.rate) for pair in pairs],
        (str(result), str(reference)),
        settings=settings,
        device=device,
        networks=networks,
        progress=progress,
    )


def _count(pair: ClipPair) -> int | None:
    return pair.reference.frames if pair.result.frames is None else pair.result.frames


def measure(
    clips: Sequence[FramePairs],
    names: tuple[str, str],
    *,
    settings: EvaluateSettings | None = None,
    device: str | torch.device = "auto",
    networks: PerceptualNetworks | None = None,
    progress: EvaluationProgress | None = None,
) -> Evaluation:
    """The loop over clips and frames; `evaluate` and `benchmark` say where the frames come from."""
    settings = settings or EvaluateSettings()
    for clip in clips:
        if min(clip.size) < SMALLEST:
            raise MediaError(
                f"{clip.name} is {clip.size[1]}×{clip.size[0]}: at least {SMALLEST}×{SMALLEST} can be measured."
            )
    on = resolve_device(device)
    networks = (networks or load_networks(on)) if settings.perceptual else None
    if networks is not None:
        networks.fid.reset()
    worst, began = WorstFrames(settings.worst), time.monotonic()
    found = []
    for clip in clips:
        meter = ClipMeter(paper=settings.paper, networks=networks)
        _measure_clip(clip, meter, worst, on, settings.batch or (1 if on.type == "cpu" else 8), progress)
        found.append(meter.figures(clip.name))
    overall = _means(clip.means() for clip in found)
    by_frame = _means_of_frames(found)
    if networks is not None:
        overall["fid"] = by_frame["fid"] = networks.compute_fid()
    order = [key for key in METRICS if key in overall]
    return Evaluation(
        *names,
        clips=tuple(found),
        overall={key: overall[key] for key in order},
        by_frame={key: by_frame[key] for key in order if key in by_frame},
        worst=worst.frames(),
        settings=asdict(settings),
        versions=versions(),
        device=describe_device(on),
        seconds=time.monotonic() - began,
        warnings=tuple(_warnings(found)),
    )


@torch.inference_mode()
def _measure_clip(
    clip: FramePairs,
    meter: ClipMeter,
    worst: WorstFrames,
    device: torch.device,
    size: int,
    progress: EvaluationProgress | None,
) -> None:
    pace = Pace(clip.frames, None if progress is None else partial(progress, clip.name), device, every=0)
    with Ahead(batches(clip.pairs, size), depth=2) as ready:  # read and find the motion while others are measured
        for batch in ready:
            tensors = (batch.result, batch.reference, batch.to_past, batch.to_future)
            differences = meter.update(*(tensor.to(device) for tensor in tensors)).tolist()
            for i, difference in enumerate(differences):
                frames = (batch.result[i], batch.reference[i])
                worst.offer(clip.name, batch.first + i, difference, *(f.permute(1, 2, 0).numpy() for f in frames))
            pace.report("measure", batch.first + len(differences))


def _means(figures: Iterable[dict[str, float]]) -> dict[str, float]:
    """Mean over clips; each counts once."""
    rows = list(figures)
    return {key: mean_of(row[key] for row in rows) for key in rows[0]}


def _means_of_frames(clips: Sequence[ClipMetrics]) -> dict[str, float]:
    """Mean over all frames; long clips count more."""
    return {key: mean_of(value for clip in clips for value in clip.columns[key]) for key in clips[0].columns}


def _warnings(clips: Sequence[ClipMetrics]) -> Iterable[str]:
    identical = sum(clip.identical for clip in clips)
    if identical:
        same = "is identical to its" if identical == 1 else "are identical to their"
        yield f"{many(identical, 'frame')} {same} reference: an infinite PSNR, which the means leave out."
