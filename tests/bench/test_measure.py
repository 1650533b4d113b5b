"""The benchmark's figures are figures of what is measured."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import colormnet_cli as cm
from colormnet_cli.bench import BenchResult, BenchSettings, Times, bench
from colormnet_cli.bench.figures import STAGES
from colormnet_cli.bench.synthetic_film import start_film
from colormnet_cli.inference.cost import frame_cost
from colormnet_cli.networks.colormnet import fusion, pvgfe

MEMORY = cm.MemoryConfig(n_s=6, n_e=3, m=16, long_term=300)


@pytest.fixture(scope="module")
def result(small_model: cm.ColorMNet) -> BenchResult:
    settings = BenchSettings(size=(64, 96), film=(128, 192), frames=8, stage_times=True)
    return bench(small_model, settings, memory=MEMORY, device="cpu", weights="small.pt")


@pytest.mark.slow
def test_figures_belong_together(result: BenchResult) -> None:
    """Fails where a figure is computed from the wrong others."""
    network, film = result.network, result.film
    assert film is not None
    assert (result.width, result.height, film.width, film.height) == (96, 64, 192, 128)
    assert network.frames == film.frames == 10  # eight, rounded up to whole rounds of γ
    for part in (network, film):
        assert 0 < part.times.p50 <= part.times.p95
        assert part.memory.slope is None or math.isfinite(part.memory.slope)
    assert network.fps == pytest.approx(1 / network.times.mean)
    assert film.fps <= 1.001 / film.times.mean  # the encoder's last frames come on top
    assert result.ratio == pytest.approx(network.times.mean / (network.gflop * 1e9 / result.rates.convolution))
    assert result.ratio_to_product == pytest.approx(network.times.mean / (network.gflop * 1e9 / result.rates.product))
    assert 1e8 < result.rates.product < 1e14


@pytest.mark.slow
def test_stages_add_up_to_the_step(result: BenchResult) -> None:
    """Fails where a part of a frame is not timed, or twice."""
    stages = dict(result.stages or {})
    assert list(stages) == list(STAGES)
    assert all(seconds > 0 for seconds in stages.values()), stages
    step = sum(stages[stage] for stage in stages if stage not in ("decode", "color", "encode"))
    assert stages["other"] < 0.5 * step
    assert 0.3 < step / result.network.times.mean < 3  # measured one after the other, on a machine that is shared


@pytest.mark.slow
def test_json_has_every_figure(result: BenchResult) -> None:
    """Programs read it: a figure that is not there, or is not a number, breaks them."""
    found = json.loads(result.to_json())

    def check(value: object, shown: object) -> None:
        if is_dataclass(value):
            assert isinstance(shown, dict)
            assert list(shown) == [field.name for field in fields(value)]
            for name, inner in shown.items():
                check(getattr(value, name), inner)
        else:
            assert shown == value

    check(result, found)
    assert found["fill"] == {"long_term": 300, "exemplars": 24, "recent": 96, "bound": 300 + 24 + 96}


def test_measuring_changes_no_color(small_model: cm.ColorMNet) -> None:
    """Fails where what is timed is not what colorizes a film."""
    from colormnet_cli.bench.measure import time_methods

    plain, timed = (cm.Colorizer(small_model, MEMORY) for _ in range(2))
    (pool, _), _ = (start_film(colorizer, (64, 96), (64, 96), 4) for colorizer in (plain, timed))
    clock = time_methods(timed)
    assert torch.equal(timed.steps(pool), plain.steps(pool))
    assert clock.seconds().keys() == {"features", "read", "la", "decoder"}  # none of the four was remembered


def test_quantiles() -> None:
    """p95 of a hundred frames is what all but five stay below."""
    times = Times.of([i / 100 for i in range(101)])
    assert (times.mean, times.p50, times.p95) == pytest.approx((0.5, 0.5, 0.95))
    assert Times.of([2.0]) == Times(2, 2, 2)


def full_network_gflop() -> float:
    """A frame that is not remembered, 560×896, memory full."""
    return frame_cost(cm.ColorMNet(), (560, 896)).plain / 1e9


@pytest.mark.slow
def test_the_full_network_costs_no_more_than_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where one of the exact shortcuts is lost; the plain way through two of them is counted beside it."""
    assert 900 < full_network_gflop() <= 1020

    def plain(x: torch.Tensor, conv: torch.nn.Conv2d, factor: int, *, bias: bool = True) -> torch.Tensor:
        large = torch.nn.functional.interpolate(x, scale_factor=factor, mode="bilinear")
        return torch.nn.functional.conv2d(large, conv.weight, conv.bias if bias else None, padding=1)

    for module in (pvgfe, fusion):
        monkeypatch.setattr(module, "conv3x3_of_upsampled", plain)
    assert full_network_gflop() > 1020 + 200  # 222 → 14 and 111 → 28, at least


@pytest.mark.slow
def test_operations_are_those_of_real_steps(small_model: cm.ColorMNet) -> None:
    """Fails where GFLOP a frame is not what a round of real frames costs, whatever the look-ahead."""
    expected = frame_cost(small_model, (32, 48), MEMORY).operations
    for batch in (1, 2):
        colorizer = cm.Colorizer(small_model, MEMORY)
        pool, _ = start_film(colorizer, (32, 48), (32, 48), 10)
        with FlopCounterMode(display=False) as counter:
            for frames in pool.split(batch):
                colorizer.steps(frames)
        assert counter.get_total_flops() / 10 == pytest.approx(expected, rel=0.05)
