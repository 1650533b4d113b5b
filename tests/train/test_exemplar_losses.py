"""Each loss of Deep Exemplar against its formula, written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from colormnet_cli.train import exemplar_losses as losses

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_smooth_l1_and_perceptual() -> None:
    """Fails where large errors count by their square, or small ones by themselves."""
    x, y = 3 * noise(2, 2, 3, 3), 3 * noise(2, 2, 3, 3, seed=1)
    d = (x - y).abs().flatten().tolist()
    assert float(losses.smooth_l1(x, y)) == pytest.approx(sum(e - 0.5 if e > 1 else e * e / 2 for e in d) / len(d))
    assert float(losses.perceptual(x, y)) == pytest.approx(sum(e * e for e in d) / len(d))


def test_contextual() -> None:
    """Fails where places are compared other than by the cosine of what deviates from the exemplar's mean."""
    x, y = noise(2, 5, 2, 3), noise(2, 5, 2, 3, seed=1)
    expected = 0.0
    for a, b in zip(x.flatten(2), y.flatten(2), strict=True):
        a, b = a - b.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
        best = []
        for i in range(6):
            d = [1 - float(a[:, i] @ b[:, j] / (a[:, i].norm() * b[:, j].norm())) for j in range(6)]
            w = [math.exp((1 - one / (min(d) + 1e-5)) / 0.1) for one in d]
            best.append(max(w) / sum(w))
        expected -= math.log(sum(best) / 6) / 2
    assert float(losses.contextual(x, y)) == pytest.approx(expected)
    same, shuffled = losses.contextual(y, y), losses.contextual(y.flip(2, 3), y)
    assert float(same) == pytest.approx(float(shuffled), abs=1e-6)  # where it is does not matter
    assert same < losses.contextual(x, y)


@pytest.mark.slow
def test_contextual_of_large_maps() -> None:
    """Fails where a map's similarities take gigabytes: at 448 pixels relu2_2 has 50,000 places."""
    x, y = noise(1, 2, 128, 128), noise(1, 2, 128, 128, seed=1)
    small = [torch.nn.functional.avg_pool2d(one, 2) for one in (x, y)]
    assert float(losses.contextual(x, y)) == pytest.approx(float(losses.contextual(*small)))


def test_smoothness() -> None:
    """Fails where color is smoothed across the edges of lightness, or a neighbor is missed."""
    ab, L = noise(1, 2, 4, 5), 10 * noise(1, 1, 4, 5, seed=1)

    def at(x: Tensor, i: int, j: int) -> Tensor:
        return x[0, :, min(max(i, 0), 3), min(max(j, 0), 4)]

    total = 0.0
    for i in range(4):
        for j in range(5):
            around = [(i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
            values = torch.stack([at(L, *p)[0] for p in around])
            variance = float(values.var(correction=0)) + 1e-2
            others = [p for p in around if p != (i, j)]
            w = [math.exp(-(float(at(L, *p)[0] - L[0, 0, i, j]) ** 2) / (2 * variance)) for p in others]
            mean = sum(one * at(ab, *p) for one, p in zip(w, others, strict=True)) / sum(w)
            total += float((ab[0, :, i, j] - mean).abs().sum())
    assert float(losses.smoothness(ab, L)) == pytest.approx(total / 40)
    edge = torch.zeros(1, 1, 8, 8)
    edge[..., 4:] = 80
    colors = edge.expand(-1, 2, -1, -1)
    assert losses.smoothness(colors, edge) < 0.5 * losses.smoothness(colors, torch.zeros_like(edge))


def test_temporal() -> None:
    """Fails where the flow is applied the other way round, or what was hidden counts."""
    before = noise(1, 2, 5, 6)
    now, flow, seen = before.roll(1, dims=3), torch.zeros(1, 2, 5, 6), torch.ones(1, 1, 5, 6)
    flow[:, 0] = -1  # each pixel was one to the left
    seen[..., 0] = 0
    assert float(losses.temporal(now, before, flow.double(), seen.double())) == pytest.approx(0, abs=1e-12)
    expected = float((now - before)[..., 1:].square().mean())
    assert float(losses.temporal(now, before, 0 * flow.double(), seen.double())) == pytest.approx(expected)
    assert float(losses.temporal(now, before, flow.double(), 0 * seen.double())) == 0


def test_adversarial() -> None:
    """Fails where the network and the discriminator want the same."""
    real, fake = noise(2, 8), noise(2, 8, seed=1)
    made = seen = 0.0
    for r, f in zip(real.tolist(), fake.tolist(), strict=True):
        mean_r, mean_f = sum(r) / 8, sum(f) / 8
        made += sum((x - mean_r - 1) ** 2 for x in f) + sum((x - mean_f + 1) ** 2 for x in r)
        seen += sum((x - mean_f - 1) ** 2 for x in r) + sum((x - mean_r + 1) ** 2 for x in f)
    assert float(losses.generator_loss(real, fake)) == pytest.approx(made / 32)
    assert float(losses.discriminator_loss(real, fake)) == pytest.approx(seen / 32)
