"""LA: attention to a small window of the frame that was remembered last."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ColorMNetConfig
from .value_encoder import Key

__all__ = ["LocalAttention"]

_TILE = 7  # side of a tile of queries, at most


class LocalAttention(nn.Module):
    """Each pixel attends to the (2·radius + 1)² pixels around it in the last remembered frame.

    Queries are taken in tiles (7×7 in the full network) and compared with the keys that any of them may see, so that
    the cost grows with the picture's area. What a query may not see, beyond its window or the picture, is masked.
    """

    def __init__(self, config: ColorMNetConfig):
        super().__init__()
        dim = 2 * config.value_dim
        self.radius = config.local_radius
        whole = config.pad_multiple // config.stride  # maps are multiples of it
        self.tile = _TILE // whole * whole or _TILE
        self.relative = nn.Conv2d(config.key_dim, (2 * config.local_radius + 1) ** 2, 1)
        self.depthwise = nn.Conv2d(dim, dim, 5, padding=2, groups=dim, bias=False)
        self.projection = nn.Linear(dim, dim)

    def forward(self, query: Key, key: Tensor, value: Tensor) -> Tensor:
        """This frame's key, the last remembered one's key [B, Ck, h, w] and value [B, 2, Cv, h, w]; as that value."""
        return self.project(self.attend(query.key, key, value.flatten(1, 2)).view(value.shape))

    def project(self, attended: Tensor) -> Tensor:
        """What follows the attention, on both color channels together: [B, 2, Cv, h, w] to the same."""
        x = self.depthwise(attended.flatten(1, 2).to(self.depthwise.weight.dtype))
        return self.projection(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).reshape(attended.shape)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Weighted sums over windows: [B, Ck, h, w] twice and [B, C, h, w] to [B, C, h, w]."""
        B, C, h, w = value.shape
        rows, columns = -(-h // self.tile), -(-w // self.tile)
        query = F.pad(query, (0, columns * self.tile - w, 0, rows * self.tile - h))
        relative = F.conv2d(query.to(self.relative.weight.dtype), self.relative.weight, self.relative.bias).float()
        offset, inside = self._windows(h, w, query.device)
        q, bias = (_tiles(x, self.tile, 0, rows, columns) for x in (query, relative))  # (B·tiles, 49, Ck), (…, 49, 225)
        around = (_tiles(x, self.tile, self.radius, rows, columns) for x in (key, value))
        k, v = around  # (B·tiles, 21², Ck), (…, 21², C)
        logits = q @ k.transpose(1, 2) / query.shape[1] ** 0.5
        logits = logits + bias.gather(2, offset.expand(len(q), -1, -1))
        weights = logits.masked_fill(~inside.repeat(B, 1, 1), torch.finfo(logits.dtype).min).softmax(dim=2)
        out = weights.to(v.dtype) @ v  # (B·tiles, 49, C)
        out = out.view(B, rows, columns, self.tile, self.tile, C).permute(0, 5, 1, 3, 2, 4)
        return out.reshape(B, C, rows * self.tile, columns * self.tile)[:, :, :h, :w]

    def _windows(self, h: int, w: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """The window offset of each (query, key) of a tile [1, 49, 21²]; which pairs are allowed [tiles, 49, 21²]."""
        side, diameter = self.tile + 2 * self.radius, 2 * self.radius + 1
        step = torch.arange(side, device=device) - torch.arange(self.tile, device=device)[:, None]  # (7, 21)
        near = (step >= 0) & (step < diameter)
        step = step.clamp(0, diameter - 1)
        offset = step[:, None, :, None] * diameter + step[None, :, None, :]  # (qy, qx, ky, kx)
        seen = near[:, None, :, None] & near[None, :, None, :]

        def on_map(size: int) -> Tensor:
            first = torch.arange(0, size, self.tile, device=device)[:, None] - self.radius
            at = first + torch.arange(side, device=device)
            return (at >= 0) & (at < size)  # (tiles along this axis, 21)

        exists = on_map(h)[:, None, :, None] & on_map(w)[None, :, None, :]
        # Queries of the last tiles may lie beyond the map and see nothing. They are cropped, but a NaN would
        # spoil all gradients: so what is masked is the lowest number, not minus infinity.
        inside = seen.reshape(1, self.tile**2, side**2) & exists.reshape(-1, 1, side**2)
        return offset.reshape(1, self.tile**2, side**2), inside


def _tiles(x: Tensor, tile: int, margin: int, rows: int, columns: int) -> Tensor:
    """Overlapping tiles of a map [B, C, h, w], zeros beyond it: [B·rows·columns, (tile + 2·margin)², C]."""
    h, w = x.shape[-2:]
    x = F.pad(x, (margin, columns * tile - w + margin, margin, rows * tile - h + margin))
    side = tile + 2 * margin
    x = x.permute(0, 2, 3, 1).unfold(1, side, tile).unfold(2, side, tile)  # (B, rows, columns, C, side, side)
    return x.permute(0, 1, 2, 4, 5, 3).reshape(-1, side * side, x.shape[3])
