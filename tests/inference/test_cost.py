"""The forecast of memory and time, against what really happens."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import colormnet_cli as cm
from colormnet_cli.inference import cost as estimate
from colormnet_cli.inference.cost import _Holding, fitting_size, frame_cost
from support.networks import small_config


def test_operations_and_memory_are_those_of_a_real_run(small_model):
    """A forecast that drifts away from the program would send people to sizes that do not fit."""
    memory = cm.MemoryConfig(gamma=2, n_s=3, n_e=1, m=8, long_term=64)
    size = (64, 96)
    L = torch.rand(1, *size) * 100
    colorizer = cm.Colorizer(small_model, memory)
    with _Holding() as holding, torch.inference_mode():
        colorizer.set_exemplar(torch.rand(3, *size) * 60)
        for _ in range(5):
            colorizer.step(L)
        with FlopCounterMode(display=False) as count:
            for _ in range(memory.gamma):
                colorizer.step(L)
    cost = frame_cost(small_config(), size, memory)
    weights = sum(tensor.nbytes for tensor in small_model.state_dict().values())
    assert cost.operations == pytest.approx(count.get_total_flops() / memory.gamma, rel=0.1)
    assert cost.memory - weights == pytest.approx(holding.peak, rel=0.25)


def test_the_published_network_costs_what_was_counted():
    """1,036 GFLOP a frame were counted for 480p, those of a remembered frame apart (209, every fifth)."""
    cost = frame_cost(cm.ColorMNetConfig(), (480, 854))
    assert 0.8e12 < cost.operations < 1.4e12
    assert cost.memory > 4 * 123.6e6


def test_half_precision_takes_less():
    """Otherwise --precision would be no way out of an out-of-memory error."""
    config = cm.ColorMNetConfig()
    assert frame_cost(config, (240, 320), precision="fp16").memory < 0.7 * frame_cost(config, (240, 320)).memory


def test_the_size_that_fits_fits():
    """What the sentence says must be smaller than what failed, and cost less than there is."""
    config = small_config()
    budget = frame_cost(config, (144, 256)).memory
    size = fitting_size(config, (192, 341), budget)
    assert size is not None
    assert size < 144
    assert frame_cost(config, (size, size * 16 // 9)).memory < budget


@pytest.mark.parametrize(
    ("failed", "budget", "fits"),
    [
        ((1080, 1920), None, 960),  # the device does not tell: well below what failed
        ((1080, 1920), 600_000, 480),  # 576 × 1024 would fit too, but without a margin
        ((1920, 1080), 600_000, 480),
        ((1080, 1920), 9_000_000, 960),  # it failed, whatever the estimate says
        ((480, 640), 1000, None),
        ((64, 64), None, None),
    ],
)
def test_the_search_for_it(monkeypatch, failed, budget, fits):
    """With a byte a pixel, so that the answers can be worked out by hand."""
    monkeypatch.setattr(estimate, "frame_cost", lambda _, size, *a, **k: estimate.Cost(size[0] * size[1], 1.0, 1.0))
    assert fitting_size(small_config(), failed, budget) == fits
