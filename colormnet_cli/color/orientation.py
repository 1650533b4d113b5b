"""The orientation of a film's frames: phones store them rotated, with a display matrix beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Orientation"]


@dataclass(frozen=True)
class Orientation:
    """From the stored frame to the one that players show: transposed, then mirrored."""

    transposed: bool = False
    flipped_x: bool = False  # left and right are exchanged
    flipped_y: bool = False  # top and bottom are exchanged

    @classmethod
    def of(cls, matrix: Sequence[int] | None) -> Orientation:
        """The orientation nearest to a container's display matrix (nine numbers, row by row); None: upright.

        The matrix maps a stored pixel (column, row) to (a·column + c·row, b·column + d·row).
        """
        if matrix is None:
            return cls()
        a, b, _, c, d = matrix[:5]
        transposed = abs(b) + abs(c) > abs(a) + abs(d)
        return cls(transposed, flipped_x=(c if transposed else a) < 0, flipped_y=(b if transposed else d) < 0)

    def upright(self, frame: Tensor) -> Tensor:
        """A stored frame [..., H, W] as it is shown; [..., W, H] where it is transposed."""
        return self._flipped(frame.transpose(-1, -2) if self.transposed else frame)

    def stored(self, frame: Tensor) -> Tensor:
        """The inverse of `upright`."""
        flipped = self._flipped(frame)
        return flipped.transpose(-1, -2) if self.transposed else flipped

    def _flipped(self, frame: Tensor) -> Tensor:
        axes = [axis for axis, flipped in ((-1, self.flipped_x), (-2, self.flipped_y)) if flipped]
        return frame.flip(axes) if axes else frame
