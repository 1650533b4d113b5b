"""The decoder: features and what the memory says of them, to ab."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import ColorMNetConfig
from .fusion import FeatureFusion, GatedUpdate, ResidualBlock, joined, per_channel
from .ops import upsample
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


class Sharpening(nn.Module):
    """Replaces the coarse answer by the exemplar's own colour where that is to be trusted."""

    def __init__(self, fine: int, dim: int):
        super().__init__()
        self.weigh = nn.Conv2d(fine + 5, dim, 3, padding=1)  # and ab of the exemplar, the coarse answer, how they match
        self.out = nn.Conv2d(dim, 2, 3, padding=1)
        nn.init.zeros_(self.out.weight)  # half of each, to begin with
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, g4: Tensor, answer: Tensor, detail: Tensor) -> Tensor:
        """Map [B, 2, C, h4, w4], coarse answer [B, 2, h4, w4], what was read [B, 4, h4, w4]: ab/110 [B, 2, h4, w4]."""
        ab, match = detail.split((2, 2), dim=1)
        match = match[:, None].expand(-1, 2, -1, -1, -1)  # the same for a and b
        told = joined(torch.stack((ab, ab.flip(1), answer), dim=2), match)  # (B, 2, 5, h4, w4)
        x = per_channel(self.out, per_channel(self.weigh, joined(g4.relu(), told.to(g4.dtype))).relu_())
        trust, correction = x.float().unbind(2)
        return answer + trust.sigmoid() * (ab - answer) + correction


class Decoder(nn.Module):
    """Features, memory readout and hidden state to ab/110 at the picture's resolution."""

    def __init__(self, config: ColorMNetConfig):
        super().__init__()
        self.raw_ab, self.value_dim, self.scale = config.raw_ab, config.value_dim, 2 * config.stem_stride
        wide, middle, fine = config.decoder_widths
        f4, f8, f16 = config.trunk_widths
        colour_dim = config.value_dim + config.hidden_dim + 2 * config.raw_ab
        self.fuser = FeatureFusion(f16, colour_dim, wide, config.gate_reduction)
        self.up8 = Upsampling(f8, wide, middle, config.coarse_step)
        self.up4 = Upsampling(f4, middle, fine)
        logits = 2 if config.raw_ab else 1
        self.predict = nn.Conv2d(fine, logits, 3, padding=1)
        self.sharpen = Sharpening(fine, 16) if config.detail_dim else None
        self.step = config.coarse_step
        self.hidden_update = HiddenUpdate(
            config.decoder_widths, logits, config.update_dim, config.hidden_dim, config.coarse_step
        )

    def forward(
        self, f: Features, memory: Tensor, local: Tensor | None, hidden: Tensor, detail: Tensor | None = None, *,
        update_hidden: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Memory's and LA's answers [B, 2, Cv, h, w], hidden [B, 2, Ch, h, w]: ab/110 [B, 2, H, W], new hidden.

        A network with `detail_dim` wants what was read of the exemplars, [B, 4, h4, w4], as well.
        """
        readout = memory if local is None else memory + local
        raw = None
        if self.raw_ab:  # the remembered ab as the memory and as LA see it, apart
            raw = joined(memory[:, :, -1:], (memory if local is None else local)[:, :, -1:])
            readout = joined(readout[:, :, :-1], raw)
        g16 = self.fuser(f.f16, joined(readout, hidden))
        g8 = self.up8(f.f8, g16)
        g4 = self.up4(f.f4, g8)
        logits = per_channel(self.predict, g4.relu())  # (B, 2, 1, h4, w4), two where raw ab is there
        ab = self._answer(logits, raw, g4, detail)
        if update_hidden:
            hidden = self.hidden_update(g16, g8, g4, logits, hidden)
        return ab, hidden

    def _answer(self, logits: Tensor, raw: Tensor | None, g4: Tensor, detail: Tensor | None) -> Tensor:
        """Logits [B, 2, 1, h4, w4] to ab/110 [B, 2, H, W].

        With raw ab [B, 2, 2, h16, w16], the memory's and LA's, there are two logits: how the two are mixed, and what is
        added.
        """
        if raw is None:
            return upsample(logits[:, :, 0].float(), self.scale).tanh()
        finer = upsample(raw.flatten(0, 1).float(), 2 * self.step)  # the logits' resolution
        raw = finer.unflatten(0, raw.shape[:2])
        gate, correction = logits.float().unbind(2)
        gate = gate.sigmoid()
        blend = gate * raw[:, :, 0] + (1 - gate) * raw[:, :, 1] + correction
        if self.sharpen is not None:
            assert detail is not None
            blend = self.sharpen(g4, blend, detail)
        return upsample(blend, self.scale).clamp(-1, 1)
