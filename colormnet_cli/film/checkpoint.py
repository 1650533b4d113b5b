"""Checkpoints: where a run stands at the end of a segment, and when that is saved."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..video.reader import Frame, FrameChecksum

if TYPE_CHECKING:
    from .progress_folder import ProgressFolder
    from .segment_table import SegmentTable

__all__ = ["Checkpoint", "CheckpointSaver", "Snapshot", "copied_to_cpu"]

CHECKPOINT_SECONDS = 60.0  # between two checkpoints, at least
SEGMENT_FRAMES = {"cuda": 240, "cpu": 48}  # by device: lost at most by an interruption, beyond the last checkpoint
CHECKSUMS = 4  # frames before a checkpoint by which its position is found again


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands, at the end of a segment."""

    frames: int  # colorized
    segments: int  # complete
    checksums: tuple[FrameChecksum, ...]  # of the last frames
    counts: dict[str, Any]  # the reader's decode statistics
    complete: bool = False  # every frame is done; only muxing is left

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Checkpoint:
        values = dict(data)
        values["checksums"] = tuple(FrameChecksum(**item) for item in values["checksums"])
        return Checkpoint(**values)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A checkpoint with the Colorizer's state, to be saved when every frame before it is on the disk."""

    checkpoint: Checkpoint
    state: dict[str, Any]


class CheckpointSaver:
    """Takes a snapshot at the end of each segment, and saves the latest one every minute and when the run ends early.

    `hand_over` saves a Snapshot once the frames that it covers are on the disk.
    """

    def __init__(self, folder: ProgressFolder, segments: SegmentTable) -> None:
        self.folder, self.segments = folder, segments
        self._checksums: deque[FrameChecksum] = deque(maxlen=CHECKSUMS)
        self._latest: Snapshot | None = None
        self._saved = time.monotonic()

    def after(
        self, frames: Sequence[Frame], state: Callable[[], Mapping[str, Any]], hand_over: Callable[[Snapshot], None]
    ) -> None:
        """These frames are colorized; `state` gives the Colorizer's."""
        last, end = frames[-1], self.segments.end(frames[-1].number)
        near = end - CHECKSUMS  # only the last frames of a segment are looked for again
        self._checksums.extend(frame.checksum() for frame in frames if frame.number >= near)
        if last.number + 1 < end:
            return
        self._latest = Snapshot(self._checkpoint(last.number + 1, last.statistics), copied_to_cpu(state()))
        if time.monotonic() - self._saved >= CHECKPOINT_SECONDS:
            self.save_latest(hand_over)

    def save_latest(self, hand_over: Callable[[Snapshot], None]) -> None:
        """Save the snapshot of the last complete segment now, unless it is saved already."""
        if self._latest is not None:
            latest, self._latest, self._saved = self._latest, None, time.monotonic()
            hand_over(latest)

    def finish(self, frames: int, counts: dict[str, Any]) -> None:
        """All frames are on the disk: only muxing is left."""
        self.folder.save(self._checkpoint(frames, counts, complete=True), None)
        self._latest = None

    def _checkpoint(self, frames: int, counts: dict[str, Any], complete: bool = False) -> Checkpoint:
        return Checkpoint(frames, self.segments.before(frames), tuple(self._checksums), counts, complete)


def copied_to_cpu(state: Any) -> Any:
    """A copy of nested tensors and plain values on the CPU, which later steps do not change."""
    from torch import Tensor

    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, Mapping):
        return {key: copied_to_cpu(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(copied_to_cpu(value) for value in state)
    return state
