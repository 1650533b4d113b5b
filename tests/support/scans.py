"""Folders of scans for tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

HEIGHT, WIDTH = 48, 64


def rgb_frame(i: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """A picture whose content moves with the frame number, [H,W,3] RGB."""
    return cv2.resize(np.roll(data.astronaut()[:384], 16 * i, axis=1), (width, height), interpolation=cv2.INTER_AREA)


def gray_frame(i: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    return cv2.cvtColor(rgb_frame(i, height, width), cv2.COLOR_RGB2GRAY)


def folder_of(path: Path, count: int) -> Path:
    path.mkdir()
    for i in range(count):
        cv2.imwrite(str(path / f"scan{i}.png"), gray_frame(i))
    return path


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}
