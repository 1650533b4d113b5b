"""Lightness from the luma plane, Cb and Cr planes from Lab.

Pure functions on tensors, on whatever device these are; every one takes a batch axis in front ([K, …]).
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from .lab import lab_to_rgb
from .planes import LUMA_WEIGHTS, PlaneFormat, Siting

__all__ = ["chroma_planes", "luma_to_lightness", "to_chroma_grid"]


def luma_to_lightness(y: Tensor, fmt: PlaneFormat) -> Tensor:
    """Lightness of a luma plane, as of a black-and-white film: R = G = B = Y′.

    Args:
        y: integer tensor [H,W] or [K,H,W], the plane as it came out of the decoder.

    Returns:
        float32 [1,H,W] or [K,1,H,W], L in 0…100; foot- and headroom of the limited range are clipped.
    """
    if y.ndim not in (2, 3) or y.is_floating_point():
        raise ValueError(f"y is {y.dtype} {tuple(y.shape)}, they must be integers [H,W] or [K,H,W]")
    # A plane has few different codes: a table costs nothing, a power for every pixel does (on a CPU).
    table = _lightness_table(fmt, y.device)
    return table.index_select(0, y.reshape(-1).to(torch.int32)).reshape(y.shape).unsqueeze(-3)


def chroma_planes(L_full: Tensor, ab_full: Tensor, fmt: PlaneFormat) -> tuple[Tensor, Tensor]:
    """The Cb and Cr planes of Lab(L, ab): Lab → sRGB, clipped → Y′CbCr of the film's matrix and range → chroma grid.

    Args:
        L_full: [1,H,W] or [K,1,H,W].
        ab_full: [2,H,W] or [K,2,H,W].

    Returns:
        (cb, cr), integers [⌈H/sy⌉,⌈W/sx⌉] or [K,…]: uint8 at 8 bits, int16 up to 15, int32 at 16.
    """
    kr, kb = LUMA_WEIGHTS[fmt.matrix]
    red, green, blue = lab_to_rgb(torch.cat([L_full, ab_full], dim=-3)).clamp(0, 1).unbind(-3)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = torch.stack([(blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))], dim=-3)
    if fmt.bits > 12:  # there, rounding shows: what has no color would be one code beside neutral
        chroma = chroma * (ab_full != 0).any(-3, keepdim=True)
    chroma = to_chroma_grid(chroma, fmt.subsampling, fmt.siting)
    top = 2**fmt.bits - 1
    codes = (chroma * fmt.chroma_span + 2 ** (fmt.bits - 1)).round().clamp(0, top)
    dtype = torch.uint8 if fmt.bits == 8 else torch.int16 if fmt.bits < 16 else torch.int32
    cb, cr = codes.to(dtype).unbind(-3)
    return cb, cr


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)
def _lightness_table(fmt: PlaneFormat, device: torch.device) -> Tensor:
    """L of every code [2ⁿ]."""
    codes = torch.arange(2**fmt.bits, dtype=torch.float32, device=device)
    return _gray_lightness(((codes - fmt.black) / fmt.luma_span).clamp(0, 1))


def _gray_lightness(gray: Tensor) -> Tensor:
    """L of R = G = B = gray (0…1), any shape."""
    linear = torch.where(gray > 0.04045, ((gray + 0.055) / 1.055) ** 2.4, gray / 12.92)
    f = torch.where(linear > 0.008856, linear.clamp(min=1e-4) ** (1 / 3), 7.787 * linear + 16 / 116)
    return (116 * f - 16).clamp(0, 100)


def to_chroma_grid(x: Tensor, step: tuple[int, int], siting: Siting) -> Tensor:
    """Average [..,C,H,W] onto the chroma grid; where the grid hangs over, the last row or column is repeated."""
    for dim, cosited in ((-1, siting in ("left", "topleft")), (-2, siting == "topleft")):
        s = step[0] if dim == -1 else step[1]
        if s == 1:
            continue
        # A sample on a luma sample is a triangle around it (1 2 1 for s = 2), one between them the mean of s.
        weights = [s - abs(i) for i in range(1 - s, s)] if cosited else [1] * s
        before = s - 1 if cosited else 0
        grid = -(-x.shape[dim] // s)
        after = (grid - 1) * s + len(weights) - before - x.shape[dim]
        sides = (before, max(after, 0))
        padded = F.pad(x, (*sides, 0, 0) if dim == -1 else (0, 0, *sides), mode="replicate")
        total = sum(weights)
        parts = [padded.narrow(dim, i, (grid - 1) * s + 1) for i in range(len(weights))]
        strided = [part[..., ::s] if dim == -1 else part[..., ::s, :] for part in parts]
        x = torch.stack([w / total * part for w, part in zip(weights, strided, strict=True)]).sum(0)
    return x
