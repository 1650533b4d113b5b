"""Every width and depth of the network. The defaults are the published checkpoint's."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["ColorMNetConfig"]


@dataclass(frozen=True)
class ColorMNetConfig:
    """Sizes of one ColorMNet; saved beside its weights. Tuples say which way they run."""

    # PVGFE: the ResNet trunk. A stem stride of 1 puts the same three maps at 1/8, 1/4, 1/2 instead of 1/16, 1/8, 1/4.
    stem_stride: int = 2
    coarse_step: int = 2  # stride of the last stage; 1 leaves the coarse map at the middle one's resolution
    trunk_block: str = "bottleneck"  # or "basic"
    trunk_stem: int = 64
    trunk_widths: tuple[int, int, int] = (256, 512, 1024)  # fine to coarse: f4, f8, f16
    trunk_depths: tuple[int, int, int] = (3, 4, 6)
    # PVGFE: the transformer (DINOv2 ViT-S/14) and the fusion with it
    vit_patch: int = 14
    vit_dim: int = 384
    vit_depth: int = 12
    vit_heads: int = 6
    vit_mlp: int = 4  # hidden width of the MLP, in vit_dim
    vit_grid: int = 37  # rows and columns of the stored position grid
    vit_taken: tuple[int, ...] = (8, 9, 10, 11)  # blocks whose outputs are used
    fusion_heads: int = 8
    fused_maps: int = 3  # how many of the trunk's maps are joined with the transformer's, coarse first
    # keys and values of the memory
    key_dim: int = 64
    value_dim: int = 512
    value_stem: int = 64
    value_widths: tuple[int, int, int] = (64, 128, 256)
    value_depths: tuple[int, int, int] = (2, 2, 2)
    hidden_dim: int = 64
    # local attention: a window of (2·radius + 1)² around each pixel
    local_radius: int = 7
    # decoder
    decoder_widths: tuple[int, int, int] = (512, 256, 256)  # coarse to fine
    update_dim: int = 256  # what the decoder's maps are brought to before they renew the hidden state
    gate_reduction: int = 16  # of the channel gates (CBAM)

    def __post_init__(self) -> None:
        for field in fields(self):  # JSON and weight files give lists
            if isinstance(value := getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(value))
        if self.stem_stride not in (1, 2):
            raise ValueError(f"stem_stride must be 1 or 2, got {self.stem_stride}")
        if self.coarse_step not in (1, 2):
            raise ValueError(f"coarse_step must be 1 or 2, got {self.coarse_step}")
        if self.trunk_block not in ("bottleneck", "basic"):
            raise ValueError(f"trunk_block must be 'bottleneck' or 'basic', got {self.trunk_block!r}")
        if self.vit_dim % self.vit_heads:
            raise ValueError(f"vit_dim {self.vit_dim} is not a multiple of vit_heads {self.vit_heads}")
        if not self.vit_taken or not all(0 <= block < self.vit_depth for block in self.vit_taken):
            raise ValueError(f"vit_taken {self.vit_taken} must name blocks 0..{self.vit_depth - 1}")
        if self.fused_maps not in (1, 2, 3):
            raise ValueError(f"fused_maps must be 1, 2 or 3, got {self.fused_maps}")
        if any(2 * width % self.fusion_heads for width in self.trunk_widths):
            raise ValueError(f"twice each of trunk_widths {self.trunk_widths} must divide by {self.fusion_heads} heads")

    @property
    def stride(self) -> int:
        """Pixels a side that one element of the memory stands for."""
        return 4 * self.stem_stride * self.coarse_step

    @property
    def pad_multiple(self) -> int:
        """Pictures are padded to a multiple of this: whole patches and whole strides."""
        return math.lcm(self.vit_patch, self.stride)

    @property
    def fusion_source(self) -> int:
        """Channels of the transformer's map."""
        return self.vit_dim * len(self.vit_taken)

    @property
    def value_channels(self) -> int:
        """Channels of one color channel's value in the memory."""
        return self.value_dim

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a weight file."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
