"""Numbers in sentences."""

from __future__ import annotations

from colormnet_cli.wording import many


def test_one_is_no_plural() -> None:
    """A plural of one reads like a program that nobody has looked at."""
    assert [many(n, "frame") for n in (0, 1, 2, 1200)] == ["0 frames", "1 frame", "2 frames", "1,200 frames"]
