"""The network alone: its kernels, and films of two sizes one after the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile

import colormnet_cli as cm
from colormnet_cli.bench.synthetic_film import start_film, synthetic_exemplar, synthetic_lightness
from colormnet_cli.inference.device import resolve_precision

from .setup import Setup

_TOP = 40  # kernels
_LIMIT = 0.1  # Lab units, mean: fp16's tolerance in docs/gpu.md


def profile(setup: Setup) -> dict[str, Any]:
    """The kernels that take most of a frame's time, with a full memory."""
    size, batches = ((32, 48), 4) if setup.tiny else ((536, 960), 20)
    colorizer = _colorizer(setup)
    ahead = 2
    pool, _ = start_film(colorizer, size, size, ahead * 5)
    for part in pool.split(ahead) * 2:  # what is called for the second time is captured
        colorizer.steps(part)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if setup.on_cuda else [])]
    with torch_profile(activities=activities) as found:
        for i in range(batches):
            colorizer.steps(pool.split(ahead)[i % 5])
        if setup.on_cuda:
            torch.cuda.synchronize(setup.device)
    frames, kind = ahead * batches, DeviceType.CUDA if setup.on_cuda else DeviceType.CPU
    rows = []
    for event in found.key_averages():
        took = event.self_device_time_total if setup.on_cuda else event.self_cpu_time_total
        if event.device_type == kind and took:
            rows.append({"kernel": event.key[:160], "us": took / frames, "calls": event.count / frames})
    rows.sort(key=lambda row: -row["us"])
    total = sum(row["us"] for row in rows)
    return {
        "frames": frames, "kernels": len(rows), "calls": sum(row["calls"] for row in rows), "ms": total / 1000,
        "first": rows[0]["kernel"], "top": rows[:_TOP], "rest_us": sum(row["us"] for row in rows[_TOP:]),
    }  # fmt: skip


def sizes(setup: Setup) -> dict[str, Any]:
    """One Colorizer on films of two sizes by turns: the colors of a new one, and memory that does not grow."""
    both = [(32, 48), (48, 32)] if setup.tiny else [(480, 854), (360, 480)]
    frames = 6 if setup.tiny else 20
    expected = [_clip(_colorizer(setup), size, frames) for size in both]
    colorizer, held, worst = _colorizer(setup), [], 0.0
    for _ in range(3):
        for size, fresh in zip(both, expected, strict=True):
            colorizer.reset()
            worst = max(worst, float((_clip(colorizer, size, frames) - fresh).abs().mean()))
        held.append(torch.cuda.memory_reserved(setup.device) if setup.on_cuda else 0)
    problems = {
        f"the mean difference is {worst:.3g} Lab units": not worst <= _LIMIT,
        "memory grows": held[-1] > 1.02 * held[-2],  # the first round also warms up
    }
    failed = "; ".join(problem for problem, true in problems.items() if true)
    return {"difference": worst, "reserved": held[-1], "reserved_by_round": held, "failed": failed}


def _colorizer(setup: Setup) -> cm.Colorizer:
    return cm.Colorizer(setup.model(), None, setup.device, resolve_precision("auto", setup.device))


def _clip(colorizer: cm.Colorizer, size: tuple[int, int], frames: int) -> Tensor:
    colorizer.set_exemplar(synthetic_exemplar(size, size))
    return torch.stack([colorizer.step(L).cpu() for L in synthetic_lightness(range(frames), size, size, "cpu")])
