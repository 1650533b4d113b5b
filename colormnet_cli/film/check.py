"""What `verify_film` found about one thing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """One thing that was compared."""

    name: str
    passed: bool
    detail: str  # what was found; where they differ, what and where

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
