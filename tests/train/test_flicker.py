"""Flicker that is added to training clips."""

from __future__ import annotations

import numpy as np
import torch

import colormnet_cli as cm
from colormnet_cli.train.flicker import flickering, forgetful
from colormnet_cli.train.scenes import synthetic_clip


def test_colors_flicker_in_many_ways() -> None:
    """A network would learn to remove one kind of flicker only, or to change films that have none."""
    ab = np.full((6, 2, 24, 32), 30, np.float32)
    clips = [flickering(np.random.default_rng(seed), ab) for seed in range(60)]
    assert all(clip.shape == ab.shape and clip.dtype == np.float32 and np.isfinite(clip).all() for clip in clips)
    steady = [np.array_equal(clip, ab) for clip in clips]
    assert 0 < sum(steady) < 20
    changes = np.stack([np.abs(np.diff(clip, axis=0)).sum(1) for clip in clips])  # [clips, T - 1, H, W]
    regional = changes.max((2, 3)) > changes.min((2, 3)) + 1
    assert regional.any(1).sum() > 10
    assert (~regional & (changes.max((2, 3)) > 3)).any(1).sum() > 5  # of whole frames
    assert sum(float(np.linalg.norm(clip, axis=1).min()) < 0.2 * 30 * 2**0.5 for clip in clips) > 5  # gray patches


def test_each_frame_is_colored_alone() -> None:
    """What the network remembers of a film would hide its flicker."""
    model = cm.load_model("preview")
    lab = torch.from_numpy(synthetic_clip(1, 3, frames=3, size=32))
    ab = forgetful(model, lab)
    assert ab.shape == (3, 2, 32, 32)
    assert torch.equal(forgetful(model, lab[[0, 2]])[1], ab[2])
    assert not torch.equal(ab[2], ab[1])
