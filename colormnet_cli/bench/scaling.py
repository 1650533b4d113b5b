"""How cost grows: with the picture's area, and along a film."""

from __future__ import annotations

import math
import statistics
import time
from itertools import pairwise

import torch
from torch import Tensor

from ..inference.colorizer import Colorizer
from ..inference.memory import MemoryConfig
from ..networks.colormnet import ColorMNet, ColorMNetConfig
from .clock import Clock, MemoryWatch, StageClock
from .figures import AreaPoint, AreaScaling, LengthScaling
from .network import watch_parts
from .settings import parse_frame_size
from .synthetic_film import prepare, synthetic_exemplar, synthetic_lightness

__all__ = ["AREA_SIZES", "SMALL_NETWORK", "filled_colorizer", "scale_area", "scale_length"]

AREA_SIZES = tuple(parse_frame_size(name) for name in ("240p", "360p", "480p", "720p", "1080p"))
_ENOUGH = 3.0  # seconds of one size, or …
_MOST_ROUNDS = 10  # … rounds of γ frames
_EARLY = 50  # from this frame on a long film is taken to run evenly

# Not a model for colours: every part is there, and a frame takes milliseconds.
SMALL_NETWORK = ColorMNetConfig(
    trunk_block="basic", trunk_stem=8, trunk_widths=(16, 24, 32), trunk_depths=(1, 1, 1), vit_patch=16, vit_dim=32,
    vit_depth=2, vit_heads=2, vit_grid=8, vit_taken=(0, 1), fusion_heads=2, key_dim=16, value_dim=32, value_stem=8,
    value_widths=(8, 16, 24), value_depths=(1, 1, 1), hidden_dim=8, local_radius=3, decoder_widths=(32, 24, 16),
    update_dim=16, gate_reduction=4,
)  # fmt: skip


def filled_colorizer(
    model: ColorMNet, memory: MemoryConfig, device: torch.device, precision: str, size: tuple[int, int], frames: int
) -> tuple[Colorizer, Tensor]:
    """A film that has begun, its memory full; and so many frames of it on the device, [frames, 1, h, w]."""
    colorizer = Colorizer(model, memory, device, precision)
    colorizer.set_exemplar(synthetic_exemplar(size, size))
    pool = synthetic_lightness(range(frames), size, size, device)
    prepare(colorizer, pool[0])
    return colorizer, pool


def scale_area(
    model: ColorMNet,
    memory: MemoryConfig,
    device: torch.device,
    precision: str,
    sizes: tuple[tuple[int, int], ...] = AREA_SIZES,
) -> AreaScaling:
    """Time a frame at each size, smallest first, one frame at a time."""
    points = tuple(_point(model, memory, device, precision, size) for size in sizes)
    first, last = points[0], points[-1]
    areas = [math.log(point.area) for point in points]
    growth = last.area / first.area
    return AreaScaling(
        points,
        ratio=last.rest / first.rest / growth,
        ratio_with_attention=last.seconds / first.seconds / growth,
        exponent=statistics.linear_regression(areas, [math.log(point.rest) for point in points]).slope,
    )


def _point(
    model: ColorMNet, memory: MemoryConfig, device: torch.device, precision: str, size: tuple[int, int]
) -> AreaPoint:
    """The quickest of several rounds of γ frames, so that what else the machine does counts little."""
    colorizer, pool = filled_colorizer(model, memory, device, precision, size, memory.gamma)
    rounds: list[dict[str, float]] = []
    with StageClock(Clock(device)) as stages:
        stages.watch("steps", colorizer, "steps")
        watch_parts(stages, colorizer)
        colorizer.step(pool[0])
        began = time.perf_counter()
        while not rounds or (time.perf_counter() - began < _ENOUGH and len(rounds) < _MOST_ROUNDS):
            stages.forget()
            for L in pool:
                colorizer.step(L)
            rounds.append(stages.seconds())
    best = {stage: took / len(pool) for stage, took in min(rounds, key=lambda r: r["steps"]).items()}
    multiple = model.config.pad_multiple
    area = math.prod(-(-side // multiple) * multiple for side in size)
    return AreaPoint(size[1], size[0], area, best.pop("steps"), _attention(colorizer, area), best)


@torch.inference_mode()
def _attention(colorizer: Colorizer, area: int) -> float:
    """Seconds that the transformer's attention takes of a frame of so many pixels, padded: the quickest of three."""
    transformer, clock = colorizer.model.pvgfe.transformer, Clock(colorizer.device)
    config, dtype = colorizer.model.config, colorizer.model.dtype
    tokens = torch.randn(1, 1 + area // config.vit_patch**2, config.vit_dim, device=colorizer.device, dtype=dtype)
    marks = [clock.mark()]
    for _ in range(4):  # the first one warms up
        for block in transformer.blocks:
            block.attn(tokens)  # type: ignore[operator]
        marks.append(clock.mark())
    clock.wait()
    return min(clock.seconds(*pair) for pair in list(pairwise(marks))[1:])


def scale_length(
    memory: MemoryConfig,
    device: torch.device,
    precision: str,
    *,
    frames: int = 5000,
    size: tuple[int, int] = (64, 96),
    window: int = 100,
) -> LengthScaling:
    """One long film with a small network: median time of a window of frames, early and late; slope of the memory."""
    if frames < _EARLY + 3 * window:
        raise ValueError(f"{frames} frames are too few: {_EARLY + 3 * window} at least, for windows of {window}")
    torch.manual_seed(0)
    model = ColorMNet(SMALL_NETWORK)
    colorizer, pool = filled_colorizer(model, memory, device, precision, size, 50)
    clock, watch, marks = Clock(device), None, []
    for i in range(frames):
        if i >= _EARLY:
            watch = watch or MemoryWatch(device)
            marks.append(clock.mark())
        colorizer.step(pool[i % len(pool)])
        if watch:
            watch.sample(i)
    marks.append(clock.mark())
    clock.wait()
    assert watch is not None  # frames > _EARLY
    each = [clock.seconds(*pair) for pair in pairwise(marks)]
    medians = [statistics.median(each[i : i + window]) for i in range(0, len(each) - window + 1, window)]
    late = statistics.median(each[-window:])
    between = medians[1:-1]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return LengthScaling(
        size[1], size[0], parameters, frames, medians[0], late, late / medians[0], max(between) / min(between),
        watch.figures(),
    )  # fmt: skip
