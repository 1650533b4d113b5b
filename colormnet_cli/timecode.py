"""Times in a film as a user writes them: ``12.5``, ``00:01:02.5`` or ``f1500``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .errors import UsageError

__all__ = ["Timecode", "format_time", "parse_time"]

_FRAME = re.compile(r"f(\d+)", re.ASCII)
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)|(\d+(?:\.\d*)?|\.\d+))", re.ASCII)


@dataclass(frozen=True)
class Timecode:
    """A time: seconds since the film's first frame, or the number of a frame (the first is 0); one of the two."""

    seconds: Fraction | None = None
    frame: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.frame is None):
            raise ValueError(f"a time has seconds or a frame number, one of the two; got {self.seconds}, {self.frame}")
        if (self.seconds is not None and self.seconds < 0) or (self.frame is not None and self.frame < 0):
            raise ValueError(f"a time is not negative, got {self}")

    def reached(self, frame: int, seconds: Fraction) -> bool:
        """Whether frame number `frame`, shown `seconds` after the first one, is at this time or after it."""
        if self.frame is not None:
            return frame >= self.frame
        return self.seconds is not None and seconds >= self.seconds

    def __str__(self) -> str:
        return f"f{self.frame}" if self.seconds is None else str(float(self.seconds)).removesuffix(".0")


def parse_time(text: str | int | float) -> Timecode:
    """Read ``12.5`` (seconds), ``1:02.5``, ``00:01:02.5`` or ``f1500`` (a frame number, the first is f0).

    Raises:
        UsageError: the text is none of these.
    """
    stripped = str(text).strip()
    if match := _FRAME.fullmatch(stripped):
        return Timecode(frame=int(match[1]))
    match = _CLOCK.fullmatch(stripped)
    if match is None:
        raise UsageError(f"{stripped!r} is not a time; write seconds (12.5), a clock (00:01:02.5) or a frame (f1500).")
    hours, minutes, seconds, plain = match.groups()
    if plain is not None:
        return Timecode(seconds=Fraction(plain))
    if Fraction(seconds) >= 60 or (hours is not None and int(minutes) >= 60):
        raise UsageError(f"{stripped!r} is not a time; minutes and seconds of a clock go up to 59 (00:01:02.5).")
    return Timecode(seconds=int(hours or 0) * 3600 + int(minutes) * 60 + Fraction(seconds))


def format_time(seconds: float, digits: int = 3) -> str:
    """Write seconds as ``0:01:02.500``, which `parse_time` reads; negative ones with a minus, which it does not.

    digits: decimals of the seconds.
    """
    whole, rest = divmod(round(abs(seconds) * 10**digits), 10**digits)
    sign = "-" if seconds < 0 and (whole or rest) else ""
    fraction = f".{rest:0{digits}}" if digits else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}{fraction}"
