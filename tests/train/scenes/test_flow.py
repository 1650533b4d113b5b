"""The movement of synthetic clips: exact, as the scenes know it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from colormnet_cli.metrics.temporal import warp
from colormnet_cli.train.scenes import SceneKinds, synthetic_clip, synthetic_clip_with_flow


@pytest.mark.parametrize("kinds", [SceneKinds(), SceneKinds(1, 1, 1, 1, 1, 1)])
@pytest.mark.parametrize("index", [0, 3, 6, 10, 13, 17])
def test_moved_back_the_frame_before_is_the_frame(index: int, kinds: SceneKinds) -> None:
    """Fails where colors would be held in the wrong places: a wrong sign, axis, mirror or order of layers."""
    kind: dict[str, Any] = {"frames": 4, "size": 96, "jump": 2, "cut": 0.2, "kinds": kinds}
    lab, flow, seen = synthetic_clip_with_flow(1, index, **kind)
    assert np.array_equal(lab, synthetic_clip(1, index, **kind))
    ab, flow, seen = torch.from_numpy(lab[:, 1:]), torch.from_numpy(flow), torch.from_numpy(seen)
    assert (flow.shape, seen.shape) == ((3, 2, 96, 96), (3, 1, 96, 96))
    assert 0.3 < seen.mean() <= 1

    def error(before: torch.Tensor) -> float:
        return float(((before - ab[1:]).abs() * seen).sum() / seen.sum())

    still, moved, opposite = error(ab[:-1]), error(warp(ab[:-1], flow)), error(warp(ab[:-1], -flow))
    assert moved < 0.4 * still < 0.4 * opposite


@pytest.mark.parametrize("index", [0, 6, 17])
def test_moved_back_the_first_frame_is_the_frame(index: int) -> None:
    """Fails where colors would be held to those of another frame than the first, as the long-term loss means."""
    lab, flow, seen, *to_first = synthetic_clip_with_flow(1, index, frames=4, size=96, jump=2, cut=0, to_first=True)
    assert np.array_equal(flow[0], to_first[0][0])
    ab, (flow, seen) = torch.from_numpy(lab[:, 1:]), map(torch.from_numpy, to_first)
    first = ab[:1].expand(3, -1, -1, -1)

    def error(before: torch.Tensor) -> float:
        return float(((before - ab[1:]).abs() * seen).sum() / seen.sum())

    assert error(warp(first, flow)) < 0.4 * error(first)


def test_what_comes_from_behind_was_not_seen() -> None:
    """Fails where what an object uncovers, or what enters the frame, would be held to the object's color."""
    hidden = [1 - synthetic_clip_with_flow(1, index, frames=3, size=64, jump=3)[2].mean() for index in range(12)]
    assert max(hidden) > 0.1
