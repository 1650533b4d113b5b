"""What was out of the ordinary in a film, counted while it is read, and said at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..wording import many

__all__ = ["Counts"]


@dataclass
class Counts:
    """So far."""

    undecodable: int = 0  # packets
    damaged: int = 0  # frames that the decoder itself calls so
    missing: int = 0  # frames that the container announces and the file does not hold
    resized: int = 0  # frames of another size than the first
    retimed: int = 0  # frames whose timestamp was missing or went backwards
    interlaced: bool = False
    colored: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def become(self, counted: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` gave; whoever counts here goes on doing so."""
        for name, value in counted.items():
            setattr(self, name, value)

    def damage(self, where: str) -> str | None:
        """The first thing that is broken, for those who want none; `where` is the place."""
        if self.undecodable:
            return f"a packet after {where} cannot be decoded"
        if self.damaged:
            return f"the frame at {where} is damaged"
        return f"it ends early, at {where}" if self.missing else None

    def sentences(self) -> Iterator[str]:
        """All of it, for people, when the film is read."""
        if self.colored:
            yield "The film already has colour: it was discarded."
        if self.interlaced:
            yield "The film is interlaced: its fields were coloured together; deinterlacing it first gives more."
        if self.undecodable:
            yield f"The film has {many(self.undecodable, 'packet')} that cannot be decoded; it went on without."
        if self.damaged:
            yield f"The film has {many(self.damaged, 'frame')} that came out of the decoder damaged."
        if self.missing:
            yield f"The film ends early: about {many(self.missing, 'frame')} that it announces are not there."
        if self.resized:
            yield f"The film has {many(self.resized, 'frame')} of another size than the first, left out."
        if self.retimed:
            yield f"The film has {many(self.retimed, 'frame')} without a usable timestamp, placed after the last."
