"""The forecast of memory and time, against what really happens."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import colormnet_cli as cm
from colormnet_cli.inference import cost as estimate
from colormnet_cli.inference.cost import _FusedAttention, _Holding, fitting_size, frame_cost
from colormnet_cli.networks.colormnet.ops import attend
from colormnet_cli.networks.preview.match import _neighborhoods
from support.networks import make_small_model


@pytest.mark.slow
def test_operations_and_memory_are_those_of_a_real_run(small_model):
    """A forecast that drifts away from the program would send people to sizes that do not fit."""
    memory = cm.MemoryConfig(gamma=2, n_s=3, n_e=1, m=8, long_term=64)
    size = (64, 96)
    L = torch.rand(1, *size) * 100
    colorizer = cm.Colorizer(small_model, memory)
    with FlopCounterMode(display=False) as count, _Holding() as holding, torch.inference_mode():
        for tensor in colorizer.model.state_dict().values():
            tensor.view_as(tensor)  # seen, and counted
        colorizer.set_exemplar(torch.rand(3, *size) * 60)
        for _ in range(5):
            colorizer.step(L)
        before = count.get_total_flops()
        for _ in range(memory.gamma):
            colorizer.step(L)
    operations = (count.get_total_flops() - before) / memory.gamma
    cost = frame_cost(make_small_model(), size, memory)
    assert cost.operations == pytest.approx(operations, rel=0.1)
    assert cost.memory == pytest.approx(holding.peak, rel=0.1)


@pytest.mark.slow
def test_the_published_network_costs_what_was_counted():
    """1,036 GFLOP a frame were counted for 480p, without those for remembering a frame (209, every fifth)."""
    cost = frame_cost(cm.ColorMNet(), (480, 854))
    assert 0.8e12 < cost.operations < 1.4e12
    assert cost.memory > 4 * 123.6e6


@pytest.mark.slow
def test_half_precision_takes_less():
    """Otherwise --precision would be no way out of an out-of-memory error."""
    model = cm.ColorMNet()
    assert frame_cost(model, (240, 320), precision="fp16").memory < 0.7 * frame_cost(model, (240, 320)).memory


@pytest.mark.parametrize("device", ["meta", "cuda:0"])
def test_attention_holds_no_similarities(device: str) -> None:
    """Four times what a GPU needs at 1080p was estimated, and a far too small --size advised."""
    with FakeTensorMode(), torch.device(device), _FusedAttention(), _Holding() as holding, torch.inference_mode():
        tokens = torch.empty(1, 2, 4096, 32)
        attend(tokens, tokens, tokens)
    assert holding.peak < 3 * tokens.nbytes < 2 * 4096**2


@pytest.mark.slow
def test_cuda_graphs_take_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A size for which there is no room with graphs must not be advised."""
    with_graphs = frame_cost(make_small_model(), (128, 192), device="cuda", precision="fp16", lookahead=2)
    monkeypatch.setenv("COLORMNET_CUDA_GRAPHS", "0")
    without = frame_cost(make_small_model(), (128, 192), device="cuda", precision="fp16", lookahead=2)
    assert 1.15 < with_graphs.memory / without.memory < 1.8
    assert with_graphs.operations == without.operations


@pytest.mark.slow
def test_an_estimate_leaves_nothing_behind() -> None:
    """The preview keeps maps by device: those of an estimate have no values, and would end the next film."""
    model = make_small_model(preview=True, detail_dim=8)
    first, second = (frame_cost(model, (32, 48), device="cuda") for _ in range(2))
    assert first == second
    assert _neighborhoods.cache_info().currsize == 0


@pytest.mark.slow
def test_the_size_that_fits_fits():
    """What the sentence says must be smaller than what failed, and cost less than there is."""
    model = make_small_model()
    budget = frame_cost(model, (144, 256)).memory
    size = fitting_size(model, (192, 341), budget)
    assert size is not None
    assert size < 144
    assert frame_cost(model, (size, size * 16 // 9)).memory < budget


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
def test_the_search_for_the_size_that_fits(monkeypatch, failed, budget, fits):
    """With a byte a pixel, so that the answers can be worked out by hand."""
    monkeypatch.setattr(estimate, "frame_cost", lambda _, size, *a, **k: estimate.Cost(size[0] * size[1], 1.0, 1.0))
    assert fitting_size(make_small_model(), failed, budget) == fits
