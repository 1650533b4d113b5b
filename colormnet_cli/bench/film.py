"""A film through the real pipeline, and its decoder and encoder on their own."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from ..color.chroma import resize
from ..color.lab import lab_to_rgb
from ..film.frame_colorizer import Painter, lightness_of
from ..film.plan import FilmPlan, plan_video
from ..film.run import FilmRun
from ..inference.memory import MemoryConfig
from ..media.image_file import to_pixels, write_png
from ..networks.colormnet import ColorMNet
from ..settings import ColorizeSettings
from ..video.encode import write_gray_film
from ..video.probe import probe
from ..video.reader import Frame, Reader
from ..video.segments import SegmentWriter
from .clock import MemoryWatch
from .figures import FilmFigures, Times
from .material import made_up_exemplar, made_up_luma, prepare

__all__ = ["make_film", "time_decoder", "time_encoder", "time_film"]


def make_film(folder: Path, frames: int, film: tuple[int, int], size: tuple[int, int], batch: int) -> FilmPlan:
    """Make up a film and its exemplar in the folder, and plan its way to colour at the working size."""
    source, picture = folder / "film.mp4", folder / "exemplar.png"
    write_gray_film(source, (made_up_luma(i, film) for i in range(frames)), film)
    write_png(picture, to_pixels(lab_to_rgb(made_up_exemplar(film, size)), 8))
    return plan_video(source, [picture], folder / "color.mp4", settings=_settings(size, batch))


def _settings(size: tuple[int, int], batch: int) -> ColorizeSettings:
    return ColorizeSettings(size=min(size), lookahead=batch, ref_is_first=False)


class _MeasuredRun(FilmRun):
    """The pipeline's own run; its memory is full from the first frame on, and its batches leave a mark."""

    def __init__(self, warm: int, *args: Any) -> None:
        super().__init__(*args)
        self.warm = warm
        self.stamps: list[tuple[int, float]] = []  # frames done, when
        self.watch: MemoryWatch | None = None

    def make_painter(self, first: Frame) -> Painter:
        painter = super().make_painter(first)
        L = lightness_of(first.luma, painter.source, torch.device("cpu"))
        prepare(painter.colorizer, resize(L, painter.size))
        return painter

    def advance(self, frames: int) -> None:
        super().advance(frames)
        if self.frames >= self.warm:
            self.watch = self.watch or MemoryWatch(self.device)
            self.stamps.append((self.frames, time.perf_counter()))
            self.watch.sample(self.frames)


def time_film(
    plan: FilmPlan,
    model: ColorMNet,
    memory: MemoryConfig,
    device: torch.device,
    precision: str,
    *,
    warm: int,
    batch: int,
) -> FilmFigures:
    """Colour the planned film; its first `warm` frames are not counted."""
    run = _MeasuredRun(warm, plan, model, _settings(plan.working_size, batch), memory, device, precision, None)
    with run.sentences(), run.folder:
        run.color()
        colored = time.perf_counter()
        run.join()
        joined = time.perf_counter()
    if run.watch is None or len(run.stamps) < 2:
        raise ValueError(f"a film of {run.frames} frames is too short to be measured behind {warm}")
    each = [(end - begin) / (after - before) for (before, begin), (after, end) in pairwise(run.stamps)]
    frames = run.stamps[-1][0] - run.stamps[0][0]
    fps = frames / (colored - run.stamps[0][1])
    info = plan.info
    return FilmFigures(info.width, info.height, frames, Times.of(each), fps, joined - colored, run.watch.figures())


def time_decoder(film: Path) -> float:
    """Seconds a frame of reading the film alone, on all threads it takes."""
    started, frames = time.perf_counter(), 0
    for _ in Reader(probe(film)).frames():
        frames += 1
    return (time.perf_counter() - started) / frames


def time_encoder(plan: FilmPlan, folder: Path, planes: list[tuple[NDArray[Any], NDArray[Any]]], frames: int) -> float:
    """Seconds a frame of encoding the film alone, with these chroma planes round and round."""
    size = plan.info.height, plan.info.width
    lumas = [made_up_luma(i, size) for i in range(min(frames, 16))]
    writer = SegmentWriter(plan.encoder, folder, frames)
    started = time.perf_counter()
    for i in range(frames):
        writer.write((lumas[i % len(lumas)], *planes[i % len(planes)]), i, 1)
    writer.close()
    return (time.perf_counter() - started) / frames
