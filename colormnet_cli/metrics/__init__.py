"""Image and video metrics: functions on batches of frames, on any device, and one accumulator over a film."""

from .colorimetry import ciede2000, colorfulness, rgb8_to_lab
from .fidelity import ab_psnr, psnr, psnr_as_published, ssim
from .temporal import (
    ColorDistributionConsistency,
    color_only,
    dis_flow,
    downscale_for_flow,
    unoccluded_mask,
    warp,
    warp_errors,
)

__all__ = [
    "ColorDistributionConsistency",
    "ab_psnr",
    "ciede2000",
    "color_only",
    "colorfulness",
    "dis_flow",
    "downscale_for_flow",
    "psnr",
    "psnr_as_published",
    "rgb8_to_lab",
    "ssim",
    "unoccluded_mask",
    "warp",
    "warp_errors",
]
