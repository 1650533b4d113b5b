"""The decoder of the preview: it mixes remembered colors, and sharpens the result by the exemplar's own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..colormnet import Features
from ..colormnet.decoder import Decoder
from ..colormnet.fusion import joined, per_channel
from ..colormnet.ops import upsample
from .config import PreviewConfig
from .guided import GuidedUpsampling

__all__ = ["Answer", "DetailedReadout", "PreviewDecoder"]

_SHARPENING_DIM = 16
_USUAL_ERROR = 0.03  # of ab/110, where the network says nothing
_MOST_DOUBT = 4.0  # and at most so many times e more or less


class DetailedReadout(NamedTuple):
    """A `Readout`, the exemplars' color at f4's resolution, and the frame's lightness."""

    memory: Tensor  # (B, 2, Cv + 1, h, w)
    local: Tensor | None
    detail: Tensor | None  # (B, 4, h4, w4); None for a network without `detail_dim`
    L: Tensor  # (B, 1, H, W)


class Answer(NamedTuple):
    """What the decoder says of a frame."""

    ab: Tensor  # ab/110 (B, 2, H, W)
    hidden: Tensor
    error: Tensor | None  # the mean error of ab/110 that is expected (B, 1, h4, w4); None for a network not `guided`


class Sharpening(nn.Module):
    """Replaces the coarse answer by the exemplar's own color where that can be trusted."""

    def __init__(self, fine: int, dim: int):
        super().__init__()
        self.weigh = nn.Conv2d(fine + 5, dim, 3, padding=1)  # and ab of the exemplar, the coarse answer, the match
        self.out = nn.Conv2d(dim, 2, 3, padding=1)
        nn.init.zeros_(self.out.weight)  # half of each, to begin with
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, g4: Tensor, answer: Tensor, detail: Tensor) -> Tensor:
        """Map [B, 2, C, h4, w4], coarse answer [B, 2, h4, w4], detail [B, 4, h4, w4] to ab/110 [B, 2, h4, w4]."""
        ab, match = detail.split((2, 2), dim=1)
        match = match[:, None].expand(-1, 2, -1, -1, -1)  # the same for a and b
        seen = joined(torch.stack((ab, ab.flip(1), answer), dim=2), match)  # (B, 2, 5, h4, w4)
        x = per_channel(self.out, per_channel(self.weigh, joined(g4.relu(), seen.to(g4.dtype))).relu_())
        trust, correction = x.float().unbind(2)
        return answer + trust.sigmoid() * (ab - answer) + correction


class PreviewDecoder(Decoder):
    """Logits of each color channel: how the memory's and LA's remembered ab are mixed, what is added, the doubt."""

    def __init__(self, config: PreviewConfig) -> None:
        super().__init__(config, extra=2, logits=3 if config.guided else 2)
        self.coarse_step = config.coarse_step
        self.sharpen = Sharpening(config.decoder_widths[-1], _SHARPENING_DIM) if config.detail_dim else None
        self.guided = GuidedUpsampling(self.scale) if config.guided else None

    def decode(self, f: Features, readout: DetailedReadout, hidden: Tensor, update: bool) -> Answer:
        """Features, readout and the hidden state [B, 2, Ch, h, w], which is renewed with `update`."""
        memory, local = readout.memory, readout.local
        other = memory if local is None else local
        raw = joined(memory[:, :, -1:], other[:, :, -1:])  # (B, 2, 2, h, w): remembered ab
        combined = memory if local is None else memory + local
        g16, g8, g4, logits = self.maps(f, joined(combined[:, :, :-1], raw), hidden)
        finer = upsample(raw.flatten(0, 1).float(), 2 * self.coarse_step).unflatten(0, raw.shape[:2])
        gate, correction, *doubt = logits.float().unbind(2)
        gate = gate.sigmoid()
        blend = gate * finer[:, :, 0] + (1 - gate) * finer[:, :, 1] + correction
        if self.sharpen is not None:
            if readout.detail is None:
                raise ValueError("this network reads detail from its exemplars, and none came")
            blend = self.sharpen(g4, blend, readout.detail)
        error = None
        if self.guided is None:
            ab = upsample(blend, self.scale)
        else:
            log_error = doubt[0].mean(1, keepdim=True)
            # Limited, with the gradient of one that is not: what is beyond the limits can come back.
            log_error = log_error + (log_error.clamp(-_MOST_DOUBT, _MOST_DOUBT) - log_error).detach()
            ab, error = self.guided(blend, readout.L, log_error.detach()), _USUAL_ERROR * log_error.exp()
        return Answer(ab.clamp(-1, 1), self.hidden_update(g16, g8, g4, logits, hidden) if update else hidden, error)
