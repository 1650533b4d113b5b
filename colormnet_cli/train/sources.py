"""What a run learns from and what it is judged by: made-up clips, or the user's films."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import UsageError
from .data import VALIDATION, Batch, SyntheticClips
from .film_frames import FilmClips, find_films, held_back, validation_clip
from .scenes import synthetic_clip
from .train_settings import TrainSettings

__all__ = ["Material", "material"]

_VALIDATION_FRAMES = 24


class Material:
    """Clips to learn from; clips that are never learned from, always the same."""

    def __init__(self, training: Dataset[Batch], validation: list[Tensor]):
        self.training, self.validation = training, validation


def material(settings: TrainSettings, unpacked: Path) -> Material:
    """What the settings name; videos are unpacked to pictures in that folder.

    Raises:
        UsageError: nothing was given to learn from, or two things at once, or no film is long enough.
        MediaError: a film cannot be read.
    """
    if settings.synthetic == bool(settings.data):
        raise UsageError("Give something to learn from: --data FOLDER (or a film), or --synthetic, and not both.")
    size = settings.crops[-1][1]
    if settings.synthetic:
        shown = [
            synthetic_clip(VALIDATION, index, frames=_VALIDATION_FRAMES, size=size, jump=2, cut=0.0)
            for index in range(settings.validation_clips)
        ]
        return Material(SyntheticClips(settings), [torch.from_numpy(clip) for clip in shown])
    films = find_films(settings.data, unpacked, shorter_side=2 * size, least=settings.frames)
    learned, kept = held_back(films, settings.validation_share, settings.seed, settings.frames)
    shown_films = (kept or learned)[: settings.validation_clips]
    validation = [validation_clip(film, _VALIDATION_FRAMES, size) for film in shown_films]
    return Material(FilmClips(learned, settings), validation)
