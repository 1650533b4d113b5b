"""How a reference image is named: a file, or a frame of a film."""

from __future__ import annotations

from pathlib import Path

from ..errors import MediaError
from ..files import not_found
from ..timecode import Timecode, parse_time

__all__ = ["split_reference"]


def split_reference(reference: str | Path) -> tuple[Path, Timecode | None]:
    """``film.mp4@00:01:02.5`` → the file and the time; an image, or a file with an @ in its name, has no time.

    Raises:
        MediaError: there is no such file.
        UsageError: what follows the @ is not a time.
    """
    path = Path(reference)
    if path.is_file():
        return path, None
    name, at, time = str(reference).rpartition("@")
    if at and Path(name).is_file():
        return Path(name), parse_time(time)
    if path.is_dir() or (at and Path(name).is_dir()):
        raise MediaError(
            f"The reference image {reference} is a folder: give an image, or a film with a time (film.mp4@12.5)."
        )
    raise MediaError(f"The reference image {not_found(path)}")
