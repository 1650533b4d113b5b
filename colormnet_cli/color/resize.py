"""Resizing images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["bilinear", "resize"]


def resize(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """[C,H,W] or [K,C,H,W] at another size (h, w), antialiased; the picture itself where it has that size."""
    return bilinear(picture, size, antialias=True)


def bilinear(x: Tensor, size: tuple[int, int], antialias: bool = False) -> Tensor:
    """Bilinear [..,C,H,W] → [..,C,h,w]; `x` itself where it has that size."""
    if x.shape[-2:] == size:
        return x
    flat = x.reshape(-1, *x.shape[-3:])
    return F.interpolate(flat, size, mode="bilinear", align_corners=False, antialias=antialias).reshape(
        *x.shape[:-2], *size
    )
