"""A film from file to file, and its decoder and encoder on their own."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ..color.chroma import chroma_planes
from ..color.lab import lab_to_rgb
from ..film.film_run import FilmRun
from ..film.plan import FilmPlan, plan_video
from ..film.run import RunObserver
from ..inference.frame_colorizer import FrameColorizer
from ..media.image_file import to_pixels, write_png
from ..networks.state_dict import Network
from ..settings import ColorizeSettings, MemoryConfig
from ..video.encode import write_grayscale_video
from ..video.reader import Reader
from ..video.segments import SegmentWriter
from .clock import MemoryWatch
from .figures import FilmFigures, Times
from .synthetic_film import FILM_PLANES, fill_memory, synthetic_exemplar, synthetic_luma

__all__ = ["decode_seconds", "encode_seconds", "make_film", "time_film"]


def make_film(folder: Path, frames: int, film: tuple[int, int], size: tuple[int, int], batch: int) -> FilmPlan:
    """Write a synthetic film of size `film` and its exemplar to the folder, and plan to colorize it at `size`."""
    source, exemplar = folder / "film.mp4", folder / "exemplar.png"
    write_grayscale_video(source, (synthetic_luma(i, film) for i in range(frames)), film)
    write_png(exemplar, to_pixels(lab_to_rgb(synthetic_exemplar(film, size)), 8))
    settings = ColorizeSettings(size=min(size), lookahead=batch, ref_is_first=False)
    return plan_video(source, [exemplar], folder / "color.mp4", settings=settings)


class _FilmTimes(RunObserver):
    """Fills the memory before the first frame; takes the time and the memory after each batch from `begin` on."""

    def __init__(self, begin: int, device: torch.device) -> None:
        self.begin, self.watch = begin, MemoryWatch(device)
        self.stamps: list[tuple[int, float]] = []  # frames done, when

    def started(self, frames: FrameColorizer, L: Tensor) -> None:
        frames.step(L)
        fill_memory(frames.colorizer)

    def advanced(self, frames: int) -> None:
        if frames < self.begin:
            return
        if not self.stamps:
            self.watch = MemoryWatch(self.watch.device)
        self.stamps.append((frames, time.perf_counter()))
        self.watch.sample(frames)


def time_film(
    plan: FilmPlan, model: Network, memory: MemoryConfig, device: torch.device, precision: str, *, warm_up: int
) -> FilmFigures:
    """Colorize the planned film; its first `warm_up` frames are not counted."""
    observer = _FilmTimes(warm_up, device)
    run = FilmRun(plan, model, memory, device=device, precision=precision, observer=observer)
    with run.explained(), run.folder:
        run.color()
        colored = time.perf_counter()
        run.finish()
        muxed = time.perf_counter()
    (first, began), *_, (last, _) = observer.stamps
    return FilmFigures(
        width=plan.info.width,
        height=plan.info.height,
        frames=last - first,
        times=Times.of([(end - begin) / (n - m) for (m, begin), (n, end) in pairwise(observer.stamps)]),
        fps=(last - first) / (colored - began),
        mux_seconds=muxed - colored,
        memory=observer.watch.figures(),
    )


def decode_seconds(plan: FilmPlan) -> float:
    """Seconds a frame of decoding the film alone."""
    began = time.perf_counter()
    frames = sum(1 for _ in Reader(plan.info).frames())
    return (time.perf_counter() - began) / frames


def encode_seconds(plan: FilmPlan, folder: Path, frames: int) -> float:
    """Seconds a frame of encoding the film alone, in the colors of its exemplar."""
    size = plan.info.height, plan.info.width
    lab = synthetic_exemplar(size, size)
    cb, cr = (plane.numpy() for plane in chroma_planes(lab[:1], lab[1:], FILM_PLANES))
    lumas = [synthetic_luma(i, size) for i in range(min(frames, 16))]
    writer = SegmentWriter(plan.encoder, folder, frames)
    began = time.perf_counter()
    for i in range(frames):
        writer.write((lumas[i % len(lumas)], cb, cr), i, 1)
    writer.close()
    return (time.perf_counter() - began) / frames
