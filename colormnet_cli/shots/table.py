"""shots.csv: one row a shot, made to be edited by hand or in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from ..errors import MediaError, UsageError
from ..files import write_whole
from ..timecode import format_time, parse_time
from .shot import Shot, Transition

__all__ = [
    "AUTO",
    "COLUMNS",
    "PlannedShot",
    "note_automatic",
    "note_borrowed",
    "read_table",
    "table_text",
]

COLUMNS = (
    "shot", "start_frame", "end_frame", "start", "end", "transition", "references", "borrowed_from", "note",
)  # fmt: skip
REQUIRED = COLUMNS[:3]
AUTOMATIC = "colored automatically"  # in the column note
AUTO = "(auto)"  # after shots in the column borrowed_from that were found by the network
_DELIMITERS = ",;\t"
_SEPARATORS = re.compile(r"[;,\s]+")


@dataclass(frozen=True)
class PlannedShot:
    """A row: a shot, and what a person or a program noted about it."""

    number: int
    shot: Shot
    references: tuple[str, ...] = ()  # relative to the plan folder
    borrowed_from: str = ""  # numbers of shots, with (auto) after them where a person did not write them
    note: str = ""

    @property
    def name(self) -> str:
        """Of its pictures."""
        return f"{self.number:04}"

    @property
    def lenders(self) -> tuple[int, ...]:
        """The shots that a person named in the column borrowed_from."""
        return () if AUTO in self.borrowed_from else _numbers(self.borrowed_from)


def table_text(shots: Iterable[PlannedShot]) -> str:
    """The file's content."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in shots:
        times = format_time(row.shot.start), format_time(row.shot.end)
        span = row.shot.start_frame, row.shot.end_frame
        references = ";".join(row.references)
        writer.writerow([row.number, *span, *times, row.shot.transition, references, row.borrowed_from, row.note])
    return out.getvalue()


def read_table(path: Path, frames: int | None = None) -> list[PlannedShot]:
    """Read shots.csv as a person or a spreadsheet left it.

    Commas, semicolons or tabs divide the columns, of which only the first three are needed. The columns start and end
    are for people: where a shot lies is said by its frames.

    Args:
        path: the file; its references are looked for beside it.
        frames: how many the film has, where that is known.

    Raises:
        MediaError: it cannot be read, or a row is wrong; the sentence names the row.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise MediaError(f"{path} is not UTF-8 text: save it again as CSV in UTF-8.") from error
    rows = _parse_table(text, path, frames)
    for at, row in rows:
        for reference in row.references:
            if not (path.parent / reference).is_file():
                raise MediaError(
                    f"{path}, row {at}: the reference {reference} is not there: put the picture into "
                    f"{path.parent / 'colored'}, or remove it from the column references."
                )
    return [row for _, row in rows]


def _parse_table(text: str, path: Path, frames: int | None = None) -> list[tuple[int, PlannedShot]]:
    """(row in the file, shot); the first row is 1 and has the names of the columns. `path` is for error messages."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    table, begin = [], 1
    try:
        for row in lines:
            if any(cell.strip() for cell in row):
                table.append((lines.line_num, [cell.strip() for cell in row]))
            begin = lines.line_num + 1
    except csv.Error as error:  # not strictly, the cell would go on to the end of the table
        raise MediaError(f"{path}, row {begin}: a quotation mark is not closed: close it, or remove it.") from error
    if not table:
        raise MediaError(f"{path} is empty: run `colormnet shots` again, or write the columns {','.join(COLUMNS)}.")
    names = [name.lower().replace(" ", "_") for name in table[0][1]]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise MediaError(f"{path} has no column {missing[0]}: its first row must name {', '.join(REQUIRED)}.")
    if len(table) == 1:
        raise MediaError(f"{path} has no shot: run `colormnet shots` again, or add a row for each shot.")
    rows = [(at, _shot(_Row(path, at, dict(zip(names, cells, strict=False))))) for at, cells in table[1:]]
    _check_order(path, rows, frames)
    return _with_transitions(path, rows, table[1:], names)


def note_borrowed(path: Path, lenders: Mapping[int, Sequence[int]]) -> None:
    """Write into shots.csv from which shots others borrow, marked as found by the network; all else stays as it is.

    Marks of an earlier run are removed from the other rows.

    Args:
        lenders: by number of the borrowing shot.
    """

    def noted(number: int, cell: str) -> str:
        if named := lenders.get(number):
            return f"{';'.join(map(str, named))} {AUTO}"
        return "" if AUTO in cell else cell

    _edit(path, "borrowed_from", noted)


def note_automatic(path: Path, numbers: Collection[int]) -> None:
    """Note in shots.csv, where there is no other note, which shots have a picture that no person made."""

    def noted(number: int, cell: str) -> str:
        if number in numbers:
            return cell or AUTOMATIC
        return "" if cell == AUTOMATIC else cell

    _edit(path, "note", noted)


def _edit(path: Path, column: str, changed: Callable[[int, str], str]) -> None:
    """Change the cells of a column: a function of the shot's number and the cell. The column is added if need be."""
    text = path.read_bytes().decode("utf-8-sig")
    delimiter = _delimiter(text)
    table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    head = next(row for row in table if any(cell.strip() for cell in row))
    names = [name.strip().lower().replace(" ", "_") for name in head]
    before = [list(row) for row in table]
    if column not in names:
        head.append(column)
        names.append(column)
    shot, at = names.index("shot"), names.index(column)
    for row in table:
        if row is head or len(row) <= shot or not row[shot].strip().isdecimal():
            continue
        row += [""] * (len(names) - len(row))
        row[at] = changed(int(row[shot]), row[at])
    if table != before:
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(table)
        write_whole(path, out.getvalue().encode())


def _delimiter(text: str) -> str:
    """Of the columns: the most frequent one of the first row."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=head.count)


@dataclass(frozen=True)
class _Row:
    """One row's cells, and where they are."""

    path: Path
    at: int
    cells: Mapping[str, str]

    def error(self, what: str) -> MediaError:
        return MediaError(f"{self.path}, row {self.at}: {what}.")

    def number(self, column: str) -> int:
        text = self.cells.get(column, "")
        if not text.isascii() or not text.isdecimal():
            raise self.error(f"{column} is {text!r}: write a whole number" if text else f"{column} is empty")
        return int(text)

    def seconds(self, column: str) -> float:
        """0 where a spreadsheet left something else."""
        try:
            return float(parse_time(self.cells.get(column, "")).seconds or 0)
        except UsageError:
            return 0.0


def _numbers(text: str) -> tuple[int, ...]:
    """Raises ValueError."""
    return tuple(int(part) for part in _SEPARATORS.split(text) if part)


def _shot(row: _Row) -> PlannedShot:
    number, begin, end = (row.number(column) for column in REQUIRED)
    if end <= begin:
        raise row.error(f"end_frame {end} is not after start_frame {begin}: it is the first frame that is left out")
    try:
        written = row.cells.get("transition") or ("start" if begin == 0 else "cut")
        transition = Transition.parse(written, begin)
    except ValueError as error:
        raise row.error(str(error)) from error
    if (
        transition.first is not None
        and transition.last is not None
        and not transition.first <= begin <= transition.last
    ):
        raise row.error(f"the {transition} does not include start_frame {begin}: change one of the two")
    references = tuple(part.strip() for part in row.cells.get("references", "").split(";") if part.strip())
    note = row.cells.get("note", "")
    borrowed_from = row.cells.get("borrowed_from", "")
    try:
        _numbers(borrowed_from.replace(AUTO, ""))
    except ValueError:
        raise row.error(f"borrowed_from is {borrowed_from!r}: write numbers of shots, with ; between") from None
    return PlannedShot(
        number,
        Shot(begin, end, row.seconds("start"), row.seconds("end"), transition),
        references,
        borrowed_from,
        note,
    )


def _with_transitions(
    path: Path, rows: Sequence[tuple[int, PlannedShot]], cells: Sequence[tuple[int, list[str]]], names: Sequence[str]
) -> list[tuple[int, PlannedShot]]:
    """The same, each transition within its two shots; one without frames of its own is shortened where it is not."""
    at, first = rows[0]
    if first.shot.transition.first is not None:
        raise MediaError(f"{path}, row {at}: the film begins with shot {first.number}: write start as its transition.")
    checked = [(at, replace(first, shot=replace(first.shot, transition=Transition("start"))))]
    for (_, one), (at, other), (_, line) in zip(rows, rows[1:], cells[1:], strict=False):
        way = other.shot.transition
        if way.kind == "start":
            raise MediaError(f"{path}, row {at}: only the first shot has the transition start: write cut.")
        if way.first is not None and way.last is not None:
            low, high = one.shot.start_frame, other.shot.end_frame
            inside = replace(way, first=max(low, way.first), last=min(high, way.last))
            written = dict(zip(names, line, strict=False)).get("transition", "")
            if inside != way and any(character.isdigit() for character in written):
                raise MediaError(
                    f"{path}, row {at}: the {way} is longer than the two shots that it joins, {low} to {high}: "
                    "shorten it."
                )
            other = replace(other, shot=replace(other.shot, transition=inside))
        checked.append((at, other))
    return checked


def _check_order(path: Path, rows: Sequence[tuple[int, PlannedShot]], frames: int | None) -> None:
    """Shots follow each other without gap or overlap, and none is named twice."""
    seen: dict[int, int] = {}
    for at, row in rows:
        if row.number in seen:
            raise MediaError(f"{path}, row {at}: shot {row.number} is in row {seen[row.number]} already: renumber one.")
        seen[row.number] = at
    at, first = rows[0]
    if first.shot.start_frame != 0:
        raise MediaError(f"{path}, row {at}: the first shot begins at frame {first.shot.start_frame}: write 0.")
    for (_, one), (at, other) in pairwise(rows):
        begin, end = other.shot.start_frame, one.shot.end_frame
        if begin < one.shot.start_frame:
            raise MediaError(f"{path}, row {at}: shot {other.number} begins before the one above it: sort the rows.")
        if begin < end:
            raise MediaError(
                f"{path}, row {at}: shot {other.number} begins at frame {begin}, but shot {one.number} ends at {end}: "
                "they overlap, so make the two equal."
            )
        if begin > end:
            raise MediaError(
                f"{path}, row {at}: the frames {end} to {begin - 1} belong to no shot: set start_frame to {end}, or "
                "add a row."
            )
    at, last = rows[-1]
    if frames is not None and last.shot.end_frame != frames:
        raise MediaError(
            f"{path}, row {at}: shot {last.number} ends at frame {last.shot.end_frame}, but the film has {frames:,} "
            f"frames: set end_frame to {frames}."
        )
