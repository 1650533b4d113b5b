"""PSNR, in three versions, and SSIM: one value per frame."""

from __future__ import annotations

import torch
from torch import Tensor

from .inputs import check_pair, strips, to_255

__all__ = ["AB_RANGE", "ab_psnr", "psnr", "psnr_as_published", "psnr_from_mse", "ssim"]

AB_RANGE = 255.0  # a and b are kept as -128..127 in 8 bits: the peak of ab-PSNR


def psnr_from_mse(squared_error: Tensor, peak: float) -> Tensor:
    """Mean squared error [N] of values with the maximum `peak` → PSNR [N] in dB; infinity for identical frames."""
    return 10 * torch.log10(peak**2 / squared_error)


def psnr(result: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over all pixels and channels.

    result, reference: shape = (N, 3, H, W), RGB, uint8 in 0..255 or float in 0..1.
    Returns [N], dB; inf where identical.
    """
    check_pair(result, reference)
    return psnr_from_mse((to_255(result) - to_255(reference)).square_().mean((1, 2, 3)), 255)


def psnr_as_published(result: Tensor, reference: Tensor) -> Tensor:
    """PSNR exactly as the authors' script computes it, where difference and square both wrap modulo 256.

    The script subtracts and squares uint8 arrays, so that a difference of 16 counts as none, and the value is several
    dB too high. The published PSNRs are computed in this way: it is for comparison with them only.

    result, reference: shape = (N, 3, H, W), RGB, uint8 only.  Returns [N], dB.
    """
    check_pair(result, reference)
    if result.dtype != torch.uint8 or reference.dtype != torch.uint8:
        raise ValueError(f"the published PSNR is defined for uint8 only, got {result.dtype} and {reference.dtype}")
    difference = result - reference  # wraps, as uint8 does
    return psnr_from_mse((difference * difference).float().mean((1, 2, 3)), 255)


def ab_psnr(result_ab: Tensor, reference_ab: Tensor) -> Tensor:
    """PSNR over the a and b planes of CIE Lab, with the peak 255 (8-bit a and b span -128..127).

    result_ab, reference_ab: shape = (N, 2, H, W), float, Lab units.  Returns [N], dB; inf where identical.
    """
    check_pair(result_ab, reference_ab, channels=2)
    return psnr_from_mse((result_ab - reference_ab).square().mean((1, 2, 3)), AB_RANGE)


def _window_sums(x: Tensor) -> Tensor:
    """Sums over every full 7×7 window: shape = (..., H, W) → (..., H-6, W-6). By additions only, exact for integers."""
    for axis in (-1, -2):
        n = x.shape[axis] - 6
        pairs = x.narrow(axis, 0, n + 5) + x.narrow(axis, 1, n + 5)  # pixels i, i+1
        fours = pairs.narrow(axis, 0, n) + pairs.narrow(axis, 2, n)  # i … i+3
        x = fours.add_(pairs.narrow(axis, 4, n)).add_(x.narrow(axis, 6, n))  # … i+5, i+6
    return x


def ssim(result: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity as scikit-image's default: 7×7 uniform window, sample covariance, mean over channels.

    result, reference: shape = (N, 3, H, W), RGB, uint8 in 0..255 or float in 0..1; H, W ≥ 7.  Returns [N], -1..1.
    """
    check_pair(result, reference)
    if min(result.shape[-2:]) < 7:
        raise ValueError(f"SSIM needs frames of at least 7×7 pixels, got {result.shape[-2]}×{result.shape[-1]}")
    parts = zip(strips(result, overlap=6), strips(reference, overlap=6), strict=True)
    total = sum((_similarity(to_255(x), to_255(y)).sum((1, 2, 3)) for x, y in parts), torch.zeros(()))
    return total / (3 * (result.shape[-2] - 6) * (result.shape[-1] - 6))


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of every full window: [N, 3, H, W] in 0..255, twice → [N, 3, H-6, W-6]."""
    n, c1, c2 = 49, (0.01 * 255) ** 2, (0.03 * 255) ** 2
    x, y = x - 128, y - 128  # for 8-bit frames every sum is then an integer that float32 holds exactly
    sum_x, sum_y = _window_sums(x), _window_sums(y)
    sum_xy = _window_sums(x * y)
    sum_squares = _window_sums(torch.addcmul(x * x, y, y))  # only var(x) + var(y) is needed

    product, squares = sum_x * sum_y, torch.addcmul(sum_x * sum_x, sum_y, sum_y)
    covariance = (sum_xy * n).sub_(product).mul_(2 / (n * (n - 1))).add_(c2)  # 2·cov + C2
    variance = (sum_squares * n).sub_(squares).mul_(1 / (n * (n - 1))).add_(c2)  # var x + var y + C2
    # Undo the subtraction of 128 in the means: (mx + 128)(my + 128) = mx·my + 128·(mx + my) + 128².
    shift = (sum_x + sum_y).mul_(128 / n)
    means = product.mul_(1 / n**2).add_(shift).add_(128**2).mul_(2).add_(c1)
    powers = squares.mul_(1 / n**2).add_(shift, alpha=2).add_(2 * 128**2 + c1)
    return means.mul_(covariance).div_(powers.mul_(variance))
