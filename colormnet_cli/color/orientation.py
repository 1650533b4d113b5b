"""How a film's pictures are turned to be looked at: phones store them lying and say so beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Turn"]


@dataclass(frozen=True)
class Turn:
    """From the stored picture to the one that players show: rows and columns change places, then it is mirrored."""

    swapped: bool = False
    across: bool = False  # left and right change places
    down: bool = False  # top and bottom do

    @classmethod
    def of(cls, matrix: Sequence[int] | None) -> Turn:
        """The turn that comes nearest to a container's display matrix (nine numbers, row by row); None turns nothing.

        The matrix takes a stored pixel (column, row) to (a·column + c·row, b·column + d·row).
        """
        if matrix is None:
            return cls()
        a, b, _, c, d = matrix[:5]
        swapped = abs(b) + abs(c) > abs(a) + abs(d)
        return cls(swapped, across=(c if swapped else a) < 0, down=(b if swapped else d) < 0)

    def upright(self, picture: Tensor) -> Tensor:
        """A stored picture [..., H, W] as it is shown, [..., W, H] where rows and columns change places."""
        return self._mirrored(picture.transpose(-1, -2) if self.swapped else picture)

    def stored(self, picture: Tensor) -> Tensor:
        """The way back from `upright`."""
        mirrored = self._mirrored(picture)
        return mirrored.transpose(-1, -2) if self.swapped else mirrored

    def _mirrored(self, picture: Tensor) -> Tensor:
        axes = [axis for axis, mirrored in ((-1, self.across), (-2, self.down)) if mirrored]
        return picture.flip(axes) if axes else picture
