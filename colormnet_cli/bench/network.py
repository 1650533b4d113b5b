"""The network on its own, and what of it takes how long."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from ..film.transfer import ChromaPlanes, download_chroma, upload_luma
from ..inference.colorizer import Colorizer
from ..inference.frame_colorizer import FrameColorizer
from .clock import Clock, MemoryWatch, StageClock
from .figures import MemoryFigures, Times
from .synthetic_film import FILM_PLANES, synthetic_luma

__all__ = ["NetworkTimes", "StageTimes", "time_network", "time_stages", "watch_parts"]


@dataclass(frozen=True)
class NetworkTimes:
    """Of a run of frames."""

    times: Times
    memory: MemoryFigures


@dataclass(frozen=True)
class StageTimes:
    """Seconds a frame, by stage; and the planes of the last batch, for an encoder."""

    seconds: dict[str, float]
    planes: list[tuple[NDArray[Any], NDArray[Any]]]


def time_network(colorizer: Colorizer, pool: Tensor, frames: int, batch: int) -> NetworkTimes:
    """Lightness in, ab out, nothing in between touched. pool: [P, 1, h, w], on the device, taken round and round."""
    clock, memory = Clock(colorizer.device), MemoryWatch(colorizer.device)
    clock.wait()
    marks = [clock.mark()]
    for i in range(frames // batch):
        colorizer.steps(_batch(pool, i, batch))
        marks.append(clock.mark())
        memory.sample((i + 1) * batch)
    clock.wait()
    each = [clock.seconds(*pair) / batch for pair in pairwise(marks)]
    return NetworkTimes(Times.of(each), memory.figures())


def _batch(pool: Tensor, i: int, batch: int) -> Tensor:
    begin = i * batch % len(pool)
    return pool[begin : begin + batch]


def watch_parts(stages: StageClock, colorizer: Colorizer) -> None:
    """Time the parts of a step, from outside."""
    net, bank = colorizer.net, colorizer.bank
    stages.watch("features", net, "features", "key")
    stages.watch("read", bank, "read")
    stages.watch("la", net, "local")
    stages.watch("decoder", net, "finer", "decode")
    stages.watch("remember", net, "value", "deep_update")
    stages.watch("remember", bank, "remember")


def time_stages(
    colorizer: Colorizer, film: tuple[int, int], size: tuple[int, int], frames: int, batch: int
) -> StageTimes:
    """What the parts of a frame take between decoder and encoder: the network's, and colour at the film's size."""
    frame_colorizer = FrameColorizer(colorizer, size=min(size))

    def paint(lumas: list[NDArray[Any]]) -> ChromaPlanes:
        with stages.span("paint"):
            Ls = [upload_luma(luma, FILM_PLANES, colorizer.device) for luma in lumas]
            return download_chroma(Ls, frame_colorizer.steps(Ls), FILM_PLANES)

    numbers = range(0, frames, batch)
    lumas = [[synthetic_luma(i + k, film) for k in range(batch)] for i in range(0, min(frames, 8 * batch), batch)]
    with StageClock(Clock(colorizer.device)) as stages:
        stages.watch("steps", colorizer, "steps")
        watch_parts(stages, colorizer)
        paint(lumas[0]).numpy()
        stages.forget()
        for i in range(len(numbers)):
            planes = paint(lumas[i % len(lumas)])
        found = {stage: seconds / frames for stage, seconds in stages.seconds().items()}
    whole, steps = found.pop("paint"), found.pop("steps")
    return StageTimes({**found, "other": steps - sum(found.values()), "colour": whole - steps}, planes.numpy())
