"""Time and memory of a device, taken from outside what is measured."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .figures import MemoryFigures

__all__ = ["Clock", "MemoryWatch", "StageClock"]

_STATUS = Path("/proc/self/status")


class Clock:
    """Marks moments of a device. On CUDA by events, without waiting for it; MPS is waited for at each mark."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def mark(self) -> Any:
        if self.device.type == "cuda":
            event: Any = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            return event
        self.wait()
        return time.perf_counter()

    def wait(self) -> None:
        """Until everything that was given to the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def seconds(self, begin: Any, end: Any) -> float:
        """Between two marks, after `wait`."""
        return float(begin.elapsed_time(end)) / 1000 if self.device.type == "cuda" else float(end - begin)


class StageClock:
    """Times calls of methods by putting itself around them, and leaves them as they were."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spans: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
        self._undo: list[Callable[[], None]] = []

    def watch(self, stage: str, owner: Any, *methods: str) -> None:
        """Count what these methods of this one object take towards the stage."""
        for method in methods:
            inner = getattr(owner, method)

            def timed(*args: Any, inner: Any = inner, **kwargs: Any) -> Any:
                with self.span(stage):
                    return inner(*args, **kwargs)

            setattr(owner, method, timed)
            self._undo.append(lambda owner=owner, method=method: delattr(owner, method))  # type: ignore[misc]

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        begin = self._clock.mark()
        yield
        self._spans[stage].append((begin, self._clock.mark()))

    def release(self) -> None:
        """Leave everything that was watched as it was."""
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> StageClock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def forget(self) -> None:
        """What was timed so far was warming up."""
        self._spans.clear()

    def seconds(self) -> dict[str, float]:
        """In all, by stage."""
        self._clock.wait()
        return {stage: sum(self._clock.seconds(*span) for span in spans) for stage, spans in self._spans.items()}


class MemoryWatch:
    """Memory over a run: what tensors and recorded kernels take of the device, or on a CPU the process."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._samples: list[tuple[int, int, int]] = []  # frame, allocated or resident, reserved
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _forget_peak()

    def sample(self, frame: int) -> None:
        """Take note, after that many frames."""
        if self.device.type == "cuda":
            self._samples.append(
                (frame, torch.cuda.memory_allocated(self.device), torch.cuda.memory_reserved(self.device))
            )
        elif self.device.type == "mps":
            self._samples.append((frame, torch.mps.current_allocated_memory(), torch.mps.driver_allocated_memory()))
        elif (resident := _status("VmRSS")) is not None:
            self._samples.append((frame, resident, 0))

    def figures(self) -> MemoryFigures:
        if self.device.type == "cpu":
            return MemoryFigures("resident", _status("VmHWM"), self._slope(1))
        if self.device.type == "mps":  # it keeps no peaks: those of the samples
            peaks = [max((sample[i] for sample in self._samples), default=None) for i in (1, 2)]
        else:
            allocated = torch.cuda.max_memory_allocated(self.device) + _kept_for_recordings(self.device)
            peaks = [allocated, torch.cuda.max_memory_reserved(self.device)]
        return MemoryFigures("allocated", peaks[0], self._slope(1), peaks[1], self._slope(2))

    def _slope(self, column: int) -> float | None:
        if len(self._samples) < 2:
            return None
        return statistics.linear_regression([s[0] for s in self._samples], [s[column] for s in self._samples]).slope


def _kept_for_recordings(device: torch.device) -> int:
    """Bytes that recorded kernels work in (see replay): to PyTorch they are free once the recording is made."""
    index = torch.cuda.current_device() if device.index is None else device.index
    segments = [s for s in torch.cuda.memory_snapshot() if s["device"] == index and any(s["segment_pool_id"])]
    return sum(segment["total_size"] - segment["allocated_size"] for segment in segments)


def _status(name: str) -> int | None:
    """A figure of this process that Linux tells, in bytes; None elsewhere."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def _forget_peak() -> None:
    """Begin the process's peak anew, where Linux lets us; else it is the peak since the process began."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
