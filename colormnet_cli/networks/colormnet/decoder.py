"""The decoder: features and what the memory says of them, to ab."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import ColorMNetConfig
from .fusion import FeatureFusion, GatedUpdate, ResidualBlock, joined, per_channel
from .ops import parts_of, upsample
from .pvgfe import Features

__all__ = ["Decoder"]


class Upsampling(nn.Module):
    """One step to a finer scale: the frame's features there, plus what came from below."""

    def __init__(self, skip_dim: int, dim_in: int, dim: int, factor: int = 2):
        super().__init__()
        self.factor = factor
        self.skip = nn.Conv2d(skip_dim, dim_in, 3, padding=1)
        self.block = ResidualBlock(dim_in, dim)

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """[B, F, 2h, 2w] and [B, 2, C, h, w] to [B, 2, C', 2h, 2w]."""
        return self.block.forward_skip(self.skip(skip), coarse, factor=self.factor)


class HiddenUpdate(nn.Module):
    """Renews the hidden state by the decoder's maps of three scales."""

    def __init__(self, widths: tuple[int, int, int], logits: int, dim: int, hidden_dim: int, step: int = 2):
        super().__init__()
        self.step = step
        self.from16 = nn.Conv2d(widths[0], dim, 1)
        self.from8 = nn.Conv2d(widths[1], dim, 1)
        self.from4 = nn.Conv2d(widths[2] + logits, dim, 1)
        self.update = GatedUpdate(dim, hidden_dim)

    def forward(self, g16: Tensor, g8: Tensor, g4: Tensor, logits: Tensor, hidden: Tensor) -> Tensor:
        """Maps [B, 2, C, …] at strides 16, 8, 4, 4 and the hidden state [B, 2, Ch, h, w] to the new one."""
        g8 = per_channel(nn.AvgPool2d(self.step), g8)
        g4, logits = (per_channel(nn.AvgPool2d(2 * self.step), g) for g in (g4, logits))
        news = per_channel(self.from16, g16) + per_channel(self.from8, g8) + per_channel(self.from4, joined(g4, logits))
        return self.update(news, hidden)


class Decoder(nn.Module):
    """Features, memory readout and hidden state to ab/110 at the picture's resolution.

    Args:
        extra: channels of the readout beyond `config.value_dim`.
        logits: of each color channel at 1/4 of the resolution.
    """

    def __init__(self, config: ColorMNetConfig, extra: int = 0, logits: int = 1):
        super().__init__()
        self.scale = 2 * config.stem_stride  # from the finest map to the picture
        wide, middle, fine = config.decoder_widths
        f4, f8, f16 = config.trunk_widths
        self.fuser = FeatureFusion(f16, config.value_dim + extra + config.hidden_dim, wide, config.gate_reduction)
        self.up8 = Upsampling(f8, wide, middle, config.coarse_step)
        self.up4 = Upsampling(f4, middle, fine)
        self.predict = nn.Conv2d(fine, logits, 3, padding=1)
        self.hidden_update = HiddenUpdate(
            config.decoder_widths, logits, config.update_dim, config.hidden_dim, config.coarse_step
        )

    def forward(self, f: Features, readout: Tensor, hidden: Tensor, *, update_hidden: bool) -> tuple[Tensor, Tensor]:
        """Features, readout [B, 2, Cv, h, w] and hidden [B, 2, Ch, h, w] to ab/110 [B, 2, H, W] and the new hidden."""
        g16, g8, g4, logits = self.maps(f, readout, hidden)
        ab = upsample(logits[:, :, 0].float(), self.scale).tanh()
        return ab, self.hidden_update(g16, g8, g4, logits, hidden) if update_hidden else hidden

    def maps(self, f: Features, readout: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The decoder's maps at strides 16, 8 and 4, and the logits [B, 2, logits, h4, w4]."""
        g16 = self.fuser(f.f16, joined(readout, hidden))
        g8 = self.up8(f.f8, g16)
        g4 = self.up4(f.f4, g8)
        maps = g4.flatten(0, 1)
        step = -(-len(maps) // parts_of(maps, maps.shape[1]))
        logits = torch.cat([self.predict(part.relu()) for part in maps.split(step)])
        return g16, g8, g4, logits.unflatten(0, g4.shape[:2])
