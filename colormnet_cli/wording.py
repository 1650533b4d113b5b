"""Numbers in sentences."""

from __future__ import annotations

__all__ = ["many"]


def many(number: int, what: str) -> str:
    """``1 frame``, ``1,200 frames``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
