"""Which result belongs to which reference, and that they fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ..errors import MediaError
from ..media.clips import Clip, Frame, clips_by_name, folder_pictures, open_clip
from ..wording import many

__all__ = ["ClipPair", "pair_clips"]


@dataclass(frozen=True)
class ClipPair:
    """A result and what it should be; iterating reads both side by side."""

    result: Clip
    reference: Clip

    def __post_init__(self) -> None:
        if self.result.size != self.reference.size:
            raise MediaError(
                f"{self.result.path} is {_size(self.result.size)}, {self.reference.path} is "
                f"{_size(self.reference.size)}: they must have the same size."
            )
        ours, theirs = self.result.pictures, self.reference.pictures
        if ours and theirs:
            if len(ours) != len(theirs):
                raise _different_counts(self, len(ours), len(theirs))
            for one, other in zip(ours, theirs, strict=True):
                if one.stem != other.stem:
                    raise MediaError(
                        f"{one.name} in {self.result.path} stands where {self.reference.path} has {other.name}: "
                        "frames that belong together must have the same names."
                    )

    @property
    def name(self) -> str:
        return self.result.name

    def __iter__(self) -> Iterator[tuple[Frame, Frame]]:
        """(result, reference), frame by frame. Raises MediaError where one ends before the other."""
        count = 0
        ours, theirs = iter(self.result), iter(self.reference)
        for result, reference in zip_longest(ours, theirs):
            if result is None or reference is None:
                longer = 1 + count + sum(1 for _ in (theirs if result is None else ours))
                raise _different_counts(self, *((count, longer) if result is None else (longer, count)))
            if result.shape != reference.shape:
                raise MediaError(
                    f"Frame {count} is {_size(result)} in {self.result.path} and {_size(reference)} in "
                    f"{self.reference.path}: they must have the same size."
                )
            yield result, reference
            count += 1
        if count == 0:
            raise MediaError(f"{self.result.path} and {self.reference.path} hold no frame.")


def _different_counts(pair: ClipPair, ours: int, theirs: int) -> MediaError:
    return MediaError(
        f"{pair.result.path} has {many(ours, 'frame')}, {pair.reference.path} has {theirs:,}: "
        "give clips of the same length."
    )


def _size(of: Frame | tuple[int, int]) -> str:
    height, width = of if isinstance(of, tuple) else of.shape[:2]
    return f"{width}×{height}"


def pair_clips(result: str | Path, reference: str | Path) -> list[ClipPair]:
    """Two films, two folders of frames, or two folders of clips (by name) → what is to be measured against what.

    Raises MediaError where names, sizes or counts do not fit.
    """
    result, reference = Path(result), Path(reference)
    sides = [_clips_by_name(path) for path in (result, reference)]
    ours, theirs = sides
    if ours is None and theirs is None:
        return [ClipPair(open_clip(result), open_clip(reference))]
    if ours is None or theirs is None:
        many, one = (reference, result) if ours is None else (result, reference)
        raise MediaError(f"{many} is a folder of clips and {one} is one clip: give two of a kind.")
    if missing := [name for name in theirs if name not in ours]:
        raise MediaError(f"{result} lacks {_listed(missing)}, which {reference} has.")
    if extra := [name for name in ours if name not in theirs]:
        raise MediaError(f"{reference} lacks {_listed(extra)}, which {result} has.")
    return [ClipPair(open_clip(ours[name]), open_clip(theirs[name])) for name in theirs]


def _clips_by_name(path: Path) -> dict[str, Path] | None:
    """Name → clip of a folder of clips; None if the path is a film or a folder of frames."""
    if not path.is_dir() or folder_pictures(path):
        return None
    clips = clips_by_name(path)
    if not clips:
        raise MediaError(f"{path}: the folder holds neither pictures nor clips.")
    return clips


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more clips"
