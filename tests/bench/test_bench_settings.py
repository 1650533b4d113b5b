"""Settings of a benchmark."""

from __future__ import annotations

import pytest

from colormnet_cli.bench import BenchSettings, parse_frame_size
from colormnet_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [("960x536", (536, 960)), ("480p", (480, 854)), ("240p", (240, 426)), ("1080p", (1080, 1920))],
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    """People write the width first."""
    assert parse_frame_size(text) == size


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"size": (8, 64)}, "64×8"),
        ({"film": (65, 96)}, "96×65"),
        ({"frames": 0}, "`frames` is 0"),
        ({"lookahead": 0}, "`lookahead` is 0"),
    ],
)
def test_impossible_settings(settings: dict, says: str) -> None:
    """Fails where a slip is found minutes later, deep in an encoder."""
    with pytest.raises(UsageError, match=says):
        BenchSettings(**settings)
