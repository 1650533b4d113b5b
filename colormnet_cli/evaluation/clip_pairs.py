"""Which result is measured against which reference, and that they fit together."""

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
    """A result and its reference; iterating reads both, frame by frame."""

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
                        f"{one.name} in {self.result.path} is in the place of {other.name} in {self.reference.path}: "
                        "the frames of both folders must have the same names."
                    )

    @property
    def name(self) -> str:
        return self.result.name

    @property
    def frames(self) -> int | None:
        """How many, if one of the two says so."""
        return self.reference.frames if self.result.frames is None else self.result.frames

    @property
    def rate(self) -> float | None:
        """Frames per second of the film; None if both are folders of pictures."""
        return next((clip.rate for clip in (self.result, self.reference) if not clip.pictures), None)

    def __iter__(self) -> Iterator[tuple[Frame, Frame]]:
        """(result, reference) frames. Raises MediaError if one ends before the other."""
        count = 0
        ours, theirs = iter(self.result), iter(self.reference)
        for result, reference in zip_longest(ours, theirs):
            if result is None or reference is None:
                longer = 1 + count + sum(1 for _ in (theirs if result is None else ours))
                raise _different_counts(self, *((count, longer) if result is None else (longer, count)))
            if result.shape != reference.shape:
                raise MediaError(
                    f"Frame {count} is {_size(result.shape[:2])} in {self.result.path} and "
                    f"{_size(reference.shape[:2])} in {self.reference.path}: they must have the same size."
                )
            yield result, reference
            count += 1
        if count == 0:
            raise MediaError(f"{self.result.path} and {self.reference.path} hold no frames.")


def _different_counts(pair: ClipPair, ours: int, theirs: int) -> MediaError:
    return MediaError(
        f"{pair.result.path} has {many(ours, 'frame')}, {pair.reference.path} has {theirs:,}: "
        "give clips of the same length."
    )


def _size(size: tuple[int, ...]) -> str:
    return f"{size[1]}×{size[0]}"


def pair_clips(result: str | Path, reference: str | Path) -> list[ClipPair]:
    """Pair a film with a film, a folder of frames with another, or two folders of clips by the names of the clips.

    Raises MediaError if names, sizes or numbers of frames do not fit.
    """
    result, reference = Path(result), Path(reference)
    ours, theirs = (_clips_by_name(path) for path in (result, reference))
    if ours is None and theirs is None:
        return [ClipPair(open_clip(result), open_clip(reference))]
    if ours is None or theirs is None:
        folder, clip = (reference, result) if ours is None else (result, reference)
        raise MediaError(f"{folder} is a folder of clips and {clip} is one clip: give two of the same kind.")
    for one, other, missing in (
        (result, reference, [name for name in theirs if name not in ours]),
        (reference, result, [name for name in ours if name not in theirs]),
    ):
        if missing:
            more = f" and {len(missing) - 3} more clips" if len(missing) > 3 else ""
            raise MediaError(f"{one} lacks {', '.join(missing[:3])}{more}, which {other} has.")
    return [ClipPair(open_clip(ours[name]), open_clip(theirs[name])) for name in theirs]


def _clips_by_name(path: Path) -> dict[str, Path] | None:
    """Name → clip of a folder of clips; None if the path is a film or a folder of frames."""
    if not path.is_dir() or folder_pictures(path):
        return None
    clips = clips_by_name(path)
    if not clips:
        raise MediaError(f"{path}: the folder holds neither pictures nor clips.")
    return clips
