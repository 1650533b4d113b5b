"""The width of the three networks. The default is the paper's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["DeepExemplarConfig"]


@dataclass(frozen=True)
class DeepExemplarConfig:
    """The size of one network; saved beside its weights."""

    width: int = 64  # of VGG-19's first maps; every other width is half of it, or twice, four or eight times as much

    def __post_init__(self) -> None:
        if self.width < 2 or self.width % 2:
            raise ValueError(f"width must be even and positive, got {self.width}")

    @property
    def pad_multiple(self) -> int:
        """What the sides of pictures are multiples of."""
        return 8

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a weight file."""
        return asdict(self)
