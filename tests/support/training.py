"""A small training run for tests: its settings, its log, and the command for it."""

from __future__ import annotations

import csv
import json

from colormnet_cli.train.train_settings import TrainSettings, preset
from support.networks import small_config

SMALL = TrainSettings(
    network=small_config(), synthetic=True, frames=4, crops=((0.0, 32),), jumps=((0.0, 2),), steps=6, plain_share=0.0,
    batch=2, lr=1e-3, freeze_transformer=False, checkpoint_every=2, validate_every=6, validation_clips=1,
)  # fmt: skip


def column(folder, name):
    """Of a run's log."""
    with (folder / "log.csv").open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def command(settings, out, *more):
    """What `colormnet train` is told to run with these settings."""
    usual, given = preset("full").to_dict(), settings.to_dict()
    told = {name: value for name, value in given.items() if name != "network" and value != usual[name]}
    told |= {f"network.{name}": value for name, value in given["network"].items()}
    return [
        "-m", "colormnet_cli", "train", "--out", str(out), "--device", "cpu", "--progress", "none", *more,
        *(part for name, value in told.items() for part in ("--set", f"{name}={json.dumps(value)}")),
    ]  # fmt: skip
