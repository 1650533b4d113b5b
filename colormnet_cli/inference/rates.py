"""Measures how many operations a second a device attains: in a plain convolution, and in a matrix product."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .device import DTYPES

__all__ = ["convolution_rate", "product_rate"]

_SLOW = 3.0  # seconds of one call, after which it is not repeated


def convolution_rate(device: torch.device, precision: str, size: tuple[int, int] = (70, 112)) -> float:
    """Operations a second of a 3×3 convolution of 256 channels on a map of `size` (H, W), in channels_last."""
    dtype = DTYPES[precision]
    x = torch.randn(1, 256, *size, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=precision != "fp32"):  # as the Colorizer
        seconds = _shortest_time(lambda: F.conv2d(x, weight, padding=1))
    return 2 * math.prod(size) * weight.numel() / seconds


def product_rate(device: torch.device, precision: str) -> float:
    """Operations a second of a product of two large square matrices."""
    side = 8192 if device.type == "cuda" else 2048
    matrix = torch.randn(side, side, device=device, dtype=DTYPES[precision])
    return 2 * side**3 / _shortest_time(lambda: matrix @ matrix)


@torch.inference_mode()
def _shortest_time(work: Callable[[], Tensor]) -> float:
    """Seconds of one call: the shortest of several runs, each of them long enough to be timed."""

    def seconds(calls: int) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            out = work()
        float(out.flatten()[0])  # waits for the device
        return (time.perf_counter() - began) / calls

    seconds(1)  # warms up: cuDNN chooses an algorithm
    once = seconds(1)
    if once > _SLOW:  # the processor does not have this precision
        return once
    return min(once, *(seconds(math.ceil(0.02 / once)) for _ in range(3)))
