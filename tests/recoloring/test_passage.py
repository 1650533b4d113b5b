"""Which frames of a passage are encoded, and how much of the new color each gets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from colormnet_cli.recoloring.passage import FADE, Passage, mixed, plan_passage
from colormnet_cli.video.packet_table import PacketTable

FRAMES, GROUP = 200, 50


def table(group: int = GROUP) -> PacketTable:
    """A film with a keyframe every `group` frames."""
    numbers = tuple(range(FRAMES))
    return PacketTable(numbers, numbers, (1,) * FRAMES, tuple(n % group == 0 for n in numbers))


@pytest.mark.parametrize(
    ("group", "first", "last", "cuts", "expected"),
    [
        (50, 70, 80, (), Passage(50, 100, 58, 92, 12, 12)),  # outside, as far as frames are encoded anyway
        (50, 55, 95, (), Passage(50, 100, 50, 100, 12, 12)),  # partly outside
        (50, 50, 100, (), Passage(50, 100, 50, 100, 12, 12)),  # inside
        (50, 52, 58, (), Passage(50, 100, 50, 70, 4, 12)),  # inside over a third
        (1, 60, 66, (), Passage(60, 66, 60, 66, 2, 2)),
        (50, 70, 80, (65, 84), Passage(50, 100, 65, 84, 0, 0)),  # begins and ends with the shot
        (50, 70, 80, (70, 80), Passage(50, 100, 70, 80, 0, 0)),
        (50, 70, 80, (75,), Passage(50, 100, 58, 92, 12, 12)),  # a cut within it changes nothing
        (50, 52, 58, (45,), Passage(50, 100, 50, 70, 4, 12)),  # one that is not encoded again is too far away
        (50, 0, 200, (), Passage(0, 200, 0, 200, 0, 0)),
        (50, 5, 195, (), Passage(0, 200, 0, 200, 0, 0)),  # the ends of the film are cuts
    ],
)
def test_where_color_passes_over(group: int, first: int, last: int, cuts: tuple[int, ...], expected: Passage) -> None:
    """Color would jump within a shot, bleed over a cut, or change frames that are only copied."""
    passage = plan_passage(table(group), first, last, cuts)
    assert passage == expected
    shares = [passage.share(frame) for frame in range(FRAMES)]
    assert all(share == 0 for frame, share in enumerate(shares) if not passage.begin <= frame < passage.end)
    assert max(shares) == 1
    limit = 1 / (min(passage.rising or FADE, passage.falling or FADE) + 1) + 1e-9
    steps = [(frame, abs(b - a)) for frame, (a, b) in enumerate(pairwise(shares), 1)]
    assert all(step <= limit or frame in (passage.first, passage.last) for frame, step in steps)


def test_all_that_was_asked_for_has_new_color() -> None:
    """The first and the last half second of what is wrong would stay half wrong."""
    passage = plan_passage(table(), 70, 80, ())
    assert [passage.share(frame) for frame in range(70, 80)] == [1] * 10
    assert [passage.share(frame) for frame in (57, 58, 69, 80, 91, 92)] == pytest.approx(
        [0, 1 / 13, 12 / 13, 12 / 13, 1 / 13, 0]
    )


def test_mixing() -> None:
    """Frames that keep their color, and those that get a new one, would lose a code to rounding."""
    old, new = np.array([[100, 16]], np.uint8), np.array([[200, 240]], np.uint8)
    assert mixed(old, new, 0.0) is old
    assert mixed(old, new, 1.0) is new
    assert mixed(old, new, 0.25).tolist() == [[125, 72]]
    assert mixed(old, new, 0.25).dtype == np.uint8
    deep = mixed(np.array([[1000]], np.uint16), np.array([[1001]], np.uint16), 0.6)
    assert (deep.dtype, deep.tolist()) == (np.uint16, [[1001]])
