"""Every width and depth of DDColor."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["SIZES", "DDColorConfig"]


@dataclass(frozen=True)
class DDColorConfig:
    """Sizes of one DDColor; the defaults are those of the published `tiny`."""

    # encoder: ConvNeXt, fine to coarse
    depths: tuple[int, int, int, int] = (3, 3, 9, 3)
    widths: tuple[int, int, int, int] = (96, 192, 384, 768)
    # pixel decoder, coarse to fine; the last is that of the full-size map too
    decoder_widths: tuple[int, int, int] = (512, 512, 256)
    # color decoder; the queries are as wide as the full-size map
    queries: int = 100
    layers: int = 9
    heads: int = 8
    ffn_dim: int = 2048

    def __post_init__(self) -> None:
        for field in fields(self):  # JSON and weight files give lists
            if isinstance(value := getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(value))
        if len(self.depths) != 4 or len(self.widths) != 4 or len(self.decoder_widths) != 3:
            raise ValueError(
                f"depths and widths must be four each and decoder_widths three, got {self.depths}, {self.widths}, "
                f"{self.decoder_widths}"
            )
        if self.query_dim % 4 or self.query_dim % self.heads:
            raise ValueError(
                f"the last of decoder_widths, {self.query_dim}, must divide by 4 and by {self.heads} heads"
            )

    @property
    def query_dim(self) -> int:
        """Channels of a query."""
        return self.decoder_widths[-1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a weight file."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


SIZES = {
    "tiny": DDColorConfig(),
    "large": DDColorConfig(depths=(3, 3, 27, 3), widths=(192, 384, 768, 1536)),
}
