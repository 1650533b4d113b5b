"""The plan folder: shots.csv, plan.toml, stills/, colored/, masks/ and index.html.

`shots.csv`, `colored/` and `masks/` belong to the person who colors the film: they are read, and never overwritten.
Everything is written whole or not at all.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from zlib import crc32

from ..errors import MediaError
from ..media.image_file import read_image
from ..media.image_header import size_by_header
from ..timecode import format_time
from .source import open_source
from .table import PlannedShot, read_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "Plan",
    "Reference",
    "assemble",
    "check_film",
    "colored_frames",
    "default_folder",
    "frame_by_name",
    "read_masks",
    "read_plan",
    "read_toml",
    "still_path",
    "stills_of",
]

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
    masks: Mapping[int, Path] = field(default_factory=dict)  # by number of shot: what stays neutral
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
        return still_path(self.folder, number)

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
                    "mask": str(self.masks[row.number]) if row.number in self.masks else None,
                    "borrowed_from": row.borrowed_from,
                    "note": row.note,
                }
                for row in self.shots
            ],
        }


def default_folder(film: Path) -> Path:
    """`old-plan` beside `old.mp4`."""
    return film.with_name(f"{film.stem}-plan")


def still_path(folder: Path, number: int) -> Path:
    return folder / "stills" / f"{number:04}.png"


def stills_of(toml: Mapping[str, Any]) -> dict[int, int]:
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
            raise MediaError(f"{folder} has no {name}: make the plan again with `colormnet shots FILM`.")
    toml = read_toml(folder)
    if film is not None:
        check_film(Path(film), folder, toml)
    rows = read_table(folder / "shots.csv", frames=toml["film"]["frames"])
    stills = stills_of(toml)
    colored = colored_frames(folder, stills, toml.get("references", {}))
    masks = read_masks(folder, {row.number for row in rows})
    return replace(assemble(folder, rows, stills, colored, toml["film"]), masks=masks, kept=True)


def assemble(
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


def read_masks(folder: Path, shots: Collection[int]) -> dict[int, Path]:
    """The pictures in masks/, by the numbers of their shots."""
    masks: dict[int, Path] = {}
    for path in _pictures(folder / "masks"):
        number = int(path.stem) if path.stem.isdecimal() else -1
        if number not in shots:
            raise MediaError(f"{path} has no shot's name: call it like the still of the shot (0007.png).")
        if number in masks:
            raise MediaError(f"{masks[number]} and {path} are masks of one shot: remove one of them.")
        masks[number] = path
    return masks


def _pictures(folder: Path) -> list[Path]:
    """The pictures of a folder by name, hidden ones left out; none where it does not exist."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if path.suffix.lower() in PICTURES and not path.name.startswith(".")]


def colored_frames(folder: Path, stills: Mapping[int, int], noted: Mapping[str, Any]) -> dict[str, int]:
    """The frames that the pictures in colored/ show: by their names, or as noted in plan.toml.

    Noted are pictures whose shots got other numbers since; not any more when there is another picture of that name.
    """
    frames: dict[str, int] = {}
    for path in _pictures(folder / "colored"):
        name = f"colored/{path.name}"
        note = noted.get(name)
        if note is not None and note["crc32"] == crc32(path.read_bytes()):
            frames[name] = note["frame"]
        else:
            frames[name] = frame_by_name(path, stills)
    return frames


def frame_by_name(path: Path, stills: Mapping[int, int]) -> int:
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


def check_film(film: Path, folder: Path, toml: Mapping[str, Any]) -> None:
    made_of, identity = toml.get("film"), open_source(film).identity()
    if made_of is not None and any(made_of.get(key) != value for key, value in identity.items()):
        raise MediaError(
            f"{film} is not the film of {folder}, or has changed since: make the plan again (`overwrite=True`; colored "
            "pictures stay)."
        )


def read_toml(folder: Path) -> dict[str, Any]:
    path = folder / "plan.toml"
    try:
        toml = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MediaError(f"{path} cannot be read ({error}): make a new plan in another folder.") from error
    if toml.get("format") != FORMAT or not {"film", "stills"} <= toml.keys():
        raise MediaError(
            f"{path} is of format {toml.get('format')}, and this version reads {FORMAT}: make a new plan in another "
            "folder."
        )
    return toml
