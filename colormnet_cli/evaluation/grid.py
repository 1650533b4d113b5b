"""Several labeled pictures in one: side by side, or split by a line that moves."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..media.clips import Frame
from ..opencv import cv2
from ..wording import many

__all__ = ["Grid", "plan_grid"]

WIDEST = 3840  # pixels: what players and encoders support
GAP = 4  # pixels between tiles; even, for 4:2:0
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Grid:
    """The layout."""

    labels: tuple[str, ...]
    tile: tuple[int, int]  # H, W of each picture, even
    columns: int
    split: bool  # two pictures in one tile, divided by a line that moves
    period: int  # of the line, in frames

    @property
    def size(self) -> tuple[int, int]:
        """H, W of the grid, even."""
        height, width = self.tile
        if self.split:
            return height, width
        rows = math.ceil(len(self.labels) / self.columns)
        return rows * height + (rows - 1) * GAP, self.columns * width + (self.columns - 1) * GAP

    def draw(self, number: int, pictures: Sequence[Frame]) -> Frame:
        """Draw frame `number`: pictures [H, W, 3] of any size → [h, w, 3]."""
        tiles = [_fitted(picture, self.tile) for picture in pictures]
        if self.split:
            return self._split(number, *tiles)
        grid = np.zeros((*self.size, 3), np.uint8)
        height, width = self.tile
        for i, (label, tile) in enumerate(zip(self.labels, tiles, strict=True)):
            row, column = divmod(i, self.columns)
            top, left = row * (height + GAP), column * (width + GAP)
            place = grid[top : top + height, left : left + width]
            place[:] = tile
            _write(place, label)
        return grid

    def _split(self, number: int, ours: Frame, theirs: Frame) -> Frame:
        """`ours` left of the line, `theirs` right of it; the line cuts their labels as well."""
        _write(ours, self.labels[0])
        _write(theirs, self.labels[1], right=True)
        width = self.tile[1]
        line = round((width - 1) * (0.5 + 0.5 * math.sin(2 * math.pi * number / self.period)))
        theirs[:, :line] = ours[:, :line]
        theirs[:, max(0, line - 1) : line + 1] = 255
        return theirs


def plan_grid(
    labels: Sequence[str],
    size: tuple[int, int],
    *,
    split: bool = False,
    columns: int | None = None,
    width: int | None = None,
    period: int = 192,
) -> Grid:
    """Lay out pictures of one size (H, W).

    columns: None: up to three in a row, from four on about as many rows as columns.  width: maximum of the grid in
    pixels; None: WIDEST.  Raises UsageError if there is no room.
    """
    count = len(labels)
    if split and count != 2:
        raise UsageError(f"a moving line divides two pictures, not {count}: give two, or leave out `split`.")
    columns = 1 if split else columns or (count if count <= 3 else math.ceil(math.sqrt(count)))
    columns = min(columns, count)
    room = ((width or WIDEST) - (columns - 1) * GAP) / columns
    scale = min(1.0, room / size[1])
    height, across = max(2, 2 * round(size[0] * scale / 2)), max(2, 2 * math.floor(size[1] * scale / 2))
    if across < 16:
        raise UsageError(
            f"There is no room for {many(count, 'picture')} in {width or WIDEST} pixels: make the grid wider (`width`)."
        )
    return Grid(tuple(map(_ascii, labels)), (height, across), columns, split, max(2, period))


def _fitted(picture: Frame, size: tuple[int, int]) -> Frame:
    if picture.shape[:2] == size:
        return np.array(picture)
    smaller = picture.shape[0] > size[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=how), dtype=np.uint8)


def _ascii(label: str) -> str:
    """OpenCV draws ASCII only: é becomes e, other letters a question mark."""
    plain = unicodedata.normalize("NFKD", label)
    return "".join(c for c in plain if not unicodedata.combining(c)).encode("ascii", "replace").decode()


def _write(tile: Frame, label: str, right: bool = False) -> None:
    """Draw the label, white on a darkened corner, as large as the tile allows."""
    height, width = tile.shape[:2]
    scale = max(0.35, min(height, width) / 600)
    thick = max(1, round(scale * 1.6))
    (across, up), base = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    if across > 0.9 * width:  # a long name in a small tile
        scale *= 0.9 * width / across
        thick = max(1, round(scale * 1.6))
        (across, up), base = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    pad = max(4, round(10 * scale))
    box_h, box_w = min(height, up + base + 2 * pad), min(width, across + 2 * pad)
    left = width - box_w if right else 0
    box = tile[:box_h, left : left + box_w]
    box[:] = box // 3
    origin = (left + pad, pad + up)
    cv2.putText(tile, label, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, _BLACK, thick + 2, cv2.LINE_AA)
    cv2.putText(tile, label, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, _WHITE, thick, cv2.LINE_AA)
