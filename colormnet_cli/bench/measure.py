"""The benchmark: what is measured, and in which order."""

from __future__ import annotations

import math
import platform
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..color.planes import working_size
from ..film.receipt import versions
from ..film.transfer import download_chroma, upload_luma
from ..inference.colorizer import Colorizer
from ..inference.cost import frame_cost
from ..inference.device import default_lookahead, describe_device, resolve_device, resolve_precision
from ..inference.engine import engine_of
from ..inference.frame_colorizer import FrameColorizer
from ..inference.rates import convolution_rate, product_rate
from ..networks.state_dict import Network
from ..settings import MemoryConfig
from .bench_settings import BenchSettings
from .clock import Clock, MemoryWatch, StageClock, TimedMethods
from .figures import STAGES, BenchResult, MemoryFigures, NetworkFigures, Rates, Times
from .film import decode_seconds, encode_seconds, make_film, time_film
from .synthetic_film import FILM_PLANES, fill_memory, start_film, synthetic_luma

__all__ = ["bench"]

_POOL = 16  # different frames that are used in turn, at least
_CONVOLUTION = (140, 224)  # rows and columns of the convolution that everything is compared with


def bench(
    model: Network,
    settings: BenchSettings | None = None,
    *,
    memory: MemoryConfig | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    name: str = "colormnet",
    weights: str = "random",
    notice: Callable[[str], None] = lambda _: None,
) -> BenchResult:
    """Measure a network on synthetic frames.

    Args:
        model: with any weights; random ones take as long.
        name, weights: repeated in the result.
        notice: called with what is being measured.
    """
    settings = settings or BenchSettings()
    memory = (memory or MemoryConfig()).completed(engine_of(model).own_memory)
    chosen = resolve_device(device)
    precision, film = resolve_precision(precision, chosen), settings.film_size
    size = working_size(settings.film or settings.size, min(settings.size), engine_of(model).side_multiple)
    batch = settings.lookahead or default_lookahead(chosen)
    frames = settings.rounded_frames(chosen.type, memory, batch)
    # On CUDA two rounds: what is called for the second time is captured as a graph
    warm_up = math.lcm(memory.gamma, batch) * (2 if chosen.type == "cuda" else 1)

    notice("Measuring what the device attains")
    rates = [_rates(chosen, precision)]
    notice("Counting operations")
    cost = frame_cost(model, size, memory, device=chosen, precision=precision)
    notice("Filling the memory")
    colorizer = Colorizer(model, memory, chosen, precision)
    pool, fill = start_film(colorizer, film, size, batch * math.ceil(_POOL / batch))
    notice("Warming up")
    _time_network(colorizer, pool, warm_up, batch)
    notice("Measuring the network")
    fill_memory(colorizer)
    times, used = _time_network(colorizer, pool, frames, batch)
    rates.append(_rates(chosen, precision))
    stages, film_figures = None, None
    if settings.stage_times:
        notice("Measuring the stages")
        fill_memory(colorizer)
        stages = _stage_seconds(colorizer, film, size, frames, batch)
    del colorizer, pool
    if settings.end_to_end:
        with tempfile.TemporaryDirectory(prefix="colormnet-bench-") as folder:
            notice("Writing a synthetic film")
            plan = make_film(Path(folder), warm_up + frames, film, size, batch)
            if stages is not None:
                notice("Measuring decoder and encoder")
                stages["decode"], stages["encode"] = decode_seconds(plan), encode_seconds(plan, Path(folder), frames)
            notice("Measuring from file to file")
            film_figures = time_film(plan, model, memory, chosen, precision, warm_up=warm_up)

    convolution, product = max(rate.convolution for rate in rates), max(rate.product for rate in rates)
    return BenchResult(
        versions=versions(),
        device=describe_device(chosen),
        processor=_processor(),
        threads=torch.get_num_threads(),
        precision=precision,
        model=name,
        weights=weights,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        width=size[1],
        height=size[0],
        memory_settings=asdict(memory),
        fill=fill,
        rates=Rates(convolution, product),
        network=NetworkFigures(frames, batch, times, 1 / times.mean, cost.operations / 1e9, cost.plain / 1e9, used),
        ratio=times.mean / (cost.operations / convolution),
        ratio_to_product=times.mean / (cost.operations / product),
        stages=stages and {stage: stages[stage] for stage in STAGES if stage in stages},
        film=film_figures,
    )


def _rates(device: torch.device, precision: str) -> Rates:
    return Rates(convolution_rate(device, precision, _CONVOLUTION), product_rate(device, precision))


def _time_network(colorizer: Colorizer, pool: Tensor, frames: int, batch: int) -> tuple[Times, MemoryFigures]:
    """Lightness in, ab out, nothing in between touched. pool: [P, 1, h, w], on the device, used in turn."""
    clock, watch = Clock(colorizer.device), MemoryWatch(colorizer.device)
    marks = [clock.mark()]
    for done in range(0, frames, batch):
        first = done % len(pool)
        colorizer.steps(pool[first : first + batch])
        marks.append(clock.mark())
        watch.sample(done + batch)
    return Times.of([seconds / batch for seconds in clock.seconds(marks)]), watch.figures()


def _stage_seconds(
    colorizer: Colorizer, film: tuple[int, int], size: tuple[int, int], frames: int, batch: int
) -> dict[str, float]:
    """Seconds a frame of each stage between decoder and encoder. The Colorizer is timed from then on: its last use."""
    lumas = [[synthetic_luma(i + k, film) for k in range(batch)] for i in range(0, _POOL, batch)]
    full_size = FrameColorizer(colorizer, size=min(size))

    def colorize(number: int) -> None:
        Ls = [upload_luma(luma, FILM_PLANES, colorizer.device) for luma in lumas[number % len(lumas)]]
        download_chroma(Ls, full_size.steps(Ls), FILM_PLANES)

    colorize(0)  # warms up
    clock = time_methods(colorizer)
    full_size.colorizer = cast(Any, TimedMethods(colorizer, clock, {"steps": "network"}))
    for number in range(frames // batch):
        with clock.stage("frame"):
            colorize(number)
    seconds = {stage: total / frames for stage, total in clock.seconds().items()}
    frame, network = seconds.pop("frame"), seconds.pop("network")
    return {**seconds, "other": network - sum(seconds.values()), "color": frame - network}


def time_methods(colorizer: Colorizer) -> StageClock:
    """Times the network and the memory of a Colorizer that has begun its film, from now on."""
    clock = StageClock(colorizer.device)
    colorizer.engine.time_stages(lambda part, stages: TimedMethods(part, clock, stages))
    return clock


def _processor() -> str:
    """The CPU's name; the architecture where the system does not say."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
