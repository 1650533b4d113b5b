"""Masks: images that say which parts of a frame stay neutral."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..files import not_found
from .image_file import read_image, read_opacity

__all__ = ["check_masks", "read_mask"]


def read_mask(path: str | Path) -> NDArray[np.float32]:
    """How far each pixel is protected [H, W], 0 to 1: the image's gray value, white is 1. What is transparent is black.

    Raises:
        MediaError: it cannot be read, or protects nothing.
    """
    if not Path(path).exists():
        raise MediaError(f"The mask {not_found(Path(path))}")
    pixels, opacity = read_image(path), read_opacity(path)
    mask: NDArray[np.float32] = pixels.mean(-1, dtype=np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if opacity is not None and opacity.shape == mask.shape:
        mask *= opacity
    if not mask.any():
        raise MediaError(f"The mask {path} protects nothing: paint white what is to stay neutral.")
    return mask


def check_masks(paths: Sequence[str], size: tuple[int, int]) -> None:
    """Raise a MediaError if a mask cannot be read, or has not the size (H, W) that frames have as they are shown."""
    for path in paths:
        height, width = read_mask(path).shape
        if (height, width) != size:
            raise MediaError(
                f"The mask {path} is {width}×{height}, but the frames are {size[1]}×{size[0]} as they are shown: draw "
                "it on one of them."
            )
