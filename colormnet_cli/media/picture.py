"""One picture of a folder that is colorized."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from .image_file import read_image

__all__ = ["Picture", "check_size", "open_picture"]


@dataclass(frozen=True, eq=False)
class Picture:
    """`pixels` [H, W, 3] RGB, uint8 or uint16; none where `problem` says why the file cannot be read."""

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


def open_picture(path: Path) -> Picture:
    """Read one. A damaged one gets a `problem`; an error of the file system is a MediaError."""
    try:
        return Picture(path, read_image(path))
    except MediaError as error:
        if isinstance(error.__cause__, OSError):  # such as a folder that vanished: the others cannot be read either
            raise
        return Picture(path, np.empty((0, 0, 3), np.uint8), problem=str(error))


def check_size(picture: Picture, first: Path, size: tuple[int, int]) -> None:
    """Raise a MediaError if a picture's size differs from that of the first one, `size` (H, W)."""
    if picture.size != size:
        raise MediaError(
            f"The picture {picture.path} is {picture.size[1]}×{picture.size[0]}, but {first.name} is "
            f"{size[1]}×{size[0]}; all pictures of a folder must have one size."
        )
