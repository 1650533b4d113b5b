"""Time and memory of a device."""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from ..inference.device import peak_memory
from .figures import MemoryFigures

__all__ = ["Clock", "MemoryWatch", "StageClock"]


class Clock:
    """Takes times on a device: by events on CUDA, which nothing waits for; MPS is waited for at each mark."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def mark(self) -> Any:
        if self.device.type == "cuda":
            event: Any = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            return event
        if self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()

    def seconds(self, marks: Sequence[Any]) -> list[float]:
        """From each mark to the next one; waits for the device."""
        if self.device.type != "cuda":
            return [end - begin for begin, end in pairwise(marks)]
        torch.cuda.synchronize(self.device)
        return [begin.elapsed_time(end) / 1000 for begin, end in pairwise(marks)]


class StageClock:
    """Times the stages of a frame, each of them a `with` block or calls of methods."""

    def __init__(self, device: torch.device) -> None:
        self._clock = Clock(device)
        self._marks: dict[str, list[tuple[Any, Any]]] = defaultdict(list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = self._clock.mark()
        yield
        self._marks[name].append((begin, self._clock.mark()))

    def seconds(self) -> dict[str, float]:
        """The total of each stage."""
        return {name: sum(sum(self._clock.seconds(pair)) for pair in pairs) for name, pairs in self._marks.items()}


class TimedMethods:
    """Stands in for an object: `stages` names the methods whose calls are timed, and the stage they belong to."""

    def __init__(self, target: object, clock: StageClock, stages: Mapping[str, str]) -> None:
        self._target, self._clock, self._stages = target, clock, stages

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if name not in self._stages:
            return attribute

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._clock.stage(self._stages[name]):
                return attribute(*args, **kwargs)

        return timed


class MemoryWatch:
    """Memory over a run: what tensors and CUDA graphs take of the device, or on a CPU the process."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._samples: list[tuple[int, int, int]] = []  # frame, allocated or resident, reserved
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with suppress(OSError):  # Linux resets the process's peak; elsewhere it is that since the process began
                Path("/proc/self/clear_refs").write_text("5")

    def sample(self, frame: int) -> None:
        """Take a sample after that many frames."""
        if self.device.type == "cuda":
            used = torch.cuda.memory_allocated(self.device), torch.cuda.memory_reserved(self.device)
        elif self.device.type == "mps":
            used = torch.mps.current_allocated_memory(), torch.mps.driver_allocated_memory()
        elif (resident := _resident()) is not None:
            used = resident, 0
        else:
            return
        self._samples.append((frame, *used))

    def figures(self) -> MemoryFigures:
        if self.device.type == "cpu":
            return MemoryFigures("resident", peak_memory(self.device), self._slope(1))
        if self.device.type == "mps":  # it keeps no peaks: those of the samples
            peaks = [max((sample[i] for sample in self._samples), default=None) for i in (1, 2)]
        else:
            allocated = torch.cuda.max_memory_allocated(self.device) + _held_by_graphs(self.device)
            peaks = [allocated, torch.cuda.max_memory_reserved(self.device)]
        return MemoryFigures("allocated", peaks[0], self._slope(1), peaks[1], self._slope(2))

    def _slope(self, column: int) -> float | None:
        if len(self._samples) < 2:
            return None
        return statistics.linear_regression([s[0] for s in self._samples], [s[column] for s in self._samples]).slope


def _held_by_graphs(device: torch.device) -> int:
    """Bytes that CUDA graphs work in: to PyTorch they are free once a graph is captured."""
    index = torch.cuda.current_device() if device.index is None else device.index
    segments = [s for s in torch.cuda.memory_snapshot() if s["device"] == index and any(s["segment_pool_id"])]
    return sum(segment["total_size"] - segment["allocated_size"] for segment in segments)


def _resident() -> int | None:
    """Bytes of memory that this process has now; None where the system does not say."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None
