"""Clips for training: sample k of a run is a function of the seed and k alone, so any run can go on exactly."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import ColormnetError, TrainingError, UsageError
from .clip_loss import draw_memory
from .scenes import synthetic_clip
from .train_settings import TrainSettings

__all__ = ["Batch", "SyntheticClips", "batches", "check_shares"]

Batch = tuple[Tensor, Tensor]  # Lab [B, T, 3, H, W] and the frames to read [B, T, 3]

TRAINING, VALIDATION = 0, 1  # streams of samples that never meet


class SyntheticClips(Dataset[Batch]):
    """Clips made on the fly; index k is the run's k-th sample."""

    def __init__(self, settings: TrainSettings):
        self.settings = settings

    def __getitem__(self, k: int) -> Batch:
        settings, step = self.settings, k // self.settings.batch
        lab = synthetic_clip(
            2 * settings.seed + TRAINING,
            k,
            frames=settings.frames,
            size=settings.at(settings.crops, step),
            jump=settings.at(settings.jumps, step),
            cut=settings.cut,
            vivid=settings.vivid,
        )
        return torch.from_numpy(lab), memory_picks(settings, k)


def memory_picks(settings: TrainSettings, k: int) -> Tensor:
    """Which frames the frames of sample k read [T, 3]."""
    return draw_memory(np.random.default_rng((settings.seed, 7, k)), settings.frames)


class _Order(Sampler[int]):
    """The samples of one process, from a step on: of each step's batch, its own share, part by part."""

    def __init__(self, settings: TrainSettings, step: int, rank: int, size: int):
        self.settings, self.step, self.rank, self.size = settings, step, rank, size

    def __iter__(self) -> Iterator[int]:
        share = self.settings.batch // self.size
        for step in range(self.step, self.settings.steps):
            first = step * self.settings.batch + self.rank * share
            yield from range(first, first + share)

    def __len__(self) -> int:
        return (self.settings.steps - self.step) * (self.settings.batch // self.size)


def batches(
    data: Dataset[Batch], settings: TrainSettings, *, step: int, rank: int = 0, size: int = 1
) -> Iterator[Batch]:
    """Batches for one process from ``step`` on; ``accumulate`` of them make a step.

    Raises:
        UsageError: the batch cannot be shared by that many processes.
    """
    check_shares(settings, size)
    parts = size * settings.accumulate
    loader: DataLoader[Any] = DataLoader(
        data,
        batch_size=settings.batch // parts,
        sampler=_Order(settings, step, rank, size),
        num_workers=settings.workers,
        worker_init_fn=_deaf,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=settings.workers > 0,
    )
    try:
        yield from loader
    except ColormnetError as error:  # out of a worker it comes with its traceback
        raise type(error)(str(error).rpartition(f"{type(error).__name__}: ")[2].strip()) from error
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise TrainingError(
            "A process that prepares clips was ended from outside, as happens when memory runs out, or, in a "
            "container, /dev/shm: go on with --resume and fewer --workers."
        ) from error


def check_shares(settings: TrainSettings, size: int) -> None:
    """Refuse a batch that cannot be shared by so many processes."""
    parts = size * settings.accumulate
    if settings.batch % parts:
        raise UsageError(
            f"A batch of {settings.batch} cannot be shared by {size} processes in {settings.accumulate} parts each; "
            f"take a --batch that divides by {parts}."
        )


def _deaf(worker: int) -> None:
    """A terminal's Ctrl-C goes to all processes; but the run ends its step first, and needs the clips for that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
