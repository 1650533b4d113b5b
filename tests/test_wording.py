"""Numbers and suggestions in sentences."""

from __future__ import annotations

from colormnet_cli.wording import did_you_mean, many


def test_one_is_no_plural() -> None:
    """A plural of one reads like a program that nobody has looked at."""
    assert [many(n, "frame") for n in (0, 1, 2, 1200)] == ["0 frames", "1 frame", "2 frames", "1,200 frames"]


def test_only_what_is_close_is_suggested() -> None:
    """A suggestion for every typo, however far, would send people astray."""
    assert did_you_mean("prevew", ["colormnet", "preview"]) == "; did you mean 'preview'?"
    assert did_you_mean("nonsense", ["colormnet", "preview"]) == ""
