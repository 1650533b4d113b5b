"""Which device and which number format a run takes. A device that was asked for and is not there is an error."""

from __future__ import annotations

import gc
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..errors import DeviceError, UsageError

__all__ = [
    "DTYPES",
    "cpu_threads",
    "default_lookahead",
    "describe_device",
    "device_for",
    "free_memory",
    "list_devices",
    "peak_memory",
    "process_peak",
    "release_memory",
    "resolve_device",
    "resolve_precision",
    "unusable_gpus",
    "wider_precision",
]

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_MEMORY = Path("/proc/meminfo")
_log = logging.getLogger(__name__)


def resolve_device(wanted: str | torch.device = "auto") -> torch.device:
    """`auto` (the first of CUDA, MPS and CPU that is available, logged), `cuda`, `cuda:N`, `mps` or `cpu`."""
    name = str(wanted)
    if name == "auto":
        for sentence in unusable_gpus():
            _log.warning("%s", sentence)
        found = list_devices()[0]
        _initialize(found)
        _log.info("device: %s (chosen because none was requested)", describe_device(found))
        return found
    if not (match := re.fullmatch(r"(cpu|mps|cuda)(?::(\d+))?", name)) or (match[2] and match[1] == "cpu"):
        raise UsageError(f"The device {name!r} is unknown: auto, cuda, cuda:N, mps or cpu")
    kind, index = match[1], int(match[2] or 0)
    if kind == "cuda":
        _require_cuda(index)
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError('There is no device mps here (it needs a Mac with Apple silicon): use `device="auto"`')
    device = torch.device(kind, index) if kind == "cuda" else torch.device(kind)
    _initialize(device)
    return device


def device_for(wanted: str | torch.device, own: torch.device) -> torch.device:
    """As `resolve_device`; for `auto` a network's own device where that is a GPU."""
    return own if str(wanted) == "auto" and own.type != "cpu" else resolve_device(wanted)


def _initialize(device: torch.device) -> None:
    """Initialize CUDA now: until then `torch.cuda.reset_peak_memory_stats` raises "Invalid device argument"."""
    if device.type != "cuda":
        return
    try:
        torch.cuda.init()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(
            f'CUDA does not start here ({reason}): see `colormnet doctor`, or use `device="cpu"`'
        ) from error


def _require_cuda(index: int) -> None:
    if not torch.cuda.is_available():
        reason = "PyTorch sees no NVIDIA GPU or driver" if torch.version.cuda else "this PyTorch was built without CUDA"
        sentences = unusable_gpus() or [f"There is no device cuda here ({reason})"]
        raise DeviceError(f'{sentences[0]}: see `colormnet doctor`, or use `device="cpu"`')
    if index >= (count := torch.cuda.device_count()):
        raise DeviceError(f"There is no device cuda:{index}: there are {count}, counted from cuda:0")
    if problem := _gpu_problem(index):
        raise DeviceError(f'{problem}: install a PyTorch that is built for it, or use `device="cpu"`')


def unusable_gpus() -> list[str]:
    """A sentence for each NVIDIA GPU that is found and cannot be used; one for all where the driver is the reason."""
    count = torch.cuda.device_count()  # from the driver, also where CUDA does not work
    if count and not torch.cuda.is_available():
        return [
            f"PyTorch cannot use the NVIDIA GPU here (its driver is too old for CUDA {torch.version.cuda}, or broken)"
        ]
    return [problem for index in range(count) if (problem := _gpu_problem(index))]


def _gpu_problem(index: int) -> str | None:
    """Why this PyTorch cannot run on the GPU: none of the architectures that it was built for fits."""
    major, minor = torch.cuda.get_device_capability(index)
    built_for = torch.cuda.get_arch_list()
    fits = [_runs_on(arch, major, minor) for arch in built_for]
    if True in fits or None in fits or not fits:
        return None
    card = f"cuda:{index}, {torch.cuda.get_device_name(index)} (compute capability {major}.{minor})"
    return f"This PyTorch cannot use {card}, as it is built for {', '.join(built_for)}"


def _runs_on(arch: str, major: int, minor: int) -> bool | None:
    """Whether code built for an architecture runs on a compute capability; None for what is not NVIDIA's."""
    if not (match := re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", arch)):
        return None
    built = int(match[2]), int(match[3])
    if match[4] == "a":  # for this one alone
        return built == (major, minor)
    if match[1] == "compute":  # PTX, which the driver compiles for any later one
        return built <= (major, minor)
    return built[0] == major and built[1] <= minor  # binaries run on later ones of the same major version


@contextmanager
def cpu_threads(threads: int | None) -> Iterator[None]:
    """As many CPU threads of PyTorch, then as many as before; None: as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve_precision(wanted: str, device: torch.device) -> str:
    """fp32, fp16 or bf16; `auto` is fp16 on CUDA and fp32 elsewhere."""
    if wanted == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if wanted not in DTYPES:
        raise UsageError(f"The precision {wanted!r} is unknown: auto, {', '.join(DTYPES)}")
    return wanted


def wider_precision(precision: str, device: torch.device) -> str | None:
    """The next precision in which larger numbers are finite: bf16 for fp16 where the GPU computes in it, else fp32."""
    if precision == "fp32":
        return None
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if precision == "fp16" and bf16 else "fp32"


def default_lookahead(device: torch.device) -> int:
    """Frames given to the network at once where nobody says: more are hardly faster, and take more memory."""
    return 2 if device.type == "cuda" else 1


def list_devices() -> list[torch.device]:
    """Every device that can be used, the fastest kind first."""
    # `device_count` asks the driver alone, and counts GPUs that CUDA cannot use.
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = [torch.device("cuda", index) for index in range(count) if not _gpu_problem(index)]
    if torch.backends.mps.is_available():
        found.append(torch.device("mps"))
    return [*found, torch.device("cpu")]


def describe_device(device: torch.device) -> str:
    """As people know it: `cuda:0, NVIDIA H200, 139.8 GiB`."""
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        return f"{device}, {about.name}, {about.total_memory / 2**30:.1f} GiB"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu, {threads} thread{'s' if threads > 1 else ''}"
    return str(device)


def free_memory(device: torch.device) -> int | None:
    """Bytes that could be had on the device, what PyTorch keeps unused included; None where it does not tell."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + unused)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    try:
        lines = _MEMORY.read_text().splitlines()
    except OSError:  # only Linux tells
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def release_memory(error: BaseException | None, device: torch.device) -> None:
    """Free what a failed run still holds: the frames of its traceback keep its tensors, and PyTorch their memory."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def peak_memory(device: torch.device) -> int | None:
    """Bytes at most so far: of the tensors on a CUDA device, elsewhere of the process."""
    on_gpu = device.type == "cuda" and torch.cuda.is_available()
    return torch.cuda.max_memory_allocated(device) if on_gpu else process_peak()


def process_peak() -> int | None:
    """Bytes that this process took at most; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
