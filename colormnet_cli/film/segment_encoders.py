"""Encodes the segments of a film on threads of their own, several at once.

Segments are independent of each other. Each is encoded by one encoder from its first to its last frame, so the film is
the same with any number of encoders.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import torch

from ..video.encode import EncoderSpec
from ..video.reader import Frame
from ..video.segments import SegmentWriter
from .checkpoint import Snapshot
from .prefetch import BackgroundWriter
from .segment_table import SegmentTable
from .transfer import ChromaPlanes

__all__ = ["SegmentEncoders", "default_encoders"]

WAITING_BYTES = 2**30  # of frames that wait for their encoder, where there are several encoders
_DEPTH = 2  # batches that wait where there is one
_CORES, _MOST = 4, 4  # cores for each encoder, which has threads itself; most encoders


def default_encoders(device: torch.device) -> int:
    """By cores; one where the network itself runs on them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if device.type == "cpu" else max(1, min(_MOST, cores // _CORES))


class SegmentEncoders:
    """`encoders` threads, each of which encodes one segment at a time.

    An error of any of them is raised by the next `put`, or by `finish`. Leaving the with block with an error, as by
    Ctrl-C, only encodes what the snapshots handed over cover.

    Args:
        segments: which frames each segment has.
        encode: writes a batch of frames to a segment.
        save: makes a snapshot the one from which a run is resumed.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        folder: Path,
        segments: SegmentTable,
        encoders: int,
        encode: Callable[[SegmentWriter, list[Frame], ChromaPlanes], None],
        save: Callable[[Snapshot], None],
    ) -> None:
        self.segments, self._encode, self._save_snapshot = segments, encode, save
        self._writers = [SegmentWriter(spec, folder) for _ in range(encoders)]
        depth = _DEPTH if encoders == 1 else segments.frames
        self._lanes = [BackgroundWriter(self._work, depth) for _ in self._writers]
        self._snapshots = BackgroundWriter(self._save, encoders)
        self._waiting = _Budget(WAITING_BYTES)
        self._ends: dict[int, Future[None]] = {}  # of the segments: done with the last frame
        self._written: set[int] = set()  # segments that are on the disk
        self._covered = 0  # segments that the snapshots handed over need
        self._bound: int | None = None  # segments from this one on are given up
        self._stack = ExitStack()

    def __enter__(self) -> SegmentEncoders:
        for lane in self._lanes:
            self._stack.enter_context(lane)
        self._stack.enter_context(self._snapshots)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and self._bound is None:
            self._bound = self._covered
        try:
            self._stack.__exit__(kind, error, at)
        finally:
            for writer in self._writers:
                writer.abort()  # nothing, where its last segment is complete
            del self._encode, self._save_snapshot  # the threads know this object: a cycle, which must not hold the run

    def put(self, frames: list[Frame], chroma: ChromaPlanes) -> None:
        """Hand over a batch of frames of one segment; waits while too many are pending."""
        for lane in self._lanes:
            lane.check()
        last = frames[-1].number
        segment = self.segments.number(last)
        size = sum(frame.luma.nbytes for frame in frames) + chroma.nbytes
        self._waiting.take(size)
        end = self._lanes[segment % len(self._lanes)].put((segment, frames, chroma, size))
        if last + 1 == self.segments.end(last):
            self._ends[segment] = end

    def save(self, snapshot: Snapshot) -> None:
        """Save a snapshot once every segment that it covers is on the disk."""
        self._covered = snapshot.checkpoint.segments
        self._snapshots.put((snapshot, {n: end for n, end in self._ends.items() if n < self._covered}))

    def finish(self) -> None:
        """Wait until everything is encoded, and finish the last segment."""
        for lane in self._lanes:
            lane.drain()
        for writer in self._writers:
            writer.close()
        self._snapshots.drain()

    def _work(self, item: tuple[int, list[Frame], ChromaPlanes, int]) -> None:
        segment, frames, chroma, size = item
        try:
            if self._bound is None or segment < self._bound:
                writer = self._writers[segment % len(self._writers)]
                writer.number = segment
                self._encode(writer, frames, chroma)
                if frames[-1].number + 1 == self.segments.end(frames[-1].number):
                    writer.close()
                    self._written.add(segment)
        except BaseException:
            self._bound = 0
            self._waiting.lift()
            raise
        finally:
            self._waiting.give_back(size)

    def _save(self, item: tuple[Snapshot, dict[int, Future[None]]]) -> None:
        snapshot, ends = item
        for end in ends.values():
            end.exception()  # waits; the error itself is raised by `put` or `finish`
        if self._written.issuperset(ends):
            self._save_snapshot(snapshot)


class _Budget:
    """Bytes that may be in use at once; what is larger is in use alone."""

    def __init__(self, size: int) -> None:
        self._size, self._used = size, 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until `size` bytes may be used, and take them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= self._size)
            self._used += size

    def lift(self) -> None:
        """From now on, nobody waits."""
        with self._changed:
            self._size = sys.maxsize
            self._changed.notify_all()

    def give_back(self, size: int) -> None:
        with self._changed:
            self._used -= size
            self._changed.notify_all()
