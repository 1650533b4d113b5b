"""The color decoder: queries that look at the pixel decoder's maps, and say what each color is made of."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import DDColorConfig

__all__ = ["ColorDecoder", "sine_positions"]


class ColorDecoder(nn.Module):
    """Maps of stride 16, 8, 4 to one embedding per query: [B, queries, query_dim]."""

    def __init__(self, config: DDColorConfig):
        super().__init__()
        dim = config.query_dim
        self.content = nn.Embedding(config.queries, dim)
        self.position = nn.Embedding(config.queries, dim)
        self.level = nn.Embedding(len(config.decoder_widths), dim)
        self.project = nn.ModuleList(nn.Conv2d(width, dim, 1) for width in config.decoder_widths)
        self.cross_attention = nn.ModuleList(Attention(dim, config.heads) for _ in range(config.layers))
        self.self_attention = nn.ModuleList(Attention(dim, config.heads) for _ in range(config.layers))
        self.ffn = nn.ModuleList(FeedForward(dim, config.ffn_dim) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.embed = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, maps: list[Tensor]) -> Tensor:
        scales = [self._memory(x, level) for level, x in enumerate(maps)]
        queries = self.content.weight.repeat(len(maps[0]), 1, 1)  # (B, N, C)
        position = self.position.weight
        layers = zip(self.cross_attention, self.self_attention, self.ffn, strict=True)
        for i, (cross, own, ffn) in enumerate(layers):
            keys, values = scales[i % len(scales)]
            queries = cross(queries, queries + position, keys, values)
            queries = own(queries, queries + position, queries + position, queries)
            queries = ffn(queries)
        return self.embed(self.norm(queries))

    def _memory(self, x: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Keys and values of one scale: [B, hw, C] each; the keys know where they are."""
        h, w = x.shape[-2:]
        values = self.project[level](x).flatten(2).transpose(1, 2) + self.level.weight[level]
        return values + sine_positions(h, w, values.shape[-1], x.device).to(x.dtype), values


class Attention(nn.Module):
    """queries = LayerNorm(queries + attention)."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm = nn.LayerNorm(dim)

    def forward(self, queries: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.norm(queries + self.attention(q, k, v, need_weights=False)[0])


class FeedForward(nn.Module):
    """queries = LayerNorm(queries + MLP)."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, queries: Tensor) -> Tensor:
        return self.norm(queries + self.linear2(self.linear1(queries).relu_()))


def sine_positions(h: int, w: int, dim: int, device: torch.device) -> Tensor:
    """Where each pixel of a map is, from 0 to 2π: [h·w, dim], half of it for y, half for x, in sines and cosines."""
    pair = torch.arange(dim // 4, device=device) * 4 / dim
    frequencies = 10000**-pair

    def axis(size: int) -> Tensor:
        place = torch.arange(1, size + 1, device=device) / (size + 1e-6) * 2 * math.pi
        angles = place[:, None] * frequencies
        return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)  # (size, dim / 2), alternating

    y, x = axis(h)[:, None].expand(-1, w, -1), axis(w).expand(h, -1, -1)
    return torch.cat((y, x), dim=2).flatten(0, 1)
