"""Sizes of the preview network."""

from __future__ import annotations

from dataclasses import dataclass

from ..colormnet import ColorMNetConfig

__all__ = ["PreviewConfig"]


@dataclass(frozen=True)
class PreviewConfig(ColorMNetConfig):
    """Sizes of ColorMNet, and of what the preview adds to it."""

    exemplar_weight: float = 1.0  # an exemplar's element counts as so many in a read: its color alone is certain
    detail_dim: int = 0  # key channels for reading the exemplars' color at f4's resolution (detail.py); 0: not read
    guided: bool = False  # ab follows the edges of the lightness, and the error is predicted (guided.py)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exemplar_weight < 1:
            raise ValueError(f"exemplar_weight must be at least 1, got {self.exemplar_weight}")

    @property
    def value_channels(self) -> int:
        """Channels of one color channel's value in the memory: the learned ones, and its own ab."""
        return self.value_dim + 1
