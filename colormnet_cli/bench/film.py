"""A film through the real pipeline, and its decoder and encoder on their own."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color.lab import lab_to_rgb
from ..film.film_run import FilmRun
from ..film.plan import FilmPlan, plan_video
from ..film.run import RunObserver
from ..inference.frame_colorizer import FrameColorizer
from ..inference.memory import MemoryConfig
from ..media.image_file import to_pixels, write_png
from ..networks.colormnet import ColorMNet
from ..settings import ColorizeSettings
from ..video.encode import write_gray_film
from ..video.probe import probe
from ..video.reader import Reader
from ..video.segments import SegmentWriter
from .clock import MemoryWatch
from .figures import FilmFigures, Times
from .synthetic_film import fill_memory, synthetic_exemplar, synthetic_luma

__all__ = ["make_film", "time_decoder", "time_encoder", "time_film"]


def make_film(folder: Path, frames: int, film: tuple[int, int], size: tuple[int, int], batch: int) -> FilmPlan:
    """Make up a film and its exemplar in the folder, and plan its way to colour at the working size."""
    source, picture = folder / "film.mp4", folder / "exemplar.png"
    write_gray_film(source, (synthetic_luma(i, film) for i in range(frames)), film)
    settings = ColorizeSettings(size=min(size), lookahead=batch, ref_is_first=False)
    write_png(picture, to_pixels(lab_to_rgb(synthetic_exemplar(film, size)), 8))
    return plan_video(source, [picture], folder / "color.mp4", settings=settings)


class _Measured(RunObserver):
    """Fills the memory before the first frame, and notes when each batch was done."""

    def __init__(self, warm: int, device: torch.device) -> None:
        self.warm, self.device = warm, device
        self.stamps: list[tuple[int, float]] = []  # frames done, when
        self.watch: MemoryWatch | None = None

    def started(self, frames: FrameColorizer, L: Tensor) -> None:
        frames.step(L)
        fill_memory(frames.colorizer)

    def advanced(self, frames: int) -> None:
        if frames >= self.warm:
            self.watch = self.watch or MemoryWatch(self.device)
            self.stamps.append((frames, time.perf_counter()))
            self.watch.sample(frames)


def time_film(
    plan: FilmPlan, model: ColorMNet, memory: MemoryConfig, device: torch.device, precision: str, *, warm: int
) -> FilmFigures:
    """Colorize the planned film; its first `warm` frames are not counted."""
    measured = _Measured(warm, device)
    run = FilmRun(plan, model, memory, device=device, precision=precision, observer=measured)
    with run.explained(), run.folder:
        run.color()
        colored = time.perf_counter()
        run.finish()
        joined = time.perf_counter()
    stamps = measured.stamps
    if measured.watch is None or len(stamps) < 2:
        raise ValueError(f"a film of {run.frames} frames is too short to be measured after {warm}")
    each = [(end - begin) / (after - before) for (before, begin), (after, end) in pairwise(stamps)]
    frames = stamps[-1][0] - stamps[0][0]
    fps = frames / (colored - stamps[0][1])
    info = plan.info
    return FilmFigures(info.width, info.height, frames, Times.of(each), fps, joined - colored, measured.watch.figures())


def time_decoder(film: Path) -> float:
    """Seconds a frame of reading the film alone, on all threads it takes."""
    started, frames = time.perf_counter(), 0
    for _ in Reader(probe(film)).frames():
        frames += 1
    return (time.perf_counter() - started) / frames


def time_encoder(plan: FilmPlan, folder: Path, planes: list[tuple[NDArray[Any], NDArray[Any]]], frames: int) -> float:
    """Seconds a frame of encoding the film alone, with these chroma planes round and round."""
    size = plan.info.height, plan.info.width
    lumas = [synthetic_luma(i, size) for i in range(min(frames, 16))]
    writer = SegmentWriter(plan.encoder, folder, frames)
    started = time.perf_counter()
    for i in range(frames):
        writer.write((lumas[i % len(lumas)], *planes[i % len(planes)]), i, 1)
    writer.close()
    return (time.perf_counter() - started) / frames
