"""A small training run for tests: its settings, its log, and its command line."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np

from colormnet_cli.train.presets import preset
from colormnet_cli.train.train_settings import TrainSettings
from support.networks import small_config

SMALL = TrainSettings(
    network=small_config(), synthetic=True, frames=4, crops=((0.0, 32),), jumps=((0.0, 2),), steps=6, plain_share=0.0,
    batch=2, lr=1e-3, freeze_transformer=False, checkpoint_every=2, validate_every=6, validation_clips=1,
)  # fmt: skip


def column(folder, name):
    """A column of a run's log, as text."""
    with (folder / "log.csv").open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def losses(folder):
    """The loss of each step of a run."""
    return [float(loss) for loss in column(folder, "loss")]


def command(settings, out, *more):
    """The arguments of Python that run `colormnet train` with these settings."""
    default, given = preset("full").to_dict(), settings.to_dict()
    changed = {name: value for name, value in given.items() if name != "network" and value != default[name]}
    changed |= {f"network.{name}": value for name, value in given["network"].items()}
    return [
        "-m", "colormnet_cli", "train", "--out", str(out), "--device", "cpu", "--progress", "none", *more,
        *(part for name, value in changed.items() for part in ("--set", f"{name}={json.dumps(value)}")),
    ]  # fmt: skip


def make_frames(folder, count, *, shade=0, size=(60, 80)):
    """Frames that get redder, so that a clip shows which of them it contains."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(shade)
    noise = rng.integers(0, 60, (*size, 3), dtype=np.uint8)
    for number in range(count):
        image = noise.copy()
        image[..., 2] = 8 * number  # BGR: red
        cv2.imwrite(str(folder / f"{number:05d}.png"), image)
    return folder
