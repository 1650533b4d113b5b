"""Measures of a coloured film: pure functions on batches of frames, on any device, and small streaming accumulators."""

from .colour import ciede2000, colourfulness
from .features import FrechetDistance, lpips
from .fidelity import ab_psnr, psnr, psnr_as_published, ssim
from .lab8 import bytes_to_lab
from .temporal import ColourConsistency, dis_flow, reduced, visible_mask, warp, warp_errors

__all__ = [
    "ColourConsistency",
    "FrechetDistance",
    "ab_psnr",
    "bytes_to_lab",
    "ciede2000",
    "colourfulness",
    "dis_flow",
    "lpips",
    "psnr",
    "psnr_as_published",
    "reduced",
    "ssim",
    "visible_mask",
    "warp",
    "warp_errors",
]
