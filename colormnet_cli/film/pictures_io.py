"""Pictures read ahead of the network and written behind it, a bounded number of them at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..media.image_file import read_image, write_png

__all__ = ["Picture", "Writer", "check_size", "open_picture", "read_ahead"]


@dataclass(frozen=True, eq=False)
class Picture:
    """One of a folder: `pixels` [H,W,3] RGB, uint8 or uint16; none where `problem` says why it is unreadable."""

    path: Path
    pixels: NDArray[Any]
    problem: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def bits(self) -> int:
        """8 or 16"""
        return self.pixels.dtype.itemsize * 8


def check_size(picture: Picture, first: Path, size: tuple[int, int]) -> None:
    """A MediaError where a picture has another size than the first one, `size` (H, W)."""
    if picture.size != size:
        raise MediaError(
            f"The picture {picture.path} is {picture.size[1]}×{picture.size[0]}, but {first.name} is "
            f"{size[1]}×{size[0]}; all pictures of a folder must have one size."
        )


def read_ahead(paths: Sequence[Path], ahead: int, workers: int = 2) -> Generator[Picture, None, None]:
    """The pictures in order, `ahead` of them being read while the caller works on another.

    Raises:
        MediaError: the file system says no; a picture that is merely damaged comes as one with a `problem`.
    """
    pool = ThreadPoolExecutor(workers, "read")
    waiting: deque[Future[Picture]] = deque()
    rest = iter(paths)
    try:
        while True:
            waiting.extend(pool.submit(open_picture, path) for path in islice(rest, ahead - len(waiting)))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def open_picture(path: Path) -> Picture:
    """Read one; a damaged one comes with a `problem`, a file system that says no is a MediaError."""
    try:
        return Picture(path, read_image(path))
    except MediaError as error:
        if isinstance(error.__cause__, OSError):  # the folder vanished, say: none of the others will be read either
            raise
        return Picture(path, np.empty((0, 0, 3), np.uint8), problem=str(error))


class Writer:
    """Writes PNG files in the background; an error of an earlier one is raised by the next call."""

    def __init__(self, waiting: int, workers: int = 2) -> None:
        self._pool = ThreadPoolExecutor(workers, "write")
        self._waiting: deque[Future[None]] = deque()
        self._most = waiting

    def write(self, path: Path, pixels: NDArray[Any]) -> None:
        """Give one to be written; waits where too many are under way."""
        self._waiting.append(self._pool.submit(write_png, path, pixels))
        while len(self._waiting) > self._most:
            self._waiting.popleft().result()

    def flush(self) -> None:
        """Wait until all of them are on the disk."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """Give up what has not begun; pictures appear whole or not at all."""
        self._pool.shutdown(cancel_futures=True)
