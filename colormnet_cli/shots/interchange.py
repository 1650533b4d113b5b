"""Lists of shots of other programs: scene lists of PySceneDetect, and edit decision lists (CMX 3600)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ..errors import MediaError, UsageError
from ..files import cannot_write, check_output, write_whole
from .detect import Boundary
from .shot import Kind, Shot, Transition
from .source import open_source

__all__ = ["check_edl", "edl_text", "read_boundaries", "write_edl"]

EDL_RATES = (Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30))

_EVENT = re.compile(
    r"(?P<number>\d+)\s+(?P<reel>\S+)\s+(?P<track>\S+)\s+(?P<kind>C|D|W\d+|K\s*\w*)(?:\s+(?P<length>\d+))?"
    r"(?:\s+\d+:\d+:\d+[:;]\d+){2}\s+(?P<begin>\d+:\d+:\d+[:;]\d+)\s+(?P<end>\d+:\d+:\d+[:;]\d+)",
    re.ASCII,
)


def read_boundaries(path: Path, rate: Fraction) -> list[Boundary]:
    """Where shots begin by a list of another program; the first at frame 0.

    Args:
        path: a CSV file of PySceneDetect, or an EDL; the content tells which.
        rate: of the film.

    Raises:
        MediaError: it is neither, or a line cannot be read; the sentence names the line.
        UsageError: timecodes of an EDL mean nothing at this rate.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise MediaError(f"{path} is not a text file: give a scene list of PySceneDetect, or an EDL.") from error
    if "Start Frame" in text:
        return _scenes(text, path)
    if any(_EVENT.match(line.strip()) for line in text.splitlines()):
        return _events(text, path, rate)
    raise MediaError(f"{path} is neither a scene list of PySceneDetect (CSV) nor a CMX 3600 EDL.")


def edl_text(shots: Sequence[Shot], rate: Fraction, title: str) -> str:
    """A CMX 3600 EDL with one event a shot.

    Source and record times are the same. It counts frames, without drop frames; a dissolve begins where the mixture
    does. Fades are written as cuts.

    Raises:
        UsageError: the film's rate has no timecode.
    """
    base = _base(rate)
    cuts = [_edit_start(shot) for shot in shots] + [shots[-1].end_frame]
    lines = [f"TITLE: {title[:70]}", "FCM: NON-DROP FRAME", ""]
    for number, (shot, begin, end) in enumerate(zip(shots, cuts, cuts[1:], strict=False), 1):
        span = f"{_code(begin, base)} {_code(end, base)}"
        way = shot.transition
        if way.kind == "dissolve" and way.first is not None and way.last is not None:
            at = _code(begin, base)
            lines.append(f"{number:03}  AX       V     C        {at} {at} {at} {at}")
            lines.append(f"{number:03}  AX       V     D    {way.last - way.first:03} {span} {span}")
        else:
            lines.append(f"{number:03}  AX       V     C        {span} {span}")
    return "\n".join(lines) + "\n"


def check_edl(path: Path, film: Path, *, overwrite: bool) -> None:
    """Check that an EDL of this film can be written, before the film is read."""
    check_output(path, [film], overwrite)
    _base(open_source(film).rate)


def write_edl(path: Path, shots: Sequence[Shot], rate: Fraction, title: str) -> None:
    """Write `edl_text` to a file, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, edl_text(shots, rate, title).encode(errors="replace"))
    except OSError as error:
        raise cannot_write(path, error) from error


def _edit_start(shot: Shot) -> int:
    """Where an EDL lets a shot begin: a dissolve with its first frame, not with its middle."""
    way = shot.transition
    return way.first if way.kind == "dissolve" and way.first is not None else shot.start_frame


def _scenes(text: str, path: Path) -> list[Boundary]:
    """The columns "Start Frame" count from 1; a line with the list of timecodes may stand before their names."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    head = next(at for at, row in enumerate(rows) if "Start Frame" in [cell.strip() for cell in row])
    column = [cell.strip() for cell in rows[head]].index("Start Frame")
    starts: list[int] = []
    for at, row in enumerate(rows[head + 1 :], head + 2):
        if not any(cell.strip() for cell in row):
            continue
        cell = row[column].strip() if column < len(row) else ""
        if not cell.isascii() or not cell.isdecimal() or int(cell) < 1:
            raise MediaError(f"{path}, line {at}: Start Frame is {cell!r}: write a whole number, counted from 1.")
        starts.append(int(cell) - 1)
    if not starts:
        raise MediaError(f"{path} lists no scene.")
    for one, other in pairwise(starts):
        if other <= one:
            raise MediaError(f"{path}: the scene that starts at frame {other + 1} comes after a later one: sort them.")
    return _from_zero([Boundary(start, Transition("cut")) for start in starts])


def _events(text: str, path: Path, rate: Fraction) -> list[Boundary]:
    base = _base(rate)
    found: list[tuple[int, Kind, int]] = []  # start, kind, length of the transition
    for at, line in enumerate(text.splitlines(), 1):
        event = _EVENT.match(line.strip())
        if event is None or not {"V", "B"} & set(event["track"].upper()):  # sound only
            continue
        try:
            begin, end = (_frame(event[name], base) for name in ("begin", "end"))
        except ValueError as error:
            raise MediaError(f"{path}, line {at}: {error}.") from error
        if end <= begin:
            continue  # the first half of a dissolve: an event without length
        gradual = event["kind"] != "C" and event["length"] is not None
        found.append((begin, "dissolve" if gradual else "cut", int(event["length"] or 0)))
    if not found:
        raise MediaError(f"{path} has no video event.")
    hour = 3600 * base
    zero = found[0][0] // hour * hour  # record times of a film often begin at one hour
    boundaries: list[Boundary] = []
    for begin, kind, length in found:
        start = begin - zero
        if boundaries and start <= boundaries[-1].frame:
            raise MediaError(f"{path}: the event at frame {start} does not come after the previous one: sort them.")
        if kind == "dissolve" and length > 1 and start > 0:
            boundaries.append(Boundary(start + length // 2, Transition(kind, start, start + length)))
        else:
            boundaries.append(Boundary(start, Transition("cut")))
    return _from_zero(boundaries)


def _from_zero(boundaries: list[Boundary]) -> list[Boundary]:
    start = Boundary(0, Transition("start"))
    return [start, *(boundaries[1:] if boundaries[0].frame == 0 else boundaries)]


def _base(rate: Fraction) -> int:
    """Frames that a second of timecode counts."""
    for known in EDL_RATES:
        if abs(rate / known - 1) < Fraction(1, 5000):
            return round(known)
    raise UsageError(
        f"An EDL has no timecode for {float(rate):.3f} frames a second, only for 23.976, 24, 25, 29.97 and 30: use the "
        "CSV instead."
    )


def _code(frame: int, base: int) -> str:
    seconds, rest = divmod(frame, base)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{rest:02}"


def _frame(code: str, base: int) -> int:
    """The number of a timecode's frame; `;` before the frames means drop frames: two numbers a minute do not exist."""
    hours, minutes, seconds, rest = (int(part) for part in re.split("[:;]", code))
    if minutes > 59 or seconds > 59 or rest >= base:
        raise ValueError(f"the timecode {code} does not exist at {base} frames a second")
    number = ((hours * 60 + minutes) * 60 + seconds) * base + rest
    if ";" not in code:
        return number
    if base != 30:
        raise ValueError(f"the timecode {code} drops frames, which only 29.97 frames a second do")
    passed = hours * 60 + minutes
    if seconds == 0 and rest < 2 and minutes % 10:
        raise ValueError(f"the timecode {code} does not exist: it is one that is dropped")
    return number - 2 * (passed - passed // 10)
