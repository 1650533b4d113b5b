"""A run over a folder of pictures in a process of its own, to be killed."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from colormnet_cli import load_model
from colormnet_cli.film import pictures_run


def colorize_folder(folder: Path, exemplar: Path, output: Path, weights: Path) -> None:
    """Save the progress all the time, and take a while for each picture."""
    torch.set_num_threads(1)
    pictures_run.CHECKPOINT_SECONDS = 0.0
    model = load_model(weights)
    pictures_run.colorize_pictures(
        folder, [exemplar], output, model=model, device="cpu", progress=lambda _: time.sleep(0.02)
    )
