"""A film of many shots, by one worker process and by several."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from ..color.lab import lab_to_rgb
from ..film.plan import FilmPlan, plan_video
from ..media.image_file import to_pixels, write_png
from ..networks.state_dict import Network
from ..networks.weight_file import save_network
from ..settings import ColorizeSettings, ColorSource, MemoryConfig
from ..shots.detect import Boundary
from ..shots.make_plan import make_plan
from ..shots.shot import Transition
from ..video.encode import write_grayscale_video
from ..wording import many
from ..workers.choice import Workers
from ..workers.colorize import colorize_with_workers
from .synthetic_film import synthetic_exemplar, synthetic_luma

__all__ = ["WorkerFigures", "make_shots", "time_workers"]

SHOTS = 20


@dataclass(frozen=True)
class WorkerFigures:
    """Seconds from the planned film to the finished one, the start of the workers included."""

    model: str
    devices: tuple[str, ...]  # one for each worker
    width: int  # of the film, which is the working size
    height: int
    shots: int
    frames: int
    threads: int  # of the CPU, for each worker
    alone: float  # seconds with the first worker alone
    together: float  # with all of them
    identical: bool  # whether both films are the same file

    @property
    def ratio(self) -> float:
        return self.together / self.alone

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "ratio": self.ratio}, indent=2)


def make_shots(folder: Path, lengths: Sequence[int], size: tuple[int, int]) -> Path:
    """A film of shots of the given lengths in frames, all alike, and its plan with a picture for each; the film."""
    film = folder / "film.mp4"
    write_grayscale_video(film, (synthetic_luma(i, size) for frames in lengths for i in range(frames)), size)

    def cuts(_: Fraction) -> list[Boundary]:
        begins = accumulate(lengths[:-1], initial=0)
        return [Boundary(begin, Transition("cut" if begin else "start")) for begin in begins]

    plan = make_plan(film, boundaries=cuts)
    picture = to_pixels(lab_to_rgb(synthetic_exemplar(size, size)), 8)
    for number in range(1, len(lengths) + 1):
        write_png(plan.folder / "colored" / f"{number:04}.png", picture)
    return film


def time_workers(
    folder: Path,
    network: Network,
    *,
    devices: Sequence[str],
    size: tuple[int, int],
    frames: int,
    threads: int = 1,
    memory: MemoryConfig | None = None,
    precision: str = "auto",
    name: str = "",
    notice: Callable[[str], None] = lambda _: None,
) -> WorkerFigures:
    """Color a synthetic film of many shots twice: with one worker, and with several.

    Args:
        folder: for the films and the weights, which are deleted by whoever made it.
        frames: of each shot.
        devices: one for each worker.
        threads: CPU threads of each worker.
    """
    notice("Writing a synthetic film")
    film, weights = make_shots(folder, [frames] * SHOTS, size), folder / "weights.pt"
    save_network(network, weights)

    def planned(output: str) -> FilmPlan:
        settings = ColorizeSettings(size=min(size), threads=threads, overwrite=True)
        return plan_video(film, ColorSource(plan=folder / "film-plan"), folder / output, settings=settings)

    seconds = []
    for output, used in (("alone.mp4", devices[:1]), ("together.mp4", devices)):
        notice(f"Coloring {SHOTS} shots with {many(len(used), 'worker')}")
        plan, team = planned(output), Workers(devices=tuple(used))
        began = time.perf_counter()
        colorize_with_workers(plan, network, weights, team, memory=memory, precision=precision)
        seconds.append(time.perf_counter() - began)
        shutil.rmtree(folder / "film-plan" / "segments")
    same = (folder / "alone.mp4").read_bytes() == (folder / "together.mp4").read_bytes()
    (height, width), total = size, SHOTS * frames
    alone, together = seconds
    return WorkerFigures(name, tuple(devices), width, height, SHOTS, total, threads, alone, together, same)
