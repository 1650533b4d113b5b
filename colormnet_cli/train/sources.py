"""What a run learns from and what it is judged by: made-up clips, or the user's films."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import UsageError
from .data import VALIDATION, Batch, SyntheticClips
from .settings import TrainSettings
from .synthetic import synthetic_clip

__all__ = ["training_clips", "validation_clips"]

_VALIDATION_FRAMES = 24


def training_clips(settings: TrainSettings) -> Dataset[Batch]:
    """The clips to learn from.

    Raises:
        UsageError: nothing was given to learn from, or two things at once.
    """
    if settings.synthetic == bool(settings.data):
        raise UsageError("Give something to learn from: --data FOLDER (or a film), or --synthetic, and not both.")
    if settings.synthetic:
        return SyntheticClips(settings)
    raise NotImplementedError


def validation_clips(settings: TrainSettings) -> list[Tensor]:
    """Lab clips [T, 3, H, W] that are never learned from, always the same."""
    if settings.synthetic:
        size, jump = settings.crops[-1][1], 2
        return [
            torch.from_numpy(
                synthetic_clip(VALIDATION, index, frames=_VALIDATION_FRAMES, size=size, jump=jump, cut=0.0)
            )
            for index in range(settings.validation_clips)
        ]
    raise NotImplementedError
