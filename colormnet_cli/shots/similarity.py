"""How much two frames differ, whatever moved, however bright they are: the measure behind all shot boundaries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..opencv import cv2

__all__ = ["Picture", "difference", "motion", "prepare"]

Picture = NDArray[np.float32]  # [h, w]

BLOCK = 20  # pixels of the small picture, about a third of its height
REACH = 10  # pixels that a block is searched around its place
FAR = 0.3  # added to the mismatch at a distance of REACH: matches nearby are more credible
SAME, OTHER = (
    0.2,
    0.7,
)  # mismatch, relative to the block's variance, up to which it is the same, and from which it is not
NOISE = 0.05  # variance of a prepared picture that may be noise
PLAIN = 0.02  # variance below which a block shows nothing
OUTSIDE = 99.0  # value beyond the border, which matches nothing

_y, _x = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
_DISTANCE = (FAR * np.hypot(_y, _x) / REACH).astype(np.float32)


def prepare(small: Picture) -> Picture:
    """A small luma picture without its mean, its gain, half of its slow variation, and most of its grain."""
    local = small - 0.5 * cv2.blur(small, (13, 13))
    local -= local.mean()
    return np.asarray(local / (local.std() + 2), np.float32)


def difference(before: Picture, after: Picture, enough: float = 0.0) -> float:
    """0: both show the same, perhaps moved or brighter; 1: they have nothing in common.

    Every block of `after` is looked for in `before`: at its place, around it, and around the place where a pan of the
    whole picture would have brought it. Blocks that a pan brought in from outside do not count.

    Args:
        before, after: prepared pictures of one size.
        enough: a difference below this need not be measured exactly.
    """
    height, width = after.shape
    old, new = _blocks(before), _blocks(after)
    variance = new.var((2, 3))
    moved = ((new - old) ** 2).mean((2, 3))
    counted = (np.maximum(variance, old.var((2, 3))) > PLAIN) | (moved > NOISE)
    mismatch = _graded(moved / (variance + NOISE))
    count = max(int(counted.sum()), 2)
    result = float(mismatch[counted].sum()) / count
    if result <= enough:
        return result
    todo = counted & (mismatch > 0)
    _search(before, new, variance, todo, mismatch)
    result = float(mismatch[counted].sum()) / count
    if result <= SAME:
        return result
    shift = _pan(before, after)
    if shift is None:
        return result
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    panned = cv2.warpAffine(
        before, matrix, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=OUTSIDE
    )
    inside = _inside(after.shape, shift)
    _search(np.asarray(panned, np.float32), new, variance, todo & inside, mismatch)
    counted &= inside
    return min(result, float(mismatch[counted].mean())) if counted.sum() >= 3 else result


def motion(before: Picture, after: Picture) -> float:
    """Mean squared difference of two prepared pictures, place by place: under 0.3 except in fast pans and at cuts."""
    return float(((after - before) ** 2).mean())


def _graded(mismatch: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip((mismatch - SAME) / (OTHER - SAME), 0, 1)


def _corner(shape: tuple[int, ...]) -> tuple[int, int]:
    """Of the first block: the blocks lie in the middle."""
    return shape[0] % BLOCK // 2, shape[1] % BLOCK // 2


def _blocks(picture: Picture) -> Picture:
    """[rows, columns, BLOCK, BLOCK]"""
    (top, left), (rows, columns) = _corner(picture.shape), (picture.shape[0] // BLOCK, picture.shape[1] // BLOCK)
    middle = picture[top : top + rows * BLOCK, left : left + columns * BLOCK]
    return middle.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)


def _search(
    before: Picture, blocks: Picture, variance: Picture, todo: NDArray[np.bool_], mismatch: NDArray[np.float32]
) -> None:
    """Look for some blocks around their places; lower their mismatch where they are found."""
    top, left = _corner(before.shape)
    wide = cv2.copyMakeBorder(before, REACH, REACH, REACH, REACH, cv2.BORDER_CONSTANT, value=OUTSIDE)
    for row, column in np.argwhere(todo):
        y, x = top + row * BLOCK, left + column * BLOCK
        window = wide[y : y + BLOCK + 2 * REACH, x : x + BLOCK + 2 * REACH]
        error = cv2.matchTemplate(window, np.ascontiguousarray(blocks[row, column]), cv2.TM_SQDIFF) / BLOCK**2
        best = (error / (variance[row, column] + NOISE) + _DISTANCE).min()
        mismatch[row, column] = min(mismatch[row, column], _graded(best))


def _pan(before: Picture, after: Picture) -> tuple[int, int] | None:
    """Shift (across, down) from `before` to `after`: where the middle of `after` was; None if near, or not found."""
    height, width = after.shape
    high, wide = int(height * 0.6), int(width * 0.4)
    top, left = (height - high) // 2, (width - wide) // 2
    middle = np.ascontiguousarray(after[top : top + high, left : left + wide])
    _, best, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(before, middle, cv2.TM_CCOEFF_NORMED))
    across, down = left - x, top - y
    return (across, down) if best >= 0.5 and max(abs(across), abs(down)) > 3 else None


def _inside(shape: tuple[int, ...], shift: tuple[int, int]) -> NDArray[np.bool_]:
    """Blocks that were in the picture before a pan."""
    (height, width), (top, left) = shape, _corner(shape)
    y = top + BLOCK * (np.arange(height // BLOCK) + 0.5) - shift[1]
    x = left + BLOCK * (np.arange(width // BLOCK) + 0.5) - shift[0]
    margin = 0.3 * BLOCK
    return ((y > margin) & (y < height - margin))[:, None] & ((x > margin) & (x < width - margin))[None]
