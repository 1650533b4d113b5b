"""Measure results against references: one clip or many, frame by frame."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..errors import MediaError, OutputError, UsageError
from ..film.prefetch import Prefetch
from ..film.progress import ProgressMeter
from ..film.receipt import versions
from ..inference.device import describe_device, resolve_device
from ..media.clips import Frame
from ..settings import Progress
from ..shots.folder import read_plan
from ..shots.table import PlannedShot
from ..wording import many
from .clip_metrics import ClipMeter, ClipMetrics, batches, mean_of
from .clip_pairs import pair_clips
from .perceptual import PerceptualNetworks, load_networks
from .tables import METRICS, figures_of_shot
from .worst_frames import WorstFrame, WorstFrames

__all__ = ["EvaluateSettings", "Evaluation", "EvaluationProgress", "FramePairs", "evaluate", "measure"]

EvaluationProgress = Callable[[str, Progress], None]  # name of the clip, its progress
SMALLEST = 12  # pixels, width and height: the least that optical flow takes
# Metrics that each frame has.
WORST_BY = ("ciede2000", "psnr", "ssim", "ab_psnr", "lpips", "warp_error", "color_warp_error")


@dataclass(frozen=True)
class EvaluateSettings:
    """What is measured in addition to the usual metrics, and how."""

    paper: bool = False  # also PSNR and colorfulness exactly as the authors' script computes them
    perceptual: bool = False  # also LPIPS and FID
    worst: int = 6  # number of worst frames kept for the report
    worst_by: str = "ciede2000"  # metric that says which frames are worst
    batch: int | None = None  # frames at once; None: 1 on the CPU (its caches are small), 8 elsewhere

    def __post_init__(self) -> None:
        if self.worst < 0:
            raise ValueError(f"worst must be 0 or more frames, got {self.worst}")
        if self.worst_by not in WORST_BY:
            raise ValueError(f"worst_by must be one of {', '.join(WORST_BY)}, got {self.worst_by!r}")
        if self.worst_by == "lpips" and not self.perceptual:
            raise UsageError("`worst_by` is lpips, which is not measured: add `perceptual=True`.")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch must be 1 or more frames, got {self.batch}")


@dataclass(frozen=True)
class FramePairs:
    """A clip to measure."""

    name: str
    pairs: Iterable[tuple[Frame, Frame]]  # (result, reference), each [H, W, 3] uint8 RGB
    size: tuple[int, int]  # H, W
    frames: int | None  # None if not known before the end
    rate: float | None  # frames per second; None for pictures


@dataclass(frozen=True)
class Evaluation:
    """All results. `overall` holds means over the clips, `by_frame` means over all frames."""

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
    warnings: tuple[str, ...] = ()
    worst_by: str = "ciede2000"  # metric that says which frames are worst
    shots: tuple[PlannedShot, ...] = ()  # of the only clip

    @property
    def frames(self) -> int:
        return sum(clip.frames for clip in self.clips)

    def worst_frame(self) -> tuple[ClipMetrics, int] | None:
        """Clip and number of the worst frame of all; None if no frame has a value."""
        frames = [(clip, frame) for clip in self.clips if (frame := clip.worst_frame(self.worst_by)) is not None]
        badness = METRICS[self.worst_by].badness
        return max(frames, key=lambda one: badness(one[0].columns[self.worst_by][one[1]]), default=None)

    def rank(self, worst: WorstFrame) -> int:
        """Place of a frame among all frames, the worst one being 1."""
        badness = METRICS[self.worst_by].badness
        return 1 + sum(badness(v) > badness(worst.value) for clip in self.clips for v in clip.columns[self.worst_by])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without those of single frames (which `write_csv` writes)."""
        return {
            "result": self.result,
            "reference": self.reference,
            "frames": self.frames,
            "overall": _plain(self.overall),
            "overall_by_frame": _plain(self.by_frame),
            "clips": [{"name": c.name, "frames": c.frames, **_plain(c.means())} for c in self.clips],
            "shots": [self._shot(row) for row in self.shots],
            "worst": [{"clip": w.clip, "frame": w.frame, self.worst_by: w.value} for w in self.worst],
            "settings": self.settings,
            "versions": self.versions,
            "device": self.device,
            "seconds": round(self.seconds, 3),
            "warnings": list(self.warnings),
        }

    def _shot(self, row: PlannedShot) -> dict[str, Any]:
        first, end = row.shot.start_frame, row.shot.end_frame
        means, worst = figures_of_shot(self.clips[0], first, end)
        return {"shot": row.number, "start": first, "end": end, "mean": _plain(means), "worst": _plain(worst)}

    def to_json(self, indent: int | None = 2, **more: Any) -> str:
        """JSON. A value that is not known is null; an infinite PSNR (identical pictures) is the string "inf"."""
        return json.dumps(self.to_dict() | more, indent=indent, ensure_ascii=False, allow_nan=False)

    def write_csv(self, path: str | Path) -> None:
        """One line per frame: clip, frame number, and all metrics of single frames. Raises OutputError."""
        keys = [key for key in METRICS if key in self.clips[0].columns]
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
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
    plan: str | Path | None = None,
    device: str | torch.device = "auto",
    networks: PerceptualNetworks | None = None,
    progress: EvaluationProgress | None = None,
) -> Evaluation:
    """Measure a film against a film, a folder of frames against another, or a folder of clips against another.

    result, reference: of the same number and size of frames.
    plan: a folder made by `colormnet shots`, whose shots get figures of their own; of a single clip only.
    networks: used for LPIPS and FID instead of AlexNet and Inception-v3.
    Raises MediaError where sizes, counts or names do not fit, or a file cannot be read.
    """
    pairs = list(pair_clips(result, reference))
    shots = () if plan is None else read_plan(plan).shots
    if shots and len(pairs) > 1:
        raise UsageError(f"`plan` has the shots of one film, but {len(pairs)} clips are measured: leave it out.")
    if shots and pairs[0].frames is not None:
        _check_shots(shots, plan, pairs[0].frames)
    found = measure(
        [FramePairs(pair.name, pair, pair.result.size, pair.frames, pair.rate) for pair in pairs],
        (str(result), str(reference)),
        settings=settings,
        device=device,
        networks=networks,
        progress=progress,
    )
    if shots:
        _check_shots(shots, plan, found.frames)
    return replace(found, shots=shots)


def _check_shots(shots: Sequence[PlannedShot], plan: str | Path | None, frames: int) -> None:
    planned = shots[-1].shot.end_frame
    if planned != frames:
        raise MediaError(
            f"{plan} is the plan of a film of {many(planned, 'frame')}, but the film that is measured has {frames:,}: "
            "give the plan of this film (`plan`), or leave it out."
        )


def measure(
    clips: Sequence[FramePairs],
    names: tuple[str, str],
    *,
    settings: EvaluateSettings | None = None,
    device: str | torch.device = "auto",
    networks: PerceptualNetworks | None = None,
    progress: EvaluationProgress | None = None,
) -> Evaluation:
    """Measure clips whose frames come from anywhere; names: what result and reference are called in the output."""
    settings = settings or EvaluateSettings()
    for clip in clips:
        if min(clip.size) < SMALLEST:
            raise MediaError(
                f"{clip.name} is {clip.size[1]}×{clip.size[0]}: frames must have at least {SMALLEST}×{SMALLEST} pixels."
            )
    on = resolve_device(device)
    networks = (networks or load_networks(on)) if settings.perceptual else None
    if networks is not None:
        networks.fid.reset()
    worst, began = WorstFrames(settings.worst, METRICS[settings.worst_by]), time.monotonic()
    found = []
    for clip in clips:
        meter = ClipMeter(paper=settings.paper, networks=networks)
        _measure_clip(clip, meter, worst, settings, on, progress)
        found.append(meter.compute(clip.name, clip.rate))
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
        worst_by=settings.worst_by,
    )


@torch.inference_mode()
def _measure_clip(
    clip: FramePairs,
    meter: ClipMeter,
    worst: WorstFrames,
    settings: EvaluateSettings,
    device: torch.device,
    progress: EvaluationProgress | None,
) -> None:
    report = None if progress is None else partial(progress, clip.name)
    progress_meter = ProgressMeter(clip.frames, report, device, every=0)
    size = settings.batch or (1 if device.type == "cpu" else 8)
    # frames are read and their flow found in the background
    with Prefetch.of(batches(clip.pairs, size), depth=2) as ready:
        for batch in ready:
            flows = {distance: (past.to(device), future.to(device)) for distance, (past, future) in batch.flows.items()}
            values = meter.update(batch.result.to(device), batch.reference.to(device), flows)[settings.worst_by]
            for i, value in enumerate(values):
                frames = (batch.result[i], batch.reference[i])
                worst.offer(clip.name, batch.first + i, value, *(f.permute(1, 2, 0).numpy() for f in frames))
            progress_meter.report("measure", batch.first + len(values))


def _means(figures: Iterable[dict[str, float]]) -> dict[str, float]:
    """Mean over clips, whatever their length."""
    rows = list(figures)
    return {key: mean_of(row[key] for row in rows) for key in rows[0]}


def _means_of_frames(clips: Sequence[ClipMetrics]) -> dict[str, float]:
    """Mean over all frames, so that long clips count more."""
    return {key: mean_of(value for clip in clips for value in clip.columns[key]) for key in clips[0].columns}


def _warnings(clips: Sequence[ClipMetrics]) -> Iterable[str]:
    identical = sum(clip.identical for clip in clips)
    if identical:
        same = "is identical to its" if identical == 1 else "are identical to their"
        yield f"{many(identical, 'frame')} {same} reference; their infinite PSNR is left out of the means."
