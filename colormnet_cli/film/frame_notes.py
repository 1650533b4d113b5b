"""What is noted of each frame while a film is colored, in a file for each segment; `findings` are made from it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..files import write_whole
from ..inference.exemplar import Exemplar
from .segment_table import SegmentTable
from .transfer import to_cpu

__all__ = ["FrameNotes", "SegmentNotes", "color_change", "mean_chroma", "notes_path", "read_notes"]

_ROWS = 18  # blocks of a frame's shorter side
_STILL = 3.0  # change of a block's lightness up to which its gray does not change
_NONE: NDArray[np.float32] = np.empty(0, np.float32)
_LEAST_STILL = 0.5  # part of the picture that must be still: elsewhere color has a reason to change


def notes_path(folder: Path, segment: int) -> Path:
    """The file of a segment, beside it."""
    return folder / f"notes-{segment:06d}.npz"


@dataclass(frozen=True, eq=False)
class SegmentNotes:
    """The notes of a segment's frames; values are nan where they are not known."""

    numbers: NDArray[np.float64]
    seconds: NDArray[np.float64]  # since the film's first frame
    lightness: NDArray[np.float64]  # mean L
    chroma: NDArray[np.float64]  # mean Lab chroma of the network's color
    expected: NDArray[np.float64]  # that of the palest exemplar that colors the frame
    change: NDArray[np.float64]  # see `color_change`
    match: NDArray[np.float64]  # with the best exemplar: looked at once a second
    error: NDArray[np.float64]  # mean error of a and b that the network expects, in Lab units
    first: NDArray[np.float32]  # Lab blocks [C, h, w] of the first and the last frame
    last: NDArray[np.float32]


def read_notes(folder: Path, segments: int) -> Iterator[SegmentNotes]:
    """The notes of segments 0 to `segments`, those that exist, in order; the first change of each is filled in."""
    before: SegmentNotes | None = None
    for segment in range(segments):
        try:
            with np.load(notes_path(folder, segment), allow_pickle=False) as file:
                notes = SegmentNotes(**dict(file))
        except (OSError, ValueError, TypeError, EOFError, BadZipFile):
            before = None
            continue
        if before is not None and before.numbers[-1] + 1 == notes.numbers[0]:
            notes.change[0] = color_change(before.last, notes.first)
        yield notes
        before = notes


def color_change(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """How much color changes where gray does not: Lab units, the mean of the tenth of the picture that changes most.

    Args:
        before, now: Lab blocks [C, h, w] of two consecutive frames; what follows Lab is not looked at.

    Returns:
        nan where gray changes in most of the picture, as at a cut.
    """
    if before.shape != now.shape:
        return float("nan")
    difference = now - before
    still = np.abs(difference[0]) < _STILL
    if still.mean() < _LEAST_STILL:
        return float("nan")
    changes = np.hypot(difference[1], difference[2])[still]
    count = max(1, len(changes) // 10)
    return float(np.partition(changes, -count)[-count:].mean())


def mean_chroma(exemplar: Exemplar) -> float:
    """Mean Lab chroma of an exemplar, where it is opaque."""
    chroma = exemplar.lab[1:].norm(dim=0)
    return float(chroma.mean() if exemplar.shown is None else chroma.sum() / exemplar.shown.sum())


@dataclass(frozen=True, eq=False)
class _Batch:
    """Frames of one segment, while their blocks are copied from the device."""

    seconds: Sequence[float]
    blocks: Tensor  # [K, C, h, w]
    expected: float
    match: float | None  # of the first frame


class FrameNotes:
    """Notes frames, and writes the file of each segment when its last frame is noted.

    The network's thread submits batches, without waiting for the device; the thread that encodes a segment, and has
    waited for it, notes them in the film's order.

    Args:
        folder: of the run.
        segments: which frames each has.
    """

    def __init__(self, folder: Path, segments: SegmentTable) -> None:
        self.folder, self.segments = folder, segments
        self._coming: dict[int, _Batch] = {}  # by their first frames
        self._open: dict[int, list[tuple[NDArray[np.float32], tuple[float, ...]]]] = {}  # by segment

    def submit(
        self,
        numbers: Sequence[int],
        seconds: Sequence[float],
        working: Tensor,
        colors: Tensor,
        expected: float,
        match: float | None,
    ) -> None:
        """The next K frames of a segment: lightness [K, 1, h, w] and colors at the working size.

        These are [K, 2, h, w], ab, or [K, 3, h, w], with the expected error.

        Args:
            expected: the mean chroma of the palest exemplar that colors them.
            match: of the first of them; None where it was not looked at.
        """
        self._coming[numbers[0]] = _Batch(seconds, _blocks(working, colors), expected, match)

    def note(self, numbers: Sequence[int]) -> None:
        """Note frames that were submitted together, once they have been copied from the device."""
        batch, segment = self._coming.pop(numbers[0]), self.segments.number(numbers[0])
        rows = self._open.setdefault(segment, [])
        for i, (number, time, blocks) in enumerate(zip(numbers, batch.seconds, batch.blocks.numpy(), strict=True)):
            change = color_change(rows[-1][0], blocks) if rows else np.nan
            chroma, match = np.hypot(blocks[1], blocks[2]).mean(), batch.match if i == 0 else None
            known = np.nan if match is None else match
            error = blocks[3].mean() if len(blocks) > 3 else np.nan
            row = (number, time, blocks[0].mean(), chroma, batch.expected, change, known, error)
            if len(rows) > 1:  # of the frames between the first and the last, no blocks are kept
                rows[-1] = (_NONE, rows[-1][1])
            rows.append((blocks, row))
        if numbers[-1] + 1 == self.segments.end(numbers[-1]):
            self._write(segment)

    def finish(self) -> None:
        """Write what is left: of a film that ends within a segment."""
        for segment in list(self._open):
            self._write(segment)

    def _write(self, segment: int) -> None:
        rows = self._open.pop(segment)
        columns = np.array([row for _, row in rows], np.float64).T
        names = ("numbers", "seconds", "lightness", "chroma", "expected", "change", "match", "error")
        buffer = io.BytesIO()
        np.savez(buffer, first=rows[0][0], last=rows[-1][0], **dict(zip(names, columns, strict=True)))
        write_whole(notes_path(self.folder, segment), buffer.getvalue())


@torch.inference_mode()
def _blocks(working: Tensor, colors: Tensor) -> Tensor:
    """Lab of frames, and what follows ab in `colors`, in blocks [K, C, rows, columns] on the CPU.

    Of each block some pixels are read, which is fast.

    It does not wait for the device.
    """
    h, w = working.shape[-2:]
    size = (min(h, _ROWS), min(w, round(w * _ROWS / h))) if h <= w else (min(h, round(h * _ROWS / w)), min(w, _ROWS))
    step = max(1, min(h // size[0], w // size[1]) // 4)
    lab = torch.cat((working[..., ::step, ::step], colors[..., ::step, ::step]), dim=1)
    return to_cpu(F.adaptive_avg_pool2d(lab, size).float())
