"""Channels, width and depth of the network. The defaults are the paper's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["BlindConsistencyConfig"]


@dataclass(frozen=True)
class BlindConsistencyConfig:
    """Sizes of one network; saved beside its weights."""

    channels_in: int = 12  # P_t, O_{t-1}, I_t and I_{t-1} together
    channels_out: int = 3  # of P and of O each; the rest of channels_in is halved between I_t and I_{t-1}
    width: int = 32  # of the maps at full size; twice as many at 1/2, four times as many at 1/4
    blocks: int = 5  # residual blocks

    def __post_init__(self) -> None:
        if min(self.channels_out, self.width, self.blocks) < 1 or self.guide < 1 or self.channels_in % 2:
            raise ValueError(
                "channels_in must be twice channels_out and twice the guide's channels, and all sizes positive, got "
                f"{self}"
            )

    @property
    def guide(self) -> int:
        """Channels of I, the film that does not flicker."""
        return (self.channels_in - 2 * self.channels_out) // 2

    @property
    def pad_multiple(self) -> int:
        """Frames are padded to multiples of this."""
        return 4

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a weight file."""
        return asdict(self)
