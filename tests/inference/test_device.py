"""Which device and number format a run takes."""

from __future__ import annotations

import subprocess
import sys
import weakref

import pytest
import torch

from colormnet_cli.errors import DeviceError, UsageError
from colormnet_cli.inference import device as d


def make_gpus(
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    *,
    available: bool = True,
    capability: tuple[int, int] = (9, 0),
    built_for: tuple[str, ...] = ("sm_75", "sm_90"),
) -> None:
    """Stands in for a machine with so many NVIDIA GPUs, and a PyTorch built for these architectures."""
    stubs = {
        "device_count": lambda: count,
        "is_available": lambda: available,
        "init": lambda: None,
        "get_device_capability": lambda index: capability,
        "get_arch_list": lambda: list(built_for),
        "get_device_name": lambda index: "GeForce GTX 1080",
    }
    for name, stub in stubs.items():
        monkeypatch.setattr(torch.cuda, name, stub)


def test_auto_takes_the_fastest_kind(monkeypatch):
    """A GPU is used without being asked for; without one it is the CPU."""
    make_gpus(monkeypatch, 2)
    monkeypatch.setattr(d, "describe_device", str)
    assert d.resolve_device("auto") == torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert d.resolve_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert d.resolve_device("auto") == d.resolve_device("cpu") == torch.device("cpu")


def test_a_gpu_is_taken_by_its_number(monkeypatch):
    """`cuda` is the first; one beyond the last is named with how many there are."""
    make_gpus(monkeypatch, 2)
    assert d.resolve_device("cuda") == torch.device("cuda:0")
    assert d.resolve_device(torch.device("cuda:1")) == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="There is no device cuda:2: there are 2, counted from cuda:0"):
        d.resolve_device("cuda:2")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "auto"])
def test_cuda_is_initialized_before_its_memory_is_asked_for(name):
    """`--device cuda` ended in "Invalid device argument": peak memory was reset before CUDA was initialized."""
    code = f"""
import torch
calls = []
torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 1
torch.cuda.init = lambda: calls.append("init")
torch.cuda.get_device_capability, torch.cuda.get_arch_list = lambda index: (9, 0), lambda: ["sm_90"]
torch.cuda.get_device_properties = lambda device: type("Card", (), {{"name": "card", "total_memory": 2**30}})
torch.cuda.reset_peak_memory_stats = lambda device: calls.append("reset")
from colormnet_cli.inference.device import resolve_device
from colormnet_cli.film.progress import ProgressMeter
ProgressMeter(1, None, resolve_device({name!r}))
print(*calls)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["init", "reset"]


def test_a_driver_that_is_too_old(monkeypatch, caplog):
    """NVML counts the GPU although CUDA does not work: `auto` ended in an internal error, and so did `doctor`."""
    make_gpus(monkeypatch, 1, available=False)
    assert d.list_devices() == [torch.device("cpu")]
    assert d.resolve_device("auto") == torch.device("cpu")
    assert "driver is too old" in caplog.text
    with pytest.raises(DeviceError, match="driver is too old"):
        d.resolve_device("cuda")


def test_a_gpu_that_is_too_old(monkeypatch, caplog):
    """Otherwise the first kernel ends with "no kernel image is available for execution on the device"."""
    make_gpus(monkeypatch, 1, capability=(6, 1))
    assert d.resolve_device("auto") == torch.device("cpu")
    assert "GTX 1080 (compute capability 6.1)" in caplog.text
    with pytest.raises(DeviceError, match=r"cannot use cuda:0.*built for sm_75, sm_90"):
        d.resolve_device("cuda:0")


def test_cuda_that_does_not_start(monkeypatch):
    """What the driver says, in a sentence instead of an internal error."""
    make_gpus(monkeypatch, 1)

    def fail() -> None:
        raise RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment\nmore")

    monkeypatch.setattr(torch.cuda, "init", fail)
    with pytest.raises(DeviceError, match=r"CUDA does not start here \(CUDA unknown error"):
        d.resolve_device("cuda")


@pytest.mark.parametrize(
    ("built_for", "capability", "runs"),
    [
        ("sm_75", (7, 5), True),
        ("sm_86", (8, 9), True),  # a binary runs on a later one of the same major version
        ("sm_86", (8, 0), False),
        ("sm_90", (10, 0), False),
        ("compute_90", (12, 0), True),  # PTX runs on any later one
        ("compute_90", (8, 9), False),
        ("sm_90a", (9, 0), True),
        ("sm_100a", (10, 3), False),
        ("sm_100f", (10, 3), True),
        ("gfx1100", (11, 0), True),  # AMD's: not ours to judge
    ],
)
def test_which_gpus_a_pytorch_runs_on(monkeypatch, built_for, capability, runs):
    """A GPU that works must not be refused, and one that does not must not be taken."""
    make_gpus(monkeypatch, 1, capability=capability, built_for=(built_for,))
    assert (d.list_devices()[0].type == "cuda") == runs


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
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  8000000 kB\nMemFree:    100000 kB\nMemAvailable:  6000000 kB\n")
    monkeypatch.setattr(d, "_MEMORY", meminfo)
    assert d.free_memory(torch.device("cpu")) == 6_000_000 * 1024
    monkeypatch.setattr(d, "_MEMORY", tmp_path / "elsewhere")
    assert d.free_memory(torch.device("cpu")) is None


def test_what_a_failed_run_holds_is_released(monkeypatch):
    """The advice after an out-of-memory error was far too small: free memory was read while that run was still held."""
    emptied = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(held() is None))

    class Tensors:
        pass

    def deeper(tensors):
        raise torch.OutOfMemoryError("CUDA out of memory")

    def run():
        nonlocal held
        tensors = Tensors()
        tensors.cycle = tensors
        held = weakref.ref(tensors)
        try:
            deeper(tensors)
        except torch.OutOfMemoryError as error:
            raise RuntimeError("the film cannot go on") from error

    held = None
    try:
        run()
    except RuntimeError as error:
        assert held() is not None
        d.release_memory(error, torch.device("cuda:0"))
        assert held() is None
    assert emptied == [True]  # in this order


@pytest.mark.gpu
def test_a_real_gpu():
    """What the tests above make up, once for real."""
    device = d.resolve_device("auto")
    assert device == torch.device("cuda:0")
    assert "GiB" in d.describe_device(device)
    assert 0 < d.free_memory(device) <= torch.cuda.get_device_properties(0).total_memory
