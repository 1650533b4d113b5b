"""A run over a folder of pictures in a process of its own, to be killed."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from colormnet_cli import colorize_pictures, load_model
from colormnet_cli.film import checkpoint


def colorize_folder(folder: Path, exemplar: Path, output: Path, weights: Path) -> None:
    """Save the progress all the time, and take a while for each picture."""
    torch.set_num_threads(1)
    checkpoint.CHECKPOINT_SECONDS = 0.0
    model = load_model(weights)
    colorize_pictures(folder, [exemplar], output, model=model, device="cpu", progress=lambda _: time.sleep(0.02))
