"""The plan folder: shots.csv, plan.toml, stills/, colored/ and index.html.

`shots.csv` and `colored/` belong to the person who colors the film: they are read, and never overwritten. Everything
is written whole or not at all.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from zlib import crc32

from .._version import __version__
from ..errors import MediaError, OutputError
from ..files import cannot_write, check_folder, not_found, write_whole
from ..media.image_file import read_image
from ..media.image_header import size_by_header
from ..settings import Progress
from ..timecode import format_time
from .detect import Boundary
from .find import FilmTimes, find_shots, read_shots
from .page import contact_sheet
from .pictures import write_stills
from .shot import Transition
from .source import open_source
from .table import PlannedShot, read_table, table_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Plan", "Reference", "default_folder", "make_plan", "read_plan"]

FORMAT = 1
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})
ASPECT = 0.02  # relative difference of aspect ratios that may be rounding

_NAME = re.compile(r"(\d+)(?:_f(\d+))?", re.ASCII)


@dataclass(frozen=True)
class Reference:
    """A colored picture and the frame of the film that it shows."""

    path: Path
    frame: int | None  # None: a picture of something else, named in the column references


@dataclass(frozen=True)
class Plan:
    """A plan folder that was read and checked."""

    folder: Path
    shots: tuple[PlannedShot, ...]
    references: Mapping[int, tuple[Reference, ...]]  # by number of shot; none for those without
    stills: Mapping[int, int]  # frame of each shot's still
    film: Mapping[str, Any]  # as in plan.toml: name, size, ends, frames, width, height, rate
    kept: bool = False  # shots.csv was there already, and stays as it was

    @property
    def rate(self) -> Fraction:
        """Frames per second of the film."""
        return Fraction(self.film["rate"])

    @property
    def missing(self) -> list[int]:
        """Numbers of the shots without a colored picture."""
        return [row.number for row in self.shots if not self.references.get(row.number)]

    def still(self, number: int) -> Path:
        """The still of a shot."""
        return _still(self.folder, number)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "film": dict(self.film),
            "kept": self.kept,
            "shots": [
                {
                    "shot": row.number,
                    "start_frame": row.shot.start_frame,
                    "end_frame": row.shot.end_frame,
                    "start": format_time(row.shot.start),
                    "end": format_time(row.shot.end),
                    "transition": str(row.shot.transition),
                    "still": self.stills.get(row.number),
                    "references": [str(reference.path) for reference in self.references.get(row.number, ())],
                    "borrowed_from": row.borrowed_from,
                    "note": row.note,
                }
                for row in self.shots
            ],
        }


def default_folder(film: Path) -> Path:
    """`old-plan` beside `old.mp4`."""
    return film.with_name(f"{film.stem}-plan")


def make_plan(
    film: str | Path,
    folder: str | Path | None = None,
    *,
    boundaries: Callable[[Fraction], Sequence[Boundary]] | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Plan:
    """Find the shots of a film and write its plan folder.

    Where shots.csv is there already it is kept, and only what is missing beside it is written.

    Args:
        film: the film.
        folder: to write; `default_folder` if None.
        boundaries: where shots begin, given the film's frame rate, instead of looking for them.
        overwrite: write shots.csv and the stills anew. Colored pictures stay, and belong to the shots that now have
            the frames which they show.
        progress: called with reports of reading the film.

    Raises:
        MediaError: the film cannot be read, or is not the one of the plan, or a row of shots.csv is wrong.
        OutputError: the folder cannot be written.
    """
    film = Path(film)
    if not film.exists():
        raise MediaError(not_found(film))
    folder = default_folder(film) if folder is None else Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name another folder for the plan.")
    check_folder(folder)
    old = _read_toml(folder) if (folder / "plan.toml").exists() else {}
    if not (folder / "shots.csv").exists() or overwrite:
        return _write_new(film, folder, old, boundaries, progress)
    if boundaries is not None:
        table = folder / "shots.csv"
        raise OutputError(f"{table} exists: name another folder, or allow it to be replaced (`overwrite=True`).")
    return _complete(film, folder, old, progress)


def _write_new(
    film: Path,
    folder: Path,
    old: Mapping[str, Any],
    boundaries: Callable[[Fraction], Sequence[Boundary]] | None,
    progress: Callable[[Progress], None] | None,
) -> Plan:
    """Everything but what the person made; colored pictures of an old plan keep the frames that they show."""
    if boundaries is None:
        found = find_shots(film, progress)
    else:
        found = read_shots(film, boundaries(open_source(film).rate), progress)
    rows = [PlannedShot(number, shot) for number, shot in enumerate(found.shots, 1)]
    stills = {row.number: still for row, still in zip(rows, found.stills, strict=True)}
    before = _stills_of(old) or stills
    colored = _colored_frames(folder, before, old.get("references", {}))
    plan = _assemble(folder, rows, stills, colored, _describe(film, found.times))
    with _writing(folder):
        if old:  # whatever happens from here on, stills of old and new numbers are not mixed up
            unfinished = replace(plan, stills={})
            toml = _toml(unfinished, colored, imported=boundaries is not None)
            write_whole(folder / "plan.toml", toml.encode(errors="replace"))
        for number in before.keys() - stills.keys():
            _still(folder, number).unlink(missing_ok=True)
        write_stills(found.times.source, {_still(folder, n): frame for n, frame in stills.items()}, progress)
        write_whole(folder / "shots.csv", table_text(rows).encode(errors="replace"))
        _write_rest(plan, colored, imported=boundaries is not None)
    return plan


def _complete(film: Path, folder: Path, old: Mapping[str, Any], progress: Callable[[Progress], None] | None) -> Plan:
    """What is missing beside a shots.csv: stills of shots that have none of their own, plan.toml, index.html."""
    _check_film(film, folder, old)
    rows = read_table(folder / "shots.csv", frames=old["film"]["frames"] if old else None)
    written = _stills_of(old)
    stills = {
        row.number: written[row.number]
        for row in rows
        if row.shot.start_frame <= written.get(row.number, -1) < row.shot.end_frame
        and _still(folder, row.number).exists()
    }
    colored = _colored_frames(folder, {row.number: -1 for row in rows} | written, old.get("references", {}))
    description = old.get("film", {})
    due: dict[Path, int] = {}
    if not old or len(stills) < len(rows):
        first = Boundary(0, Transition("start"))
        later = [Boundary(row.shot.start_frame, row.shot.transition) for row in rows[1:]]
        found = read_shots(film, [first, *later], progress)
        description = _describe(film, found.times)
        rows = read_table(folder / "shots.csv", frames=found.times.frames)
        for row, frame in zip(rows, found.stills, strict=True):
            if row.number not in stills:
                stills[row.number] = due[_still(folder, row.number)] = frame
    colored = {name: frame if frame >= 0 else _frame_by_name(Path(name), stills) for name, frame in colored.items()}
    plan = replace(_assemble(folder, rows, stills, colored, description), kept=True)
    with _writing(folder):
        write_stills(open_source(film), due, progress)
        _write_rest(plan, colored, imported=bool(old.get("detection", {}).get("imported")))
    return plan


def _write_rest(plan: Plan, colored: Mapping[str, int], *, imported: bool) -> None:
    (plan.folder / "colored").mkdir(exist_ok=True)
    toml = _toml(plan, colored, imported)
    write_whole(plan.folder / "plan.toml", toml.encode(errors="replace"))
    write_whole(plan.folder / "index.html", contact_sheet(plan).encode(errors="replace"))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn the system's errors into sentences."""
    try:
        (folder / "stills").mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error


def _still(folder: Path, number: int) -> Path:
    return folder / "stills" / f"{number:04}.png"


def _stills_of(toml: Mapping[str, Any]) -> dict[int, int]:
    return {int(number): frame for number, frame in toml.get("stills", {}).items()}


def read_plan(folder: str | Path, film: str | Path | None = None) -> Plan:
    """Read a plan folder and check every row and picture of it.

    Args:
        folder: the plan folder.
        film: the film that is to be colored; checked to be the plan's.

    Raises:
        MediaError: something in it is wrong; the sentence names the row or the file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MediaError(f"{folder} is not a plan folder: make one with `colormnet shots FILM`.")
    for name in ("shots.csv", "plan.toml"):
        if not (folder / name).exists():
            raise MediaError(f"{folder} has no {name}: make the plan anew with `colormnet shots FILM`.")
    toml = _read_toml(folder)
    if film is not None:
        _check_film(Path(film), folder, toml)
    rows = read_table(folder / "shots.csv", frames=toml["film"]["frames"])
    stills = _stills_of(toml)
    colored = _colored_frames(folder, stills, toml.get("references", {}))
    return replace(_assemble(folder, rows, stills, colored, toml["film"]), kept=True)


def _assemble(
    folder: Path,
    rows: Sequence[PlannedShot],
    stills: Mapping[int, int],
    colored: Mapping[str, int],
    film: Mapping[str, Any],
) -> Plan:
    """Give every colored picture to the shot that has its frame."""
    references: dict[int, list[Reference]] = {row.number: [] for row in rows}
    for name, frame in colored.items():
        owner = next((row for row in rows if row.shot.start_frame <= frame < row.shot.end_frame), None)
        if owner is None:
            raise MediaError(f"{folder / name} belongs to frame {frame}, which the film does not have: rename it.")
        references[owner.number].append(Reference(folder / name, frame))
    for row in rows:
        known = {reference.path for reference in references[row.number]}
        extra = [folder / name for name in row.references if folder / name not in known]
        named = {folder / name: frame for name, frame in colored.items()}
        references[row.number] += [Reference(path, named.get(path)) for path in extra]
        references[row.number].sort(key=lambda reference: (reference.frame is None, reference.frame or 0))
    size = film["height"], film["width"]
    for path in sorted(
        {reference.path for group in references.values() for reference in group if reference.frame is not None}
    ):
        _check_size(path, size)
    return Plan(folder, tuple(rows), {k: tuple(v) for k, v in references.items()}, dict(stills), dict(film))


def _colored_frames(folder: Path, stills: Mapping[int, int], noted: Mapping[str, Any]) -> dict[str, int]:
    """The frames that the pictures in colored/ show: by their names, or as noted in plan.toml.

    Noted are pictures whose shots got other numbers since; not any more when there is another picture of that name.
    """
    frames: dict[str, int] = {}
    colored = folder / "colored"
    for path in sorted(colored.iterdir()) if colored.is_dir() else []:
        if path.suffix.lower() not in PICTURES or path.name.startswith("."):
            continue
        name = f"colored/{path.name}"
        note = noted.get(name)
        if note is not None and note["crc32"] == crc32(path.read_bytes()):
            frames[name] = note["frame"]
        else:
            frames[name] = _frame_by_name(path, stills)
    return frames


def _frame_by_name(path: Path, stills: Mapping[int, int]) -> int:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise MediaError(
            f"{path} has no shot's name: call it like the still (0007.png), or 0007_f01234.png for frame 1234."
        )
    if match[2] is not None:
        return int(match[2])
    if int(match[1]) not in stills:
        raise MediaError(f"{path}: there is no still of a shot {int(match[1])}: call it like the still that it colors.")
    return stills[int(match[1])]


def _check_size(path: Path, size: tuple[int, int]) -> None:
    height, width = size_by_header(path) or read_image(path).shape[:2]
    if abs((width / height) / (size[1] / size[0]) - 1) > ASPECT:
        raise MediaError(
            f"{path} is {width}×{height}, but the stills are {size[1]}×{size[0]}: color the still without cropping it."
        )


def _describe(film: Path, times: FilmTimes) -> dict[str, Any]:
    height, width = times.source.size
    return {
        "name": film.name,
        **times.source.identity(),
        "frames": times.frames,
        "width": width,
        "height": height,
        "rate": str(times.source.rate),
    }


def _check_film(film: Path, folder: Path, toml: Mapping[str, Any]) -> None:
    made_of, identity = toml.get("film"), open_source(film).identity()
    if made_of is not None and any(made_of.get(key) != value for key, value in identity.items()):
        raise MediaError(
            f"{film} is not the film of {folder}, or has changed since: make the plan anew (`overwrite=True`; colored "
            "pictures stay)."
        )


def _read_toml(folder: Path) -> dict[str, Any]:
    path = folder / "plan.toml"
    try:
        toml = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MediaError(f"{path} cannot be read ({error}): make the plan anew in another folder.") from error
    if toml.get("format") != FORMAT or not {"film", "stills"} <= toml.keys():
        raise MediaError(
            f"{path} is of format {toml.get('format')}, and this version reads {FORMAT}: make the plan anew in another "
            "folder."
        )
    return toml


def _toml(plan: Plan, colored: Mapping[str, int], imported: bool) -> str:
    """JSON's strings, numbers and truth values are TOML's."""
    noted = {
        name: f"{{ frame = {frame}, crc32 = {crc32((plan.folder / name).read_bytes())} }}"
        for name, frame in colored.items()
        if _named_frame(name, plan.stills) != frame
    }
    tables: dict[str, Mapping[str, str]] = {
        "film": {name: json.dumps(value) for name, value in plan.film.items()},
        "detection": {"program": json.dumps(f"colormnet {__version__}"), "imported": json.dumps(imported)},
        "stills": {f"{number:04}": str(frame) for number, frame in sorted(plan.stills.items())},
        "references": noted,
    }
    lines = [
        "# Written by `colormnet shots`: the film, and which of its frames the pictures show.",
        f"format = {FORMAT}",
    ]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{_key(key)} = {value}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _named_frame(name: str, stills: Mapping[int, int]) -> int | None:
    """What the name says by the present numbers of shots; None if that is nothing."""
    try:
        return _frame_by_name(Path(name), stills)
    except MediaError:
        return None


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").isalnum() else json.dumps(name)
