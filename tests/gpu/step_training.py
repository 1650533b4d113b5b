"""Training steps with automatic mixed precision."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import Any

import colormnet_cli as cm
from colormnet_cli.train import TrainingProgress, TrainSettings, train
from support.networks import small_config

from .setup import Setup


def steps(setup: Setup, precision: str) -> dict[str, Any]:
    """A few steps of a run on synthetic clips: the loss, and the time of a step."""
    network, crop, frames, workers = (small_config(), 32, 3, 0) if setup.tiny else (cm.ColorMNetConfig(), 448, 8, 4)
    settings = TrainSettings(
        network=network, synthetic=True, frames=frames, crops=((0.0, crop),), jumps=((0.0, 2),), batch=2,
        workers=workers, steps=4 if setup.tiny else 16, precision=precision, checkpoint_every=1000, validation_clips=1,
    )  # fmt: skip
    seen: list[TrainingProgress] = []
    train(settings, setup.folder / f"train-{precision}", device=setup.device, progress=seen.append)
    took = [after.seconds - before.seconds for before, after in pairwise(seen[:-1])]  # the last one includes validation
    losses = [at.loss for at in seen]
    return {
        "steps": len(losses), "seconds": statistics.median(took[len(took) // 2 :]), "first_loss": losses[0],
        "last_loss": losses[-1], "peak": setup.peak_memory(),
        "failed": "" if all(map(math.isfinite, losses)) else "a loss is not finite",
    }  # fmt: skip
