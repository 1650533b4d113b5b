"""Between two exemplars, the one that shows more of a frame counts more, without flicker."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.passes.pass_mixing import EVERY, PassMixing
from colormnet_cli.passes.schedule import Schedule, ScheduledShot, ShotReference

LENGTH = 4 * EVERY
pytestmark = pytest.mark.usefixtures("one_thread")


def picture(seed: int) -> torch.Tensor:
    noise = torch.rand(1, 12, 16, generator=torch.Generator().manual_seed(seed))
    return 100 * torch.nn.functional.interpolate(noise[None], (96, 128), mode="bicubic")[0].clamp(0, 1)


def mixing(frames: Callable[[int], torch.Tensor]) -> tuple[PassMixing, list[float]]:
    """Exemplars at the first and last frame; the share of the second in each frame."""
    exemplars = {str(n): cm.Exemplar(torch.cat([frames(n), torch.ones(2, 96, 128)]), str(n)) for n in (0, LENGTH)}
    shot = ScheduledShot(1, 0, LENGTH + 1, tuple(ShotReference(str(n), n) for n in (0, LENGTH)))
    schedule = Schedule([shot], "both")
    colorizer = cm.Colorizer(cm.load_model("preview"), device="cpu")
    found = PassMixing(schedule, colorizer, exemplars.__getitem__)
    backward = next(one for one in schedule.passes if one.backward)
    for number in range(1, LENGTH + 1):
        found.look(backward, number, frames(number))
    return found, [sum(s for one, s in found.at(n) if one.backward) for n in range(1, LENGTH)]


def test_the_better_match_counts_more() -> None:
    """An object that only one exemplar shows would be half gray."""
    _, shares = mixing(lambda number: picture(0 if number < LENGTH else 1))
    even = [number / LENGTH for number in range(1, LENGTH)]
    assert all(share <= expected + 1e-9 for share, expected in zip(shares, even, strict=True))
    assert shares[LENGTH // 2 - 1] < 0.4
    assert min(shares) > 0


def test_shares_change_smoothly() -> None:
    """Colors would flicker with every frame's match."""
    _, shares = mixing(lambda number: picture(0 if number % 2 and number < LENGTH else 1))
    steps = [later - sooner for sooner, later in pairwise(shares)]
    assert min(steps) > -0.03
    assert max(steps) < 0.09


def test_where_both_match_alike_distance_decides() -> None:
    """A still scene would be colored by one of its exemplars alone."""
    _, shares = mixing(lambda number: picture(0))
    assert shares == pytest.approx([number / LENGTH for number in range(1, LENGTH)])
