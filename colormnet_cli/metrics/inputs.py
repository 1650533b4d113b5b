"""The frames that metrics take: RGB, uint8 in 0..255 or floating point in 0..1; checks and conversions."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["check_frames", "check_pair", "strips", "to_255", "to_unit"]

_STRIP = 1 << 16  # pixels: the result of one operation is still in the CPU cache for the next


def check_frames(frames: Tensor, channels: int = 3) -> None:
    """Raise ValueError unless frames are [N, channels, H, W] and uint8 or floating point."""
    if frames.ndim != 4 or frames.shape[1] != channels or 0 in frames.shape:
        raise ValueError(f"expected frames of shape [N, {channels}, H, W], got {list(frames.shape)}")
    if frames.dtype != torch.uint8 and not frames.is_floating_point():
        raise ValueError(f"expected uint8 (0..255) or floating point (0..1) frames, got {frames.dtype}")


def check_pair(result: Tensor, reference: Tensor, channels: int = 3) -> None:
    """Raise ValueError unless both are valid for `check_frames` and have the same shape."""
    check_frames(result, channels)
    check_frames(reference, channels)
    if result.shape != reference.shape:
        raise ValueError(f"result {list(result.shape)} and reference {list(reference.shape)} differ in shape")


def to_255(rgb: Tensor) -> Tensor:
    """uint8 (0..255) or floating point (0..1) → floating point in 0..255."""
    return rgb.float() if rgb.dtype == torch.uint8 else rgb * 255


def to_unit(rgb: Tensor) -> Tensor:
    """uint8 (0..255) or floating point (0..1) → floating point in 0..1."""
    return rgb.float() / 255 if rgb.dtype == torch.uint8 else rgb


def strips(frames: Tensor, overlap: int = 0) -> Iterator[Tensor]:
    """Frames [..., H, W] in strips of whole rows, each `overlap` rows longer than the distance to the next.

    A metric of many elementwise operations is twice as fast in strips on a CPU; on a GPU the frame is one strip.
    """
    height, width = frames.shape[-2:]
    rows = max(1, _STRIP // width) if frames.device.type == "cpu" else height
    for first in range(0, height - overlap, rows):
        yield frames[..., first : min(first + rows + overlap, height), :]
