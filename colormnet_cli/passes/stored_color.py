"""The color of a backward pass, kept on disk until the film reaches its frames."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["StoredColor", "color_backward"]


class StoredColor:
    """ab of frames at the working size, in half precision: 1.6 MB a frame at 480p.

    Args:
        path: NumPy's format: the color [N, C, h, w], where C is 2, or 3 with the match of each place; the numbers of
            the N frames, and the CRC-32 of the color of each, are in a file beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._color = np.load(path, mmap_mode="r")
        numbers, self._crcs = np.load(_numbers_path(path)).T
        self._rows = {int(number): row for row, number in enumerate(numbers)}

    @staticmethod
    def intact(path: Path) -> StoredColor | None:
        """From the files of an earlier run; None where they are not there, or damaged."""
        try:
            stored = StoredColor(path)
            same = stored._crcs.tolist() == _crcs(stored._color)
        except (OSError, ValueError, EOFError):
            return None
        return stored if same else None

    def has(self, frame: int) -> bool:
        """Whether the frame was colored."""
        return frame in self._rows

    def at(self, frames: Iterable[int], device: torch.device) -> Tensor:
        """[K, C, h, w], float32, of these frames."""
        rows = np.stack([self._color[self._rows[frame]] for frame in frames])
        return torch.from_numpy(rows).to(device, torch.float32)

    def delete(self) -> None:
        """Free the disk."""
        del self._color
        _numbers_path(self.path).unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def color_backward(
    path: Path,
    frames: Iterator[tuple[int, Tensor]],
    steps: Callable[[Tensor], Tensor],
    batch: int,
    report: Callable[[int, int], None],
    channels: int = 2,
) -> StoredColor:
    """Color frames from the last to the first, and keep the color in a file.

    Their lightness is kept in a file beside it in the meantime, so memory does not grow with their number.

    Args:
        path: the file to write, completely or not at all.
        frames: numbers and lightness at the working size [1, h, w], in the film's order.
        steps: the network: lightness [K, 1, h, w] of the next K frames to [K, channels, h, w].
        batch: frames given to it at once.
        report: called with the frames done and their total.
    """
    lightness, part = path.with_suffix(".lightness.part"), path.with_suffix(".part")
    try:
        numbers, size, device = _write_lightness(lightness, frames)
        gray = np.memmap(lightness, np.float32, "r", shape=(len(numbers), 1, *size))
        color = np.lib.format.open_memmap(part, "w+", np.float16, (len(numbers), channels, *size))
        for end in range(len(numbers), 0, -batch):
            rows = slice(max(0, end - batch), end)
            working = torch.from_numpy(gray[rows][::-1].copy()).to(device)
            color[rows] = steps(working).half().cpu().numpy()[::-1]
            report(len(numbers) - rows.start, len(numbers))
        color.flush()
        _write_numbers(_numbers_path(path), list(zip(numbers, _crcs(color), strict=True)))
        del gray, color
        os.replace(part, path)
    finally:
        lightness.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return StoredColor(path)


def _write_lightness(path: Path, frames: Iterator[tuple[int, Tensor]]) -> tuple[list[int], Any, torch.device]:
    """float32 [1, h, w] of each, one after the other; the frames' numbers, (h, w), and the device they came from."""
    numbers, last = [], None
    file: BinaryIO
    with open(path, "wb") as file:
        for number, last in frames:
            file.write(last.float().cpu().contiguous().numpy().data)
            numbers.append(number)
    if last is None:
        raise ValueError("there is no frame to color")
    return numbers, (last.shape[-2], last.shape[-1]), last.device


def _crcs(color: NDArray[np.float16]) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(frame).data) for frame in color]


def _write_numbers(path: Path, numbers: list[tuple[int, int]]) -> None:
    array: NDArray[np.int64] = np.array(numbers, np.int64)
    with open(path, "wb") as file:
        np.save(file, array)


def _numbers_path(path: Path) -> Path:
    return path.with_suffix(".frames")
