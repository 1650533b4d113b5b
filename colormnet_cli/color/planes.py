"""The format of a film's planes, and the size at which the network works: plain numbers, no tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LUMA_WEIGHTS", "PlaneFormat", "working_size"]

Matrix = Literal["bt601", "bt709", "bt2020"]
Siting = Literal["left", "topleft", "center"]

# Kr, Kb of Y′ = Kr R′ + (1 − Kr − Kb) G′ + Kb B′
LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


@dataclass(frozen=True)
class PlaneFormat:
    """How a film's planes hold Y′, Cb and Cr.

    Args:
        bits: bits a sample, 8 to 16.
        full_range: 0…2ⁿ−1 (True) or 16…235 and 16…240, scaled (False).
        matrix: "bt601", "bt709" or "bt2020" (non-constant luminance).
        subsampling: luma samples per chroma sample across and down: 4:2:0 is (2, 2), 4:2:2 (2, 1), 4:4:4 (1, 1).
        siting: where a chroma sample lies among its luma samples: "left" (MPEG-2, H.264), "topleft", "center" (JPEG).
    """

    bits: int = 8
    full_range: bool = False
    matrix: Matrix = "bt709"
    subsampling: tuple[int, int] = (2, 2)
    siting: Siting = "left"

    def __post_init__(self) -> None:
        if not 8 <= self.bits <= 16:
            raise ValueError(f"bits is {self.bits}, it must be 8 to 16")
        if self.matrix not in LUMA_WEIGHTS:
            raise ValueError(f"matrix is {self.matrix!r}, it must be one of {', '.join(LUMA_WEIGHTS)}")
        if self.siting not in ("left", "topleft", "center"):
            raise ValueError(f"siting is {self.siting!r}, it must be left, topleft or center")
        if len(self.subsampling) != 2 or any(s not in (1, 2, 4) for s in self.subsampling):
            raise ValueError(f"subsampling is {self.subsampling}, it must be two of 1, 2 and 4")

    @property
    def black(self) -> float:
        """The code of Y′ = 0."""
        return 0.0 if self.full_range else 16.0 * 2 ** (self.bits - 8)

    @property
    def luma_span(self) -> float:
        """How many codes lie between Y′ = 0 and Y′ = 1."""
        return float(2**self.bits - 1) if self.full_range else 219.0 * 2 ** (self.bits - 8)

    @property
    def chroma_span(self) -> float:
        """How many codes lie between Cb = −½ and Cb = ½."""
        return float(2**self.bits - 1) if self.full_range else 224.0 * 2 ** (self.bits - 8)


def working_size(size: tuple[int, int], working: int | Literal["source"], multiple: int = 1) -> tuple[int, int]:
    """The (height, width) at which the network works.

    Args:
        size: (H, W) of the film.
        working: length of the shorter side, which never enlarges; "source" leaves the size as it is.
        multiple: both sides become the nearest multiples of it.
    """
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"size is {size}, they must be a height and a width of at least 1")
    if working != "source" and (not isinstance(working, int) or working < 1):
        raise ValueError(f'working is {working!r}, it must be a number of pixels or "source"')
    shorter = min(height, width)
    side = shorter if working == "source" else min(working, shorter)
    return _nearest(height * side / shorter, multiple), _nearest(width * side / shorter, multiple)


def _nearest(side: float, multiple: int) -> int:
    return multiple * max(1, round(side / multiple))
