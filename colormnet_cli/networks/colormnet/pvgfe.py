"""PVGFE: features of one frame, guided by a large pretrained vision model."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ColorMNetConfig
from .ops import channel_norm, conv3x3_of_upsampled, parts_of
from .transformer import VisionTransformer
from .trunk import Trunk

__all__ = ["PVGFE", "Features"]


class Features(NamedTuple):
    """What PVGFE says of B frames. The names are the strides of the full network."""

    f16: Tensor  # (B, 1024, h, w)
    f8: Tensor  # (B, 512, 2h, 2w)
    f4: Tensor  # (B, 256, 4h, 4w)

    def frame(self, i: int) -> Features:
        """The i-th frame alone, B = 1."""
        return Features(*(f[i : i + 1] for f in self))


class CrossChannelAttention(nn.Module):
    """Attention across channels: queries of one map, keys and values of another, pixels as the feature axis."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.to_q, self.to_k, self.to_v = (nn.Conv2d(dim, 2 * dim, 1) for _ in range(3))
        self.to_q_dw, self.to_k_dw, self.to_v_dw = (
            nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim) for _ in range(3)
        )
        self.out = nn.Conv2d(2 * dim, dim, 1)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Queries from source, keys and values from target: [B, C, H, W] each, to [B, C, H, W].

        Nothing but a sum over them connects the heads: those of large maps are computed a few at a time.
        """
        step = max(1, self.heads // parts_of(source, self.to_q.out_channels))
        out = self._of_heads(source, target, range(step))
        for first in range(step, self.heads, step):
            out += self._of_heads(source, target, range(first, min(first + step, self.heads)))
        return out

    def _of_heads(self, source: Tensor, target: Tensor, heads: range) -> Tensor:
        """What those heads add to the result, the first one also the bias."""
        B, _, H, W = source.shape
        q = _project(source, self.to_q, self.to_q_dw, self._channels(heads)).flatten(2).unflatten(1, (len(heads), -1))
        k = _project(target, self.to_k, self.to_k_dw, self._channels(heads)).flatten(2).unflatten(1, (len(heads), -1))
        # q [B, heads, 2C/heads, HW] is normalized after the product, where it is small; k before, or fp16 overflows in
        # large pictures.
        length = _length(k).to(k.dtype).clamp_min(torch.finfo(k.dtype).tiny)  # in fp16 the least length would be zero
        scores = (q @ (k / length).transpose(-1, -2)).float() / _length(q) * self.temperature[heads.start : heads.stop]
        del q, k  # the largest maps of a frame: v may have their room
        v = _project(target, self.to_v, self.to_v_dw, self._channels(heads))  # (B, 2C, H, W), of all heads
        attention = scores.softmax(dim=-1).to(v.dtype)
        # A linear map follows: fold the attention into it, and touch the pixels once.
        out = self.out.weight[:, self._channels(heads)].view(1, -1, len(heads), attention.shape[-1]).transpose(1, 2)
        folded = (out @ attention).transpose(1, 2).flatten(2)  # (B, C, 2C)
        bias = self.out.bias if heads.start == 0 else None
        if B == 1:
            return F.conv2d(v, folded[0, :, :, None, None], bias)
        x = (folded @ v.flatten(2)).unflatten(2, (H, W))
        return x if bias is None else x + bias.view(-1, 1, 1)

    def _channels(self, heads: range) -> slice:
        """Theirs among the projections' 2C."""
        dim = self.to_q.out_channels // self.heads
        return slice(dim * heads.start, dim * heads.stop)


def _project(x: Tensor, pointwise: nn.Conv2d, depthwise: nn.Conv2d, channels: slice) -> Tensor:
    """Some channels of a projection and its depthwise conv: [B, C, H, W] to [B, channels, H, W]."""
    x = F.conv2d(x, pointwise.weight[channels], pointwise.bias[channels])  # type: ignore[index]
    weight, bias = depthwise.weight[channels], depthwise.bias[channels]  # type: ignore[index]
    return F.conv2d(x, weight, bias, padding=1, groups=len(weight))


def _length(x: Tensor) -> Tensor:
    """Euclidean length along the last axis, in float32, kept: [..., C, HW] to [..., C, 1]."""
    if x.is_cuda:  # one pass, and no copy in float32; on a CPU it would take twice the time
        return torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).clamp_min(1e-12)
    return x.float().square().sum(-1, keepdim=True).sqrt().clamp_min(1e-12)


class Fusion(nn.Module):
    """One scale's joining of the transformer's map with the ResNet's."""

    def __init__(self, source_dim: int, dim: int, heads: int, factor: int):
        super().__init__()
        self.factor = factor  # how much finer this scale is than the transformer's map
        self.encode = nn.Conv2d(source_dim, dim, 3, padding=1)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.attention = CrossChannelAttention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, pretrained: Tensor, local: Tensor) -> Tensor:
        """The transformer's map [B, source, h, w] and the ResNet's [B, C, factor·h, factor·w] to [B, C, ...]."""
        e = conv3x3_of_upsampled(pretrained, self.encode, self.factor)
        attended = self.attention(channel_norm(e, self.norm1), channel_norm(local, self.norm2))
        return channel_norm(attended + e, self.norm3).relu_()


class PVGFE(nn.Module):
    """ResNet and transformer features of a frame, fused at three scales."""

    def __init__(self, config: ColorMNetConfig):
        super().__init__()
        self.trunk = Trunk(
            3,
            config.trunk_block,
            config.trunk_stem,
            config.stem_stride,
            config.trunk_widths,
            config.trunk_depths,
            config.coarse_step,
        )
        self.transformer = VisionTransformer(config)
        source = config.fusion_source
        self.reduce = nn.Conv2d(source, source, 1, bias=False)
        self.reduce_norm = nn.BatchNorm2d(source)
        factors = (1, config.coarse_step, 2 * config.coarse_step)
        scales = list(zip(reversed(config.trunk_widths), factors, strict=True))[: config.fused_maps]
        self.fuse = nn.ModuleList(Fusion(source, width, config.fusion_heads, factor) for width, factor in scales)

    def forward(self, x: Tensor) -> Features:
        """Lightness, normalized and repeated, [B, 3, H, W] with H and W padded, to its features."""
        local = self.trunk(x)[::-1]  # coarse to fine
        pretrained = self.guidance(x, size=local[0].shape[-2:])
        fused = [fuse(pretrained, r) for fuse, r in zip(self.fuse, local, strict=False)]
        return Features(*fused, *local[len(fused) :])

    def guidance(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """The pretrained model's map at the coarse stride: [B, source, h, w]."""
        x = self.reduce_norm(self.reduce(self.transformer(x))).relu_()
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
