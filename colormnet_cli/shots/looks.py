"""What the detector keeps of a frame: a small picture of its luma and a few measures of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..opencv import cv2
from .similarity import Picture, prepare

__all__ = ["COARSE", "EDGES", "Look", "look_at"]

SHORT_SIDE = 54  # pixels of the small picture, about
COARSE = (14, 24)  # rows, columns
EDGES = (9, 16)


@dataclass(frozen=True)
class Look:
    """One frame, made small; luma in codes of 8 bits."""

    picture: Picture  # [h, w], prepared for `difference`
    coarse: Picture  # [14 · 24], the luma without its mean
    edges: Picture  # [9 · 16], mean strength of the edges in each part
    level: float  # mean luma
    spread: float  # standard deviation of the coarse luma; near 0 where the frame is plain
    fine: float  # variance of the fine detail


def look_at(luma: NDArray[Any], bits: int = 8) -> Look:
    """Reduce a luma plane [H, W] of any size and bit depth."""
    height, width = luma.shape
    step = max(1, round(min(height, width) / SHORT_SIDE))
    high, wide = max(1, height // step), max(1, width // step)
    small = cv2.resize(luma[: high * step, : wide * step], (wide, high), interpolation=cv2.INTER_AREA)
    small = np.asarray(small, np.float32) / 2.0 ** (bits - 8)
    small = _at_least(cv2.GaussianBlur(small, (0, 0), 1.2))
    coarse = _mean(small, COARSE)
    edges = cv2.magnitude(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)) / 8
    level = float(coarse.mean())
    return Look(
        picture=prepare(small),
        coarse=coarse - level,
        edges=_mean(np.asarray(edges, np.float32), EDGES),
        level=level,
        spread=float(coarse.std()),
        fine=float((small - cv2.blur(small, (7, 7))).var()),
    )


def _at_least(small: Any) -> Picture:
    """Enlarged where a side has too few pixels to be divided into blocks."""
    height, width = small.shape
    if min(height, width) < 40:
        small = cv2.resize(small, (max(40, width), max(40, height)), interpolation=cv2.INTER_LINEAR)
    return np.asarray(small, np.float32)


def _mean(picture: Picture, size: tuple[int, int]) -> Picture:
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.float32).ravel()
