"""Writing a plan folder: shots.csv, plan.toml, stills/ and index.html.

`shots.csv` and `colored/` belong to the person who colors the film: they are never overwritten unless asked for.
Everything is written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from zlib import crc32

from .._version import __version__
from ..errors import MediaError, OutputError
from ..files import cannot_write, check_folder, not_found, write_whole
from ..settings import ProgressCallback
from .detect import Boundary
from .find import FilmTimes, find_shots, read_shots
from .folder import (
    FORMAT,
    Plan,
    assemble,
    check_film,
    colored_frames,
    default_folder,
    frame_by_name,
    read_masks,
    read_toml,
    still_path,
    stills_of,
)
from .page import contact_sheet
from .pictures import write_stills
from .shot import Transition
from .source import open_source
from .table import PlannedShot, read_table, table_text

__all__ = ["make_plan"]


def make_plan(
    film: str | Path,
    folder: str | Path | None = None,
    *,
    boundaries: Callable[[Fraction], Sequence[Boundary]] | None = None,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
) -> Plan:
    """Find the shots of a film and write its plan folder.

    An existing shots.csv is kept, and only what is missing beside it is written.

    Args:
        film: the film.
        folder: to write; `default_folder` if None.
        boundaries: where shots begin, given the film's frame rate, instead of looking for them.
        overwrite: write shots.csv and the stills again. Colored pictures stay, and belong to the shots that now have
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
    old = read_toml(folder) if (folder / "plan.toml").exists() else {}
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
    progress: ProgressCallback | None,
) -> Plan:
    """Everything but what the person made; colored pictures of an old plan keep the frames that they show."""
    if boundaries is None:
        found = find_shots(film, progress)
    else:
        found = read_shots(film, boundaries(open_source(film).rate), progress)
    rows = [PlannedShot(number, shot) for number, shot in enumerate(found.shots, 1)]
    stills = {row.number: still for row, still in zip(rows, found.stills, strict=True)}
    before = stills_of(old) or stills
    colored = colored_frames(folder, before, old.get("references", {}))
    plan = assemble(folder, rows, stills, colored, _describe(film, found.times))
    with _writing(folder):
        if old:  # whatever happens from here on, stills of old and new numbers are not mixed up
            unfinished = replace(plan, stills={})
            toml = _toml(unfinished, colored, imported=boundaries is not None)
            write_whole(folder / "plan.toml", toml.encode(errors="replace"))
        for number in before.keys() - stills.keys():
            still_path(folder, number).unlink(missing_ok=True)
        write_stills(found.times.source, {still_path(folder, n): frame for n, frame in stills.items()}, progress)
        write_whole(folder / "shots.csv", table_text(rows).encode(errors="replace"))
        _write_rest(plan, colored, imported=boundaries is not None)
    return plan


def _complete(film: Path, folder: Path, old: Mapping[str, Any], progress: ProgressCallback | None) -> Plan:
    """What is missing beside a shots.csv: stills of shots that have none of their own, plan.toml, index.html."""
    check_film(film, folder, old)
    rows = read_table(folder / "shots.csv", frames=old["film"]["frames"] if old else None)
    written = stills_of(old)
    stills = {
        row.number: written[row.number]
        for row in rows
        if row.shot.start_frame <= written.get(row.number, -1) < row.shot.end_frame
        and still_path(folder, row.number).exists()
    }
    colored = colored_frames(folder, {row.number: -1 for row in rows} | written, old.get("references", {}))
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
                stills[row.number] = due[still_path(folder, row.number)] = frame
    colored = {name: frame if frame >= 0 else frame_by_name(Path(name), stills) for name, frame in colored.items()}
    masks = read_masks(folder, {row.number for row in rows})
    plan = replace(assemble(folder, rows, stills, colored, description), masks=masks, kept=True)
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
        return frame_by_name(Path(name), stills)
    except MediaError:
        return None


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").isalnum() else json.dumps(name)
