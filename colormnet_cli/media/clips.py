"""A film or a folder of frames as RGB frames; which files are films, and which are pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from .image_file import read_image

__all__ = [
    "FILMS",
    "PICTURES",
    "Clip",
    "Frame",
    "clips_by_name",
    "find_clips",
    "folder_pictures",
    "natural_order",
    "open_clip",
    "read_picture",
]

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})
FILMS = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".mxf",
    ".ogv", ".y4m",
})  # fmt: skip

Frame = NDArray[np.uint8]  # [H, W, 3] RGB


@dataclass(frozen=True)
class Clip:
    """Frames in order; each iteration reads them again, one at a time, as [H, W, 3] uint8 RGB."""

    path: Path
    name: str
    size: tuple[int, int]  # H, W of the first frame
    rate: float  # frames a second; 24 for pictures, which have none
    pictures: tuple[Path, ...] = ()  # of a folder, in natural order; none where the clip is a film
    frames: int | None = None  # None where a film does not say; a film may be wrong about it

    def __iter__(self) -> Iterator[Frame]:
        if not self.pictures:
            from ..video.rgb import RgbFilm

            yield from RgbFilm(self.path)
            return
        for path in self.pictures:
            frame = read_picture(path)
            if frame.shape[:2] != self.size:
                (height, width), (h, w) = self.size, frame.shape[:2]
                raise MediaError(f"{path} is {w}×{h}, the frames before it are {width}×{height}.")
            yield frame


def natural_order(path: Path) -> tuple[object, ...]:
    """Sort key that puts 2 before 10, and a.png always on the same side of A.png."""
    parts = re.split(r"(\d+)", path.name.lower())
    return (*((1, int(p)) if p.isdecimal() else (0, p) for p in parts), path.name)


def read_picture(path: Path) -> Frame:
    """A picture as [H, W, 3] RGB; 16 bits become 8, rounded."""
    picture = read_image(path)
    if picture.dtype == np.uint16:
        picture = (picture.astype(np.uint32) * 255 + 32767) // 65535
    return picture.astype(np.uint8, copy=False)


def folder_pictures(folder: Path) -> tuple[Path, ...]:
    """The pictures of a folder in natural order, hidden ones left out."""
    found = (p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".") and p.is_file())
    return tuple(sorted(found, key=natural_order))


def open_clip(path: str | Path) -> Clip:
    """A film, or a folder of frames. Raises MediaError if it is neither."""
    path = Path(path)
    if path.is_dir():
        pictures = folder_pictures(path)
        if not pictures:
            raise MediaError(f"{path}: the folder holds no pictures.")
        return Clip(path, path.name, read_picture(pictures[0]).shape[:2], 24.0, pictures, len(pictures))
    if not path.exists():
        raise MediaError(f"{path}: there is no such file or folder.")
    from ..video.rgb import RgbFilm

    film = RgbFilm(path).info
    return Clip(path, path.stem, (film.height, film.width), float(film.rate), frames=film.frames)


def find_clips(folder: str | Path) -> list[Path]:
    """The clips in a folder, in natural order: its films and its folders of frames. Hidden entries are skipped."""
    entries = sorted((p for p in Path(folder).iterdir() if not p.name.startswith(".")), key=natural_order)
    return [p for p in entries if (any(folder_pictures(p)) if p.is_dir() else p.suffix.lower() in FILMS)]


def clips_by_name(folder: str | Path) -> dict[str, Path]:
    """`find_clips`, each by its name. Raises MediaError if two share a name: results could not be distinguished."""
    clips: dict[str, Path] = {}
    for clip in find_clips(folder):
        name = clip.name if clip.is_dir() else clip.stem
        if name in clips:
            raise MediaError(f"{folder} holds two clips named {name}: {clips[name].name} and {clip.name}.")
        clips[name] = clip
    return clips
