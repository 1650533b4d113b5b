"""Time and memory of a device."""

from __future__ import annotations

import mmap
import sys
import time

import pytest
import torch

from colormnet_cli.bench.clock import MemoryWatch, StageClock, TimedMethods

CPU = torch.device("cpu")


class Worker:
    length = 3

    def slow(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def quick(self) -> str:
        return "done"


def test_named_methods_are_timed() -> None:
    """Fails where a stage's figure is not the time of its calls, or the calls give something else."""
    clock, worker = StageClock(CPU), Worker()
    timed = TimedMethods(worker, clock, {"slow": "sleeping"})
    with clock.stage("all"):
        assert timed.slow(0.02) + timed.slow(seconds=0.03) == 0.05
        assert (timed.quick(), timed.length) == ("done", 3)
    seconds = clock.seconds()
    assert seconds.keys() == {"sleeping", "all"}
    assert 0.05 <= seconds["sleeping"] <= seconds["all"] < 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process holds")
def test_a_leak_shows() -> None:
    """Fails where memory that grows by a megabyte a frame is reported as flat, or flat memory as growing."""
    kept, flat, growing = [], MemoryWatch(CPU), MemoryWatch(CPU)
    for frame in range(20):
        flat.sample(frame)
    for frame in range(20):
        kept.append(mmap.mmap(-1, 2**20))  # from the system, not what the allocator has left over
        kept[-1].write(b"x" * 2**20)
        growing.sample(frame)
    assert flat.figures().slope == pytest.approx(0, abs=2**17)
    assert growing.figures().slope == pytest.approx(2**20, rel=0.2)
    assert (growing.figures().peak or 0) > 20 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets a process's peak")
def test_the_peak_is_that_of_the_measured_frames() -> None:
    """Fails where loading or warming up, which took more, is reported as a frame's memory."""
    size = 2**28
    with mmap.mmap(-1, size) as large:
        large.write(b"x" * size)
        before = MemoryWatch(CPU).figures().peak
    after = MemoryWatch(CPU).figures().peak
    assert before is not None
    assert after is not None
    assert after < before - size // 2


def test_memory_of_cuda_graphs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a CUDA device's peak leaves out what replays work in, which is most of a frame's memory."""

    def segment(device: int, pool: tuple[int, int], total: int, allocated: int) -> dict[str, object]:
        return {"device": device, "segment_pool_id": pool, "total_size": total, "allocated_size": allocated}

    segments = [segment(1, (0, 0), 900, 100), segment(1, (0, 7), 500, 200), segment(0, (0, 8), 4000, 0)]
    for name, stand_in in {
        "reset_peak_memory_stats": lambda _: None,
        "max_memory_allocated": lambda _: 1000,
        "max_memory_reserved": lambda _: 5000,
        "memory_snapshot": lambda: segments,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    figures = MemoryWatch(torch.device("cuda", 1)).figures()
    assert (figures.peak, figures.reserved_peak) == (1000 + 300, 5000)
