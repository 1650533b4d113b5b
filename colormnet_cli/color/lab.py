"""sRGB ↔ CIE Lab (D65), as scikit-image computes it, on any device.

Shapes: a color axis of three before the picture's two, ``[..., 3, H, W]``. RGB is in 0..1, L in 0..100, a and b in
Lab units.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["RELATIVE_XYZ_FROM_RGB", "forget_constants", "lab_to_rgb", "lab_to_rgb_linear", "rgb_to_lab"]

_XYZ_FROM_RGB = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
)
_WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)  # D65, 2° observer
RELATIVE_XYZ_FROM_RGB = _XYZ_FROM_RGB / _WHITE[:, None]  # to the white
_RGB_FROM_XYZ = torch.linalg.inv(_XYZ_FROM_RGB) * _WHITE
_LAB_FROM_F = torch.tensor([[0, 116, 0], [500, -500, 0], [0, 200, -200]], dtype=torch.float64)
_ON_DEVICE: dict[tuple[int, torch.device, torch.dtype], Tensor] = {}  # the matrices, where they were used


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB in 0..1 to Lab; ``[..., 3, H, W]`` to the same shape."""
    _check(rgb, "rgb")
    linear = torch.where(rgb > 0.04045, ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = _mix(RELATIVE_XYZ_FROM_RGB, linear)
    f = torch.where(xyz > 0.008856, xyz.clamp_min(0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    lab = _mix(_LAB_FROM_F, f)
    lab[..., 0, :, :] -= 16
    return lab


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Lab to sRGB, clipped to 0..1; ``[..., 3, H, W]`` to the same shape."""
    linear = lab_to_rgb_linear(lab).clamp(0, 1)
    return torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055, 12.92 * linear)


def lab_to_rgb_linear(lab: Tensor) -> Tensor:
    """Lab to linear RGB with nothing clipped: outside 0..1 is outside the gamut."""
    _check(lab, "lab")
    fy = (lab[..., 0, :, :] + 16) / 116
    fx = lab[..., 1, :, :] / 500 + fy
    fz = (fy - lab[..., 2, :, :] / 200).clamp_min(0)  # as scikit-image: no light of negative Z
    f = torch.stack((fx, fy, fz), dim=-3)
    xyz = torch.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787)
    return _mix(_RGB_FROM_XYZ, xyz)


def _mix(matrix: Tensor, picture: Tensor) -> Tensor:
    """Apply a 3×3 matrix to the color axis of ``[..., 3, H, W]``."""
    place = id(matrix), picture.device, picture.dtype
    if place not in _ON_DEVICE:  # a copy for each picture would wait for a CUDA device each time
        with torch.inference_mode(False):  # gradients may be wanted next time
            _ON_DEVICE[place] = matrix.to(picture.device, picture.dtype)
    return (_ON_DEVICE[place] @ picture.flatten(-2)).view(picture.shape)  # [3, 3] @ [..., 3, H·W]


def forget_constants() -> None:
    """Drop the matrices that are kept by device."""
    _ON_DEVICE.clear()


def _check(picture: Tensor, name: str) -> None:
    if picture.ndim < 3 or picture.shape[-3] != 3 or not picture.is_floating_point():
        raise ValueError(
            f"{name} must be a float tensor [..., 3, H, W], got {picture.dtype} of shape {list(picture.shape)}"
        )
