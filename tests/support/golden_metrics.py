"""The golden figures of the metrics, and the frames they are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from colormnet_cli.color.lab import rgb_to_lab

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "metrics.npz")


def frames(name: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[name]).permute(0, 3, 1, 2)  # [8, 3, 96, 128] uint8


def lab(rgb: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(rgb.float() / 255)


def close(measured: torch.Tensor | float, golden: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(measured), golden, rtol=1e-4)


PAIR = frames("result"), frames("gt")
