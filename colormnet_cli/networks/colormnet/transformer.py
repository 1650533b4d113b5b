"""The large pretrained vision model of PVGFE: DINOv2's ViT, as far as its features are needed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ColorMNetConfig
from .ops import attend

__all__ = ["VisionTransformer"]


class Attention(nn.Module):
    """Multi-head self-attention with one projection for q, k and v."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [B, N, C] to the same."""
        B, N, C = x.shape
        qkv = self.qkv(x).view(B, N, 3, self.heads, C // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, N, C/heads]
        x = attend(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(B, N, C))


class Block(nn.Module):
    """Pre-norm attention and MLP, each scaled per channel (LayerScale)."""

    def __init__(self, dim: int, heads: int, mlp: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.scale1 = nn.Parameter(torch.full((dim,), 1e-5))
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, mlp * dim), "fc2": nn.Linear(mlp * dim, dim)})
        self.scale2 = nn.Parameter(torch.full((dim,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.scale1 * self.attn(self.norm1(x))
        return x + self.scale2 * self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class VisionTransformer(nn.Module):
    """A ViT with a class token and a square grid of positions, resized to the picture's."""

    def __init__(self, config: ColorMNetConfig):
        super().__init__()
        dim = config.vit_dim
        self.grid, self.taken = config.vit_grid, config.vit_taken
        self.patches = nn.Conv2d(3, dim, config.vit_patch, stride=config.vit_patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(torch.empty(1, 1 + config.vit_grid**2, dim))
        if not self.positions.is_meta:  # where PyTorch would import its compiler for it: 160 MB, and a second
            nn.init.normal_(self.positions, std=0.02)
        self.blocks = nn.ModuleList(Block(dim, config.vit_heads, config.vit_mlp) for _ in range(config.vit_depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """A picture [B, 3, H, W] to the taken blocks' maps, one behind the other: [B, taken·dim, H/patch, W/patch]."""
        x = self.patches(x)
        rows, columns = x.shape[-2:]
        x = torch.cat((self.class_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)), dim=1)  # [B, 1+rc, C]
        x = x + self.positions_for(rows, columns)
        maps = []
        for i, block in enumerate(self.blocks[: max(self.taken) + 1]):
            x = block(x)
            if i in self.taken:
                maps.append(self.norm(x)[:, 1:])
        return torch.cat(maps, dim=2).transpose(1, 2).unflatten(2, (rows, columns))

    def positions_for(self, rows: int, columns: int) -> Tensor:
        """The position grid for a picture of that many patches, class token first: [1, 1 + rows·columns, C]."""
        if (rows, columns) == (self.grid, self.grid):
            return self.positions
        stored = self.positions[:, 1:].transpose(1, 2).unflatten(2, (self.grid, self.grid))
        # By scale factor and with the 0.1, as the weights were trained: the sampling points depend on it.
        factors = ((rows + 0.1) / self.grid, (columns + 0.1) / self.grid)
        resized = F.interpolate(stored.float(), scale_factor=factors, mode="bicubic", align_corners=False)
        return torch.cat((self.positions[:, :1], resized.to(stored).flatten(2).transpose(1, 2)), dim=1)
