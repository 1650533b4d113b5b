"""Between a film's planes and the network: L out of the luma plane, ab at full size, Cb and Cr planes.

Pure functions on tensors, on whatever device these are; every one takes a batch axis in front ([K,…]).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .lab import lab_to_rgb
from .planes import LUMA_WEIGHTS, PlaneFormat, Siting

__all__ = ["chroma_planes", "luma_to_lightness", "resize", "upsample_ab"]

_FLAT, _GRAIN = 0.5, 8.0  # a window is flat where the variance of L is under 0.5 + 8 × that of the quieter windows


def luma_to_lightness(y: Tensor, fmt: PlaneFormat) -> Tensor:
    """Lightness of a luma plane, as a black-and-white film means it: R = G = B = Y′.

    Args:
        y: integer tensor [H,W] or [K,H,W], the plane as it came out of the decoder.

    Returns:
        float32 [1,H,W] or [K,1,H,W], L in 0…100; foot- and headroom of the limited range are clipped.
    """
    if y.ndim not in (2, 3) or y.is_floating_point():
        raise ValueError(f"y is {y.dtype} {tuple(y.shape)}, meant are integers [H,W] or [K,H,W]")
    # A plane has few different codes: a table costs nothing, a power for every pixel does (on a CPU).
    codes = torch.arange(2**fmt.bits, dtype=torch.float32, device=y.device)
    table = _gray_lightness(((codes - fmt.black) / fmt.luma_span).clamp(0, 1))
    return table.index_select(0, y.reshape(-1).to(torch.int32)).reshape(y.shape).unsqueeze(-3)


def resize(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """[C,H,W] or [K,C,H,W] at another size (h, w), antialiased; the picture itself where it has that size."""
    return _bilinear(picture, size, antialias=True)


def upsample_ab(ab: Tensor, L_small: Tensor, L_full: Tensor, guided: bool = True) -> Tensor:
    """Bring ab from the working size to full size, along the edges of the full-size lightness.

    Guided is bilinear interpolation plus what it loses: near each small pixel ab is a line over L (slope A, fitted in
    3×3 pixels, as in He's guided filter), and A · (L_full − upsampled L_small) is the detail of ab that goes with the
    detail of L. Where L is flat or varies no more than the grain, or ab does not follow it, this is bilinear, unlike a
    guided filter, which blurs there. The result stays within the colours of the neighbouring small pixels.

    Args:
        ab: [2,h,w] or [K,2,h,w], Lab units.
        L_small: [1,h,w] or [K,1,h,w], what the network saw.
        L_full: [1,H,W] or [K,1,H,W].
        guided: False is plain bilinear interpolation.

    Returns:
        [2,H,W] or [K,2,H,W]; `ab` itself where the two sizes are the same.
    """
    if ab.shape[-3] != 2 or ab.shape[-2:] != L_small.shape[-2:] or {L_small.shape[-3], L_full.shape[-3]} != {1}:
        raise ValueError(
            f"ab is {list(ab.shape)}, L_small {list(L_small.shape)}, L_full {list(L_full.shape)}: "
            "meant are [2,h,w], [1,h,w] and [1,H,W]"
        )
    full = (L_full.shape[-2], L_full.shape[-1])
    if ab.shape[-2:] == full or not guided:
        return _bilinear(ab, full)
    mean = _window_mean(torch.cat([L_small, ab, L_small * L_small, L_small * ab], dim=-3))
    mean_L, mean_ab, mean_LL, mean_Lab = torch.split(mean, [1, 2, 1, 2], dim=-3)
    variance = (mean_LL - mean_L * mean_L).clamp(min=0)  # [..,1,h,w]
    grain = variance[..., ::4, ::4].flatten(-3).quantile(0.25, dim=-1)[..., None, None, None]
    slope = (mean_Lab - mean_L * mean_ab) / (variance + _FLAT + _GRAIN * grain)
    lowest, highest = -_window_max(-ab), _window_max(ab)
    up = _bilinear(torch.cat([L_small, ab, slope, lowest, highest], dim=-3), full)
    up_L, up_ab, up_slope, up_lowest, up_highest = torch.split(up, [1, 2, 2, 2, 2], dim=-3)
    return (up_ab + up_slope * (L_full - up_L)).clamp(up_lowest, up_highest)


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
    chroma = _to_grid(chroma, fmt.subsampling, fmt.siting)
    top = 2**fmt.bits - 1
    codes = (chroma * fmt.chroma_span + 2 ** (fmt.bits - 1)).round().clamp(0, top)
    dtype = torch.uint8 if fmt.bits == 8 else torch.int16 if fmt.bits < 16 else torch.int32
    cb, cr = codes.to(dtype).unbind(-3)
    return cb, cr


def _gray_lightness(gray: Tensor) -> Tensor:
    """L of R = G = B = gray (0…1), any shape."""
    linear = torch.where(gray > 0.04045, ((gray + 0.055) / 1.055) ** 2.4, gray / 12.92)
    f = torch.where(linear > 0.008856, linear.clamp(min=1e-4) ** (1 / 3), 7.787 * linear + 16 / 116)
    return (116 * f - 16).clamp(0, 100)


def _bilinear(x: Tensor, size: tuple[int, int], antialias: bool = False) -> Tensor:
    """Bilinear [..,C,H,W] → [..,C,h,w]; `x` itself where it has that size."""
    if x.shape[-2:] == size:
        return x
    flat = x.reshape(-1, *x.shape[-3:])
    return F.interpolate(flat, size, mode="bilinear", align_corners=False, antialias=antialias).reshape(
        *x.shape[:-2], *size
    )


def _window_mean(x: Tensor) -> Tensor:
    """Mean over 3×3 pixels, the border repeated: [..,C,h,w] → the same shape."""
    return F.avg_pool2d(_pad(x, (1, 1, 1, 1)), 3, stride=1).reshape(x.shape)


def _window_max(x: Tensor) -> Tensor:
    """Maximum over 3×3 pixels: [..,C,h,w] → the same shape."""
    return F.max_pool2d(x, 3, stride=1, padding=1)


def _pad(x: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
    """Repeat the border: `sides` left, right, top, bottom; [C,H,W] or [K,C,H,W]."""
    return F.pad(x, sides, mode="replicate")


def _to_grid(x: Tensor, step: tuple[int, int], siting: Siting) -> Tensor:
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
        padded = _pad(x, (before, max(after, 0), 0, 0) if dim == -1 else (0, 0, before, max(after, 0)))
        total = sum(weights)
        parts = [padded.narrow(dim, i, (grid - 1) * s + 1) for i in range(len(weights))]
        strided = [part[..., ::s] if dim == -1 else part[..., ::s, :] for part in parts]
        x = torch.stack([w / total * part for w, part in zip(weights, strided, strict=True)]).sum(0)
    return x
