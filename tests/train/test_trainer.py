"""Training steps."""

from __future__ import annotations

import pytest

from colormnet_cli.train.presets import preset
from colormnet_cli.train.trainer import learning_rate


def test_learning_rates():
    """The published schedule would not be followed."""
    full = preset("full")
    assert [learning_rate(full, step) for step in (0, 119_999)] == [2e-5, 2e-5]
    assert learning_rate(full, 120_000) == pytest.approx(2e-6)
    preview = preset("preview")
    assert learning_rate(preview, 0) == pytest.approx(preview.lr / preview.warmup)
    assert learning_rate(preview, preview.steps - 1) < 1e-4 * preview.lr
