"""What a device attains."""

from __future__ import annotations

import pytest
import torch

from colormnet_cli.inference import rates
from colormnet_cli.inference.rates import convolution_rate, product_rate

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("rate", [lambda: convolution_rate(CPU, "fp32"), lambda: product_rate(CPU, "fp32")])
def test_rates_are_operations_a_second(rate):
    """Fails where a forecast is wrong by orders of magnitude."""
    assert 1e8 < rate() < 1e14


def test_the_shortest_time_counts(monkeypatch):
    """Fails where a warm-up, or a moment in which the machine did something else, is reported as the device's speed."""
    now, durations = [0.0], iter([0.2, 0.1, 0.1, 0.03, 0.1])
    monkeypatch.setattr(rates.time, "perf_counter", lambda: now[0])

    def work():
        now[0] += next(durations)
        return torch.zeros(1)

    assert rates._shortest_time(work) == pytest.approx(0.03)
