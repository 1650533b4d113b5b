"""Made-up clips: what training on them would silently lose if they were wrong."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from colormnet_cli.train.scenes import synthetic, synthetic_clip, synthetic_pair


def test_a_clip_is_a_function_of_seed_and_index():
    """Resuming a run, or another process, would see other clips."""
    first = synthetic_clip(3, 7, frames=4, size=64)
    synthetic_clip(3, 8, frames=4, size=64)
    assert np.array_equal(first, synthetic_clip(3, 7, frames=4, size=64))
    assert not np.array_equal(first, synthetic_clip(3, 8, frames=4, size=64))
    assert not np.array_equal(first, synthetic_clip(4, 7, frames=4, size=64))


def test_clips_are_lab_pictures():
    """The network would be trained on a scale that films do not have."""
    for index in range(12):
        lab = synthetic_clip(0, index, frames=3, size=96)
        assert lab.shape == (3, 3, 96, 96)
        assert lab.dtype == np.float32
        assert np.isfinite(lab).all()
        assert lab[:, 0].min() >= 0
        assert lab[:, 0].max() <= 100
        assert np.abs(lab[:, 1:]).max() <= 100


def test_there_is_colour_and_movement():
    """Clips that stand still, or are gray, teach nothing."""
    clips = [synthetic_clip(1, index, frames=4, size=96, jump=3, cut=0.0) for index in range(24)]
    chroma = [np.abs(clip[:, 1:]).mean() for clip in clips]
    moved = [np.abs(clip[-1, 1:] - clip[0, 1:]).mean() / np.abs(clip[0, 1:]).mean() for clip in clips]
    assert np.median(chroma) > 4
    assert np.median(moved) > 0.15


def test_lightness_does_not_tell_the_colour():
    """A network that guesses colour from gray, instead of following objects, would do well in training alone."""
    told = []
    for index in range(24):
        lab = synthetic_clip(2, index, frames=2, size=96)[0]
        lightness = lab[0].ravel()
        fits = [np.poly1d(np.polyfit(lightness, lab[c].ravel(), 3))(lightness) for c in (1, 2)]
        left = sum(((lab[c].ravel() - fit) ** 2).mean() for c, fit in zip((1, 2), fits, strict=True))
        told.append(1 - left / (lab[1].var() + lab[2].var()))
    assert np.median(told) < 0.6


def test_damage_is_on_the_lightness_alone(monkeypatch):
    """Grain in the colours to be learned would teach to colour grain."""
    old = [synthetic_clip(5, index, frames=2, size=64) for index in range(16)]
    monkeypatch.setattr(synthetic, "_age", lambda rng, lightness: None)
    new = [synthetic_clip(5, index, frames=2, size=64) for index in range(16)]
    aged = 0
    for before, after in zip(old, new, strict=True):
        mirrored = not np.array_equal(before[:, 1:], after[:, 1:])  # drawn after the damage, so it may differ
        after = after[..., ::-1] if mirrored else after
        assert np.array_equal(before[:, 1:], after[:, 1:])
        aged += not np.array_equal(before[:, 0], after[:, 0])
    assert aged > 8


def test_a_pair_shows_the_same_objects_elsewhere():
    """An exemplar that is not the first frame could not be learned, or would be judged by other objects' colours."""
    shares, strangers = [], []

    def histogram(ab):
        return np.histogram2d(ab[0].ravel(), ab[1].ravel(), bins=20, range=[[-100, 100]] * 2)[0] / ab[0].size

    pairs = [synthetic_pair(9, index, frames=2, size=96) for index in range(16)]
    for (exemplar, clip), (other, _) in zip(pairs, pairs[1:] + pairs[:1], strict=True):
        assert exemplar.shape == (3, 96, 96)
        assert clip.shape == (2, 3, 96, 96)
        assert np.abs(exemplar[0] - clip[0, 0]).mean() > 3  # another arrangement
        shares.append(np.minimum(histogram(exemplar[1:]), histogram(clip[0, 1:])).sum())
        strangers.append(np.minimum(histogram(other[1:]), histogram(clip[0, 1:])).sum())
    assert np.mean(shares) > np.mean(strangers) + 0.2


def test_clips_come_fast_enough():
    """A GPU, or the one core of a preview run, would wait for its clips: 45 ms of one core for 8 frames of 128."""
    call = """
import time, cv2
from colormnet_cli.train.scenes import synthetic_clip
cv2.setNumThreads(1)
synthetic_clip(0, 0)  # the texture pool is made once
spent = []
for group in range(4):
    began = time.process_time()
    for index in range(8):
        synthetic_clip(1, 8 * group + index, frames=8, size=128)
    spent.append((time.process_time() - began) / 8)
print(min(spent))
"""
    # in a process of its own: threads that other tests leave behind count as time too
    run = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 0.045
