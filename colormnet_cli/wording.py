"""Numbers and suggestions in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "listed", "many"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'preview'?``, or nothing where no known word is close."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def listed(items: Iterable[object]) -> str:
    """``3``, ``3 and 5``, ``3, 5 and 7``."""
    *most, last = map(str, items)
    return f"{', '.join(most)} and {last}" if most else last


def many(number: int, what: str) -> str:
    """``1 frame``, ``1,200 frames``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
