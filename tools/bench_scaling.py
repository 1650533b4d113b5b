"""How the network's time grows: with the frame's area, and along a film. Prints JSON.

    python tools/bench_scaling.py --device cuda:0 --precision fp16

Random weights, synthetic frames and a full memory; nothing is downloaded. A development script: not installed.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from colormnet_cli import Colorizer, ColorMNet, ColorMNetConfig, MemoryConfig
from colormnet_cli.bench import MemoryFigures, parse_frame_size
from colormnet_cli.bench.clock import Clock, MemoryWatch
from colormnet_cli.bench.synthetic_film import start_film
from colormnet_cli.errors import ColormnetError
from colormnet_cli.inference.device import describe_device, resolve_device, resolve_precision

AREA_SIZES = ("240p", "360p", "480p", "720p", "1080p")
ENOUGH_S = 3.0  # of one size, or …
MOST_ROUNDS = 10  # … rounds of γ frames
FIRST_FRAME = 50  # of a long film: from here on its frames take the same time
WINDOW = 100  # frames, of which the median is taken

# Not a model for colors: every part is there, and a frame takes milliseconds.
SMALL_NETWORK = ColorMNetConfig(
    trunk_block="basic", trunk_stem=8, trunk_widths=(16, 24, 32), trunk_depths=(1, 1, 1), vit_patch=16, vit_dim=32,
    vit_depth=2, vit_heads=2, vit_grid=8, vit_taken=(0, 1), fusion_heads=2, key_dim=16, value_dim=32, value_stem=8,
    value_widths=(8, 16, 24), value_depths=(1, 1, 1), hidden_dim=8, local_radius=3, decoder_widths=(32, 24, 16),
    update_dim=16, gate_reduction=4,
)  # fmt: skip


@dataclass(frozen=True)
class AreaPoint:
    """One size; seconds a frame."""

    width: int
    height: int
    area: int  # pixels that the network computes: padded
    seconds: float
    attention: float  # of it the transformer's attention, which grows with the square
    rest: float  # seconds − attention


@dataclass(frozen=True)
class AreaScaling:
    """Time against area, memory full."""

    points: tuple[AreaPoint, ...]
    ratio: float  # growth of time ÷ growth of area, smallest to largest size, without the transformer's attention
    ratio_with_attention: float
    exponent: float  # of time ~ area^exponent, without the transformer's attention


@dataclass(frozen=True)
class LengthScaling:
    """Time and memory along one long film, with a small network."""

    width: int
    height: int
    parameters: int
    frames: int
    early: float  # median seconds of the frames from number 50 on
    late: float  # of as many up to the last one
    ratio: float  # late ÷ early
    noise: float  # largest ÷ smallest such median in between: what the ratio can be by chance
    memory: MemoryFigures


def scale_area(
    model: ColorMNet,
    memory: MemoryConfig,
    device: torch.device,
    precision: str,
    sizes: Sequence[tuple[int, int]],
) -> AreaScaling:
    """Time a frame at each size (H, W), smallest first, one frame at a time."""
    points = tuple(area_point(model, memory, device, precision, size) for size in sizes)
    first, last = points[0], points[-1]
    areas = [math.log(point.area) for point in points]
    growth = last.area / first.area
    return AreaScaling(
        points,
        ratio=last.rest / first.rest / growth,
        ratio_with_attention=last.seconds / first.seconds / growth,
        exponent=statistics.linear_regression(areas, [math.log(point.rest) for point in points]).slope,
    )


def area_point(
    model: ColorMNet, memory: MemoryConfig, device: torch.device, precision: str, size: tuple[int, int]
) -> AreaPoint:
    """The fastest of several rounds of γ frames, since other work of the machine only adds to it."""
    colorizer = Colorizer(model, memory, device, precision)
    pool, _ = start_film(colorizer, size, size, memory.gamma)
    clock, rounds = Clock(device), []
    colorizer.step(pool[0])
    began = time.perf_counter()
    while not rounds or (time.perf_counter() - began < ENOUGH_S and len(rounds) < MOST_ROUNDS):
        marks = [clock.mark()]
        for L in pool:
            colorizer.step(L)
        rounds += clock.seconds([*marks, clock.mark()])
    multiple = model.config.pad_multiple
    area = math.prod(-(-side // multiple) * multiple for side in size)
    seconds, attention = min(rounds) / len(pool), attention_seconds(colorizer, area)
    return AreaPoint(size[1], size[0], area, seconds, attention, seconds - attention)


@torch.inference_mode()
def attention_seconds(colorizer: Colorizer, area: int) -> float:
    """What the transformer's attention takes of a frame of `area` pixels, padded: the fastest of three."""
    transformer, clock = colorizer.model.pvgfe.transformer, Clock(colorizer.device)
    config, dtype = colorizer.model.config, colorizer.model.dtype
    tokens = torch.randn(1, 1 + area // config.vit_patch**2, config.vit_dim, device=colorizer.device, dtype=dtype)
    marks = [clock.mark()]
    for _ in range(4):  # the first one warms up
        for block in transformer.blocks:
            block.attn(tokens)  # type: ignore[operator]
        marks.append(clock.mark())
    return min(clock.seconds(marks)[1:])


def scale_length(
    memory: MemoryConfig,
    device: torch.device,
    precision: str,
    *,
    frames: int = 5000,
    size: tuple[int, int] = (64, 96),
    window: int = WINDOW,
) -> LengthScaling:
    """One long film with a small network: median time of a window of frames, early and late; slope of the memory."""
    if frames < FIRST_FRAME + 3 * window:
        raise ValueError(f"{frames} frames are too few: {FIRST_FRAME + 3 * window} at least, for windows of {window}")
    torch.manual_seed(0)
    model = ColorMNet(SMALL_NETWORK)
    colorizer = Colorizer(model, memory, device, precision)
    pool, _ = start_film(colorizer, size, size, 50)
    for i in range(FIRST_FRAME):
        colorizer.step(pool[i % len(pool)])
    clock, watch = Clock(device), MemoryWatch(device)
    marks = [clock.mark()]
    for i in range(FIRST_FRAME, frames):
        colorizer.step(pool[i % len(pool)])
        marks.append(clock.mark())
        watch.sample(i)
    each = clock.seconds(marks)
    medians = [statistics.median(each[i : i + window]) for i in range(0, len(each) - window + 1, window)]
    late, between = statistics.median(each[-window:]), medians[1:-1]
    return LengthScaling(
        width=size[1],
        height=size[0],
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        frames=frames,
        early=medians[0],
        late=late,
        ratio=late / medians[0],
        noise=max(between) / min(between),
        memory=watch.figures(),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N, mps or cpu")
    parser.add_argument("--precision", default="auto", help="auto, fp32, fp16 or bf16")
    parser.add_argument("--sizes", nargs="+", default=AREA_SIZES, metavar="WxH|480p", help="smallest first")
    parser.add_argument("--frames", type=int, default=5000, metavar="N", help="length of the long film")
    options = parser.parse_args(arguments)
    try:
        device, sizes = resolve_device(options.device), [parse_frame_size(size) for size in options.sizes]
        precision = resolve_precision(options.precision, device)
    except ColormnetError as error:
        parser.error(str(error))
    memory = MemoryConfig()
    torch.manual_seed(0)
    area = scale_area(ColorMNet(), memory, device, precision, sizes)
    length = scale_length(memory, device, precision, frames=options.frames)
    result = {"device": describe_device(device), "precision": precision, "area": asdict(area), "length": asdict(length)}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
