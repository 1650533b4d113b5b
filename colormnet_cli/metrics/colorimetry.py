"""CIEDE2000 color difference and colorfulness, one value per frame, and fast conversion of 8-bit RGB to Lab."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..color.lab import RELATIVE_XYZ_FROM_RGB  # one definition of the color space
from .inputs import check_frames, check_pair, strips, to_255

__all__ = ["ciede2000", "colorfulness", "rgb8_to_lab"]

_TIE = 1e-30  # decides the sign for exactly opposite hues, and is negligible for all others


def colorfulness(rgb: Tensor, *, swap_red_blue: bool = False) -> Tensor:
    """Hasler and Süsstrunk's colorfulness with absolute opponent values, as the scripts of the papers compute it.

    rgb: shape = (N, 3, H, W), RGB, uint8 in 0..255 or float in 0..1.  swap_red_blue: read red as blue and blue as red,
    as the authors' script does.  Returns [N], ≥ 0: 0 for gray, about 100 for vivid frames.
    """
    check_frames(rgb)
    red, green, blue = to_255(rgb).unbind(1)  # each [N, H, W]
    if swap_red_blue:
        red, blue = blue, red
    red_green = (red - green).abs_().flatten(1)
    yellow_blue = torch.lerp(red, green, 0.5).sub_(blue).abs_().flatten(1)
    spread = torch.hypot(red_green.std(1, correction=0), yellow_blue.std(1, correction=0))
    return spread + 0.3 * torch.hypot(red_green.mean(1), yellow_blue.mean(1))


def ciede2000(lab: Tensor, reference: Tensor, *, per_pixel: bool = False) -> Tensor:
    """CIEDE2000 color difference (k_L = k_C = k_H = 1), mean over the pixels of each frame.

    lab, reference: shape = (N, 3, H, W), CIE Lab.  Returns [N], ≥ 0; with per_pixel [N, H, W].
    """
    check_pair(lab, reference)
    parts = zip(strips(lab), strips(reference), strict=True)
    differences = torch.cat([_difference(*pair) for pair in parts], dim=-2)
    return differences if per_pixel else differences.mean((1, 2))


def _difference(lab: Tensor, reference: Tensor) -> Tensor:
    """CIEDE2000 of every pixel: [N, 3, H, W] twice → [N, H, W]. In place where possible: allocation costs the most."""
    (l1, a1, b1), (l2, a2, b2) = lab.unbind(1), reference.unbind(1)
    g = _seventh(_length(a1, b1).add_(_length(a2, b2)).mul_(0.5)).mul_(-0.5).add_(1.5)  # 1 + G
    a1, a2 = a1 * g, a2 * g
    c1, c2 = _length(a1, b1), _length(a2, b2)
    h, d_h = _hues(a1, b1, a2, b2)
    d_h = d_h.mul_(0.5).sin_().mul_((c1 * c2).sqrt_()).mul_(2)  # ΔH′

    c = (c1 + c2).mul_(0.5)
    light = (l1 + l2).mul_(0.5).sub_(50).square_()
    s_l = (light + 20).sqrt_().reciprocal_().mul_(light).mul_(0.015).add_(1)
    d_l = (l2 - l1).div_(s_l)
    d_c = (c2 - c1).div_((c * 0.045).add_(1))
    d_h = d_h.div_(_hue_weight(h).mul_(c).mul_(0.015).add_(1))
    squared = d_l.square_().addcmul_(d_c, d_c).addcmul_(d_h, d_h)
    return squared.addcmul_(_rotation(c, h), d_c.mul_(d_h)).clamp_min_(0).sqrt_()


def _length(a: Tensor, b: Tensor) -> Tensor:
    return (a * a).addcmul_(b, b).sqrt_()


def _seventh(c: Tensor) -> Tensor:
    """sqrt(c⁷ / (c⁷ + 25⁷)), from (c/25)⁷ so that float32 does not overflow."""
    c = c / 25
    power = c.square().square_().mul_(c).mul_(c).mul_(c)
    return power.div_(power + 1).sqrt_()


def _hues(a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor) -> tuple[Tensor, Tensor]:
    """The mean hue and the difference h₂ - h₁ in -π..π, both in radians.

    Exactly opposite hues have two means; the standard takes the one 90° above the hue below 180°. Where one color is
    gray, hues have no weight, and any value will do.
    """
    cross = (a1 * b2).sub_(a2 * b1).add_(torch.copysign(torch.full_like(b1, _TIE), torch.add(b1, a1, alpha=1e-6)))
    difference = torch.atan2(cross, (a1 * a2).addcmul_(b1, b2))
    return torch.atan2(b1, a1).add_(difference, alpha=0.5), difference


def _hue_weight(hue: Tensor) -> Tensor:
    """T = 1 - 0.17·cos(h-30°) + 0.24·cos 2h + 0.32·cos(3h+6°) - 0.20·cos(4h-63°), by multiple-angle formulas."""
    cos, sin = hue.cos(), hue.sin()
    cos2, sin2 = (cos * cos).addcmul_(sin, sin, value=-1), (sin * cos).mul_(2)
    cos3, sin3 = (cos2 * cos).addcmul_(sin2, sin, value=-1), (sin2 * cos).addcmul_(cos2, sin)
    cos4, sin4 = (cos2 * cos2).addcmul_(sin2, sin2, value=-1), (sin2 * cos2).mul_(2)
    total = cos2.mul_(0.24).add_(1)
    for weight, c, s, degrees in ((-0.17, cos, sin, 30), (0.32, cos3, sin3, -6), (-0.20, cos4, sin4, 63)):
        angle = math.radians(degrees)  # cos(k·h - angle) = cos angle · cos k·h + sin angle · sin k·h
        total.add_(c, alpha=weight * math.cos(angle)).add_(s, alpha=weight * math.sin(angle))
    return total


def _rotation(c: Tensor, hue: Tensor) -> Tensor:
    """R_T = -sin(2·Δθ)·R_C, with Δθ = 30°·exp(-((h-275°)/25°)²): the correction for blue."""
    away = hue.mul(180 / math.pi).add_(85)  # from 275°, which is -85°
    away.sub_((away > 85).float().mul_(360))  # h counts from 0 to 360
    bump = away.div_(25).square_().neg_().exp_().mul_(math.radians(60))
    return _seventh(c).mul_(-2).mul_(bump.sin_())


_LINEAR_BELOW, _SLOPE = 0.008856, 7.787  # of the function f of CIE Lab


def _linear_light() -> Tensor:
    levels = torch.arange(256, dtype=torch.float64) / 255
    return torch.where(levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92).float()


_LINEAR = _linear_light()


def rgb8_to_lab(rgb: Tensor) -> Tensor:
    """sRGB to CIE Lab: shape = (N, 3, H, W), uint8 → the same shape, float32. `rgb_to_lab`, but faster on a CPU."""
    check_frames(rgb)
    if rgb.dtype != torch.uint8:
        raise ValueError(f"expected uint8 frames, got {rgb.dtype}")
    linear = _LINEAR.to(rgb.device).index_select(0, rgb.reshape(-1).int()).view(rgb.shape[0], 3, -1)
    xyz = RELATIVE_XYZ_FROM_RGB.to(linear) @ linear
    # f is a cube root above the limit and its tangent below it: the sum of both, clamped, needs no selection by pixel.
    f = xyz.clamp_min(_LINEAR_BELOW).log_().mul_(1 / 3).exp_().add_(xyz.sub_(_LINEAR_BELOW).clamp_max_(0), alpha=_SLOPE)
    fx, fy, fz = f.unbind(1)
    lab = torch.stack(((fy * 116).sub_(16), (fx - fy).mul_(500), (fy - fz).mul_(200)), 1)
    return lab.view(rgb.shape)
