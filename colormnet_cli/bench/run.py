"""The whole benchmark: what is measured, and in which order."""

from __future__ import annotations

import math
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from ..color.chroma import working_size
from ..film.receipt import versions
from ..inference.colorizer import Colorizer
from ..inference.cost import frame_cost, measure_product_rate, measure_rate
from ..inference.device import default_lookahead, describe_device, resolve_device, resolve_precision
from ..inference.memory import MemoryConfig
from ..networks.colormnet import ColorMNet
from .figures import (
    STAGES,
    AreaScaling,
    BenchResult,
    FilmFigures,
    LengthScaling,
    MemoryFill,
    NetworkFigures,
    Rates,
)
from .film import make_film, time_decoder, time_encoder, time_film
from .network import StageTimes, time_network, time_stages
from .scaling import scale_area, scale_length
from .settings import BenchSettings
from .synthetic_film import fill_memory, prepare, synthetic_exemplar, synthetic_lightness

__all__ = ["bench"]

_POOL = 16  # made-up frames on the device that take turns, at least
_YARDSTICK = (140, 224)  # rows and columns of the convolution that everything is compared with


def bench(
    model: ColorMNet,
    settings: BenchSettings | None = None,
    *,
    memory: MemoryConfig | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    name: str = "colormnet",
    weights: str = "random",
    notice: Callable[[str], None] = lambda _: None,
) -> BenchResult:
    """Measure a network on made-up frames.

    Args:
        model: with any weights; random ones take as long.
        name, weights: what the result says of it.
        notice: called with what is being measured.
    """
    settings, memory = settings or BenchSettings(), memory or MemoryConfig()
    chosen = resolve_device(device)
    run = _Bench(model, settings, memory, chosen, resolve_precision(precision, chosen), notice)
    before = run.rates()
    network, fill, stages = run.network()
    after = run.rates()
    rates = Rates(max(before.convolution, after.convolution), max(before.product, after.product))
    film, beside = run.film(stages)
    slowness = network.times.mean / (network.gflop * 1e9)
    return BenchResult(
        versions=versions(),
        device=describe_device(chosen),
        processor=_processor(),
        threads=torch.get_num_threads(),
        precision=run.precision,
        model=name,
        weights=weights,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        width=run.size[1],
        height=run.size[0],
        memory_settings=asdict(memory),
        fill=fill,
        rates=rates,
        network=network,
        ratio=slowness * rates.convolution,
        ratio_to_product=slowness * rates.product,
        stages=_in_order({**stages.seconds, **beside}) if stages else None,
        film=film,
        area=run.area() if settings.scaling else None,
        length=run.length() if settings.scaling else None,
    )


class _Bench:
    """What the parts of a benchmark share."""

    def __init__(
        self,
        model: ColorMNet,
        settings: BenchSettings,
        memory: MemoryConfig,
        device: torch.device,
        precision: str,
        notice: Callable[[str], None],
    ) -> None:
        self.model, self.settings, self.memory, self.notice = model, settings, memory, notice
        self.device, self.precision = device, precision
        self.size = working_size(settings.film_size, min(settings.size)) if settings.film else settings.size
        self.batch = settings.lookahead or default_lookahead(device)
        self.frames = settings.rounded_frames(device.type, memory, self.batch)
        self.rounds = 2 if device.type == "cuda" else 1  # to warm up: what is asked for twice is recorded, see replay

    def rates(self) -> Rates:
        self.notice("Measuring what the device reaches")
        return Rates(
            measure_rate(self.device, self.precision, _YARDSTICK), measure_product_rate(self.device, self.precision)
        )

    def network(self) -> tuple[NetworkFigures, MemoryFill, StageTimes | None]:
        """The network, and its stages where they were asked for: each begins with a full memory."""
        film, size, batch = self.settings.film_size, self.size, self.batch
        self.notice("Filling the memory")
        colorizer = Colorizer(self.model, self.memory, self.device, self.precision)
        colorizer.set_exemplar(synthetic_exemplar(film, size))
        pool = synthetic_lightness(range(batch * math.ceil(_POOL / batch)), film, size, self.device)
        fill = prepare(colorizer, pool[0])
        self.notice("Counting operations")
        cost = frame_cost(self.model.config, size, self.memory, precision=self.precision)
        self.notice("Warming up")
        time_network(colorizer, pool, self.rounds * math.lcm(self.memory.gamma, batch), batch)
        fill_memory(colorizer)
        self.notice("Measuring the network")
        found = time_network(colorizer, pool, self.frames, batch)
        stages = None
        if self.settings.stage_times:
            self.notice("Measuring the stages")
            fill_memory(colorizer)
            stages = time_stages(colorizer, film, size, self.frames, batch)
        figures = NetworkFigures(
            self.frames, batch, found.times, found.times.fps, cost.operations / 1e9, cost.plain / 1e9, found.memory
        )
        return figures, fill, stages

    def film(self, stages: StageTimes | None) -> tuple[FilmFigures | None, dict[str, float]]:
        """End to end; and decoder and encoder on their own, beside the stages."""
        if not self.settings.end_to_end:
            return None, {}
        warm = self.batch * math.ceil(self.rounds * self.memory.gamma / self.batch)
        with tempfile.TemporaryDirectory(prefix="colormnet-bench-") as name:
            folder = Path(name)
            self.notice("Making up a film")
            plan = make_film(folder, warm + self.frames, self.settings.film_size, self.size, self.batch)
            beside = {}
            if stages:
                self.notice("Measuring decoder and encoder")
                encode = time_encoder(plan, folder, stages.planes, self.frames)
                beside = {"decode": time_decoder(plan.info.path), "encode": encode}
            self.notice("Measuring from end to end")
            film = time_film(plan, self.model, self.memory, self.device, self.precision, warm=warm)
        return film, beside

    def area(self) -> AreaScaling:
        self.notice("Measuring time against area")
        return scale_area(self.model, self.memory, self.device, self.precision)

    def length(self) -> LengthScaling:
        self.notice("Measuring a long film")
        return scale_length(self.memory, self.device, self.precision)


def _in_order(stages: dict[str, float]) -> dict[str, float]:
    return {stage: stages[stage] for stage in STAGES if stage in stages}


def _processor() -> str:
    """The CPU's name; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
