"""What would be done with a folder of pictures: everything is looked at and checked, nothing is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..color.chroma import working_size
from ..errors import MediaError, OutputError, UsageError
from ..media.clips import PICTURES, folder_pictures
from ..media.exemplar import Exemplar, read_exemplar
from ..media.image_header import size_by_header
from ..settings import EncodingSettings, PicturesSettings
from .checkpoint import progress_folder
from .pictures_io import check_size, open_picture

__all__ = ["PicturesPlan", "default_output", "find_pictures", "plan_pictures"]


@dataclass(frozen=True)
class PicturesPlan:
    """A folder, where it goes, and how: everything is looked at and checked, nothing is written."""

    folder: Path
    output: Path
    pictures: tuple[Path, ...]
    size: tuple[int, int]  # H, W of each
    references: tuple[str, ...]
    settings: PicturesSettings
    exemplars: tuple[Exemplar, ...] = field(repr=False)

    def target(self, picture: Path) -> Path:
        """Where a picture goes."""
        return self.output / f"{picture.stem}.png"

    @property
    def working_size(self) -> tuple[int, int]:
        """H, W of what the network sees."""
        return working_size(self.size, self.settings.size)

    def to_dict(self) -> dict[str, Any]:
        """For --dry-run: plain values."""
        return {
            "source": str(self.folder),
            "output": str(self.output),
            "references": list(self.references),
            "pictures": len(self.pictures),
            "first": self.pictures[0].name,
            "last": self.pictures[-1].name,
            "width": self.size[1],
            "height": self.size[0],
            "working_width": self.working_size[1],
            "working_height": self.working_size[0],
        }


def plan_pictures(
    folder: str | Path,
    references: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    settings: PicturesSettings | None = None,
) -> PicturesPlan:
    """Look at a folder, its exemplars and its output, and say what `colorize_pictures` would do.

    Raises MediaError, OutputError or UsageError for everything that can be known before the first picture.
    """
    settings, folder = settings or PicturesSettings(), Path(folder)
    if isinstance(settings, EncodingSettings):
        raise UsageError("These settings are for films (range, codec, audio): give PicturesSettings for a folder.")
    if isinstance(references, (str, Path)) or not references:
        raise UsageError("Give at least one colour picture as the exemplar (--ref).")
    pictures = find_pictures(folder)
    target = default_output(folder) if output is None else Path(output)
    if target.name in ("", ".."):  # "." has no name that the progress beside it could bear
        target = target.resolve()
    exemplars = tuple(read_exemplar(reference) for reference in references)
    size = _common_size(pictures, settings.strict)
    plan = PicturesPlan(folder, target, pictures, size, tuple(map(str, references)), settings, exemplars)
    _check_output(plan)
    return plan


def _common_size(pictures: Sequence[Path], strict: bool) -> tuple[int, int]:
    """(H, W) of the first picture that is not damaged; another one's size is told now, not when its turn comes.

    Only headers are looked at. A picture whose header tells another size is read, to be certain.
    """
    first, size, problem = Path(), None, ""
    for path in pictures:
        if size is not None and size_by_header(path) in (None, size):
            continue
        picture = open_picture(path)
        if picture.problem:
            if strict:
                raise MediaError(picture.problem)
            problem = problem or picture.problem
        elif size is None:
            first, size = path, picture.size
        else:
            check_size(picture, first, size)
    if size is None:
        raise MediaError(f"None of the {len(pictures)} pictures in {pictures[0].parent} can be read; {problem}")
    return size


def _check_output(plan: PicturesPlan) -> None:
    """Whether the output folder may be written: not the input, writable, none of the names taken."""
    output = plan.output
    if output.exists() and not output.is_dir():
        raise OutputError(f"The output {output} is a file; pictures go into a folder.")
    if output.is_dir() and output.samefile(plan.folder):
        raise UsageError(f"The output {output} is the input itself: give the output another folder.")
    parent = output if output.is_dir() else output.parent
    if not parent.is_dir():
        raise OutputError(f"The folder {parent} is not there: make it first.")
    for folder in {parent, output.parent}:  # the progress of the run lies beside the output
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"The folder {folder} may not be written to: choose another, or change its permissions.")
    if plan.settings.overwrite or progress_folder(plan.output).exists():  # then they are a broken run's
        return
    taken = next((t for t in map(plan.target, plan.pictures) if t.exists()), None)
    if taken is not None:
        raise OutputError(
            f"The picture {taken} exists: choose another folder, or allow it to be replaced with --overwrite."
        )


def find_pictures(folder: str | Path) -> tuple[Path, ...]:
    """The pictures of a folder in natural order (2 before 10), hidden files left out.

    Raises:
        MediaError: it is no folder, cannot be read, or holds no picture, or two of the same name (a.jpg and a.png).
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = (
            "is none: it is a file; for a film there is `colormnet colorize`"
            if folder.exists()
            else "does not exist: check its name"
        )
        raise MediaError(f"The folder {folder} {what}.")
    try:
        pictures = folder_pictures(folder)
    except OSError as error:
        raise MediaError(f"The folder {folder} cannot be read ({error.strerror or error}).") from error
    if not pictures:
        raise MediaError(f"The folder {folder} holds no picture ({', '.join(sorted(s[1:] for s in PICTURES))}).")
    names: dict[str, Path] = {}
    for picture in pictures:
        other = names.setdefault(picture.stem, picture)
        if other is not picture:
            raise MediaError(
                f"The pictures {other.name} and {picture.name} in {folder} would both become {picture.stem}.png; "
                "rename one of them."
            )
    return pictures


def default_output(folder: str | Path) -> Path:
    """``scans/`` → ``scans-color``, beside it."""
    folder = Path(folder).resolve()
    return folder.with_name(folder.name + "-color")
