"""Which device and number format a run takes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from colormnet_cli.errors import DeviceError, UsageError
from colormnet_cli.inference import device as d


def test_auto_takes_the_fastest_kind(monkeypatch):
    """A GPU is used without being asked for; without one it is the CPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(d, "describe_device", str)
    assert d.resolve_device("auto") == torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert d.resolve_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert d.resolve_device("auto") == d.resolve_device("cpu") == torch.device("cpu")


def test_a_gpu_is_taken_by_its_number(monkeypatch):
    """`cuda` is the first; one beyond the last is named with how many there are."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    assert d.resolve_device("cuda") == torch.device("cuda:0")
    assert d.resolve_device(torch.device("cuda:1")) == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="There is no device cuda:2: there are 2, counted from cuda:0"):
        d.resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "auto"])
def test_cuda_is_initialized_before_its_memory_is_asked_for(name):
    """`--device cuda` ended in "Invalid device argument": peak memory was reset before CUDA was initialized."""
    code = f"""
import torch
calls = []
torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 1
torch.cuda.init = lambda: calls.append("init")
torch.cuda.get_device_properties = lambda device: type("Card", (), {{"name": "card", "total_memory": 2**30}})
torch.cuda.reset_peak_memory_stats = lambda device: calls.append("reset")
from colormnet_cli.inference.device import resolve_device
from colormnet_cli.film.progress import ProgressMeter
ProgressMeter(1, None, resolve_device({name!r}))
print(*calls)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["init", "reset"]


def test_what_is_no_device():
    """Typing errors are wrong usage, not devices that are missing."""
    for name in ("gpu", "cuda:", "cuda:x", "cpu:0", ""):
        with pytest.raises(UsageError, match="auto, cuda, cuda:N, mps or cpu"):
            d.resolve_device(name)


@pytest.mark.parametrize(("kind", "chosen"), [("cuda", "fp16"), ("mps", "fp32"), ("cpu", "fp32")])
def test_auto_precision(kind, chosen):
    """Half precision only where it is fast and tested."""
    assert d.resolve_precision("auto", torch.device(kind)) == chosen
    assert d.resolve_precision("bf16", torch.device(kind)) == "bf16"
    with pytest.raises(UsageError, match="auto, fp32, fp16, bf16"):
        d.resolve_precision("fp8", torch.device(kind))


def test_free_memory_counts_what_the_system_would_give_up(tmp_path, monkeypatch):
    """After reading a long film nearly all memory is cache: it is not too little for the next one."""
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:  8000000 kB\nMemFree:    100000 kB\nMemAvailable:  6000000 kB\n")
    monkeypatch.setattr(d, "_MEMORY", told)
    assert d.free_memory(torch.device("cpu")) == 6_000_000 * 1024
    monkeypatch.setattr(d, "_MEMORY", tmp_path / "elsewhere")
    assert d.free_memory(torch.device("cpu")) is None


@pytest.mark.gpu
def test_a_real_gpu():
    """What the tests above make up, once for real."""
    device = d.resolve_device("auto")
    assert device == torch.device("cuda:0")
    assert "GiB" in d.describe_device(device)
    assert 0 < d.free_memory(device) <= torch.cuda.get_device_properties(0).total_memory
