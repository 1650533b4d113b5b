"""The user's films as images on disk: folders of frames, DAVIS, and videos, which are unpacked first."""

from __future__ import annotations

import logging
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..color.lab import rgb_to_lab
from ..errors import MediaError, UsageError
from ..files import cannot_write, file_identity
from ..media.clips import Clip, find_clips, folder_pictures, natural_order, open_clip, read_picture
from ..media.reference import is_gray
from ..opencv import cv2
from ..video.decode import DecodeStatistics, decoded_frames
from ..video.probe import open_input, video_stream
from ..video.rgb import RgbFilm
from ..wording import many

__all__ = ["Film", "find_films", "split_validation"]

_log = logging.getLogger(__name__)
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class Film:
    """Frames in order, each an image on disk."""

    name: str
    frames: tuple[Path, ...]


def find_films(paths: Sequence[str], unpacked: Path, shorter_side: int, minimum: int) -> list[Film]:
    """Every film under the paths. Videos are unpacked once, to images in ``unpacked``, for random access to frames.

    Args:
        shorter_side: of unpacked frames in pixels, at most.
        minimum: number of frames; shorter films are skipped with a warning, as are black-and-white ones.

    Raises:
        MediaError: a path is neither a video nor a folder with some, or all films are black-and-white.
        UsageError: all films are too short.
    """
    films, gray = [], False
    found = (path for folder in paths for path in _clips_under(Path(folder), minimum))
    for path in {path.resolve(): path for path in found}.values():  # each once, or validation might see training data
        clip = open_clip(path)
        frames = clip.pictures or _unpack(clip, unpacked, shorter_side)
        if len(frames) < minimum:
            _log.warning("%s is skipped: it has %d of the %d frames that a clip needs", path, len(frames), minimum)
        elif _is_gray(frames):
            gray = True
            _log.warning("%s is skipped: it is black-and-white, and has no color to learn", path)
        else:
            films.append(Film(clip.name, frames))
    if not films and gray:
        raise MediaError(f"There is no color in {', '.join(paths)}: give films in color.")
    if not films:
        raise UsageError(
            f"No film in {', '.join(paths)} has the {minimum} frames that a clip needs: give longer films, or fewer "
            "frames per clip."
        )
    return films


def split_validation(films: list[Film], share: float, seed: int, minimum: int) -> tuple[list[Film], list[Film]]:
    """Films for training and for validation; a single film is split in time, its end being for validation."""
    if share == 0:
        return films, []
    if len(films) == 1:
        name, frames = films[0].name, films[0].frames
        count = max(minimum, round(share * len(frames)))
        if len(frames) - count < minimum:
            _log.warning("%s is too short to be split: validation uses the frames that are trained on", name)
            return films, films
        return [Film(name, frames[:-count])], [Film(name, frames[-count:])]
    order = np.random.default_rng((seed, 11)).permutation(len(films))
    chosen = set(order[: min(max(1, round(share * len(films))), len(films) - 1)].tolist())
    return [f for i, f in enumerate(films) if i not in chosen], [f for i, f in enumerate(films) if i in chosen]


def _is_gray(frames: Sequence[Path]) -> bool:
    """Whether none of five frames has color; for most films, the first one decides."""
    numbers = (len(frames) * eighths // 8 for eighths in (4, 0, 7, 2, 6))
    return all(is_gray(rgb_to_lab(torch.from_numpy(read_picture(frames[i])).permute(2, 0, 1) / 255)) for i in numbers)


def _clips_under(path: Path, minimum: int) -> list[Path]:
    """Videos and folders of frames; a path that is no folder is returned as it is."""
    if not path.is_dir():
        return [path]
    path, names = _davis(path)
    count, found = len(folder_pictures(path)), find_clips(path)
    if names is not None and (chosen := [clip for clip in found if clip.name in names]):
        if len(chosen) < len(found):
            _log.warning(
                "%s: of its %d sequences, the %d that ImageSets lists for training are used; give that folder for all",
                path,
                len(found),
                len(chosen),
            )
        return chosen
    if count >= minimum or (count and not found):
        return [path, *(clip for clip in found if clip.is_file())]
    if count:
        images = "1 image is" if count == 1 else f"{count} images are"
        _log.warning("%s: its %s skipped: too few for a clip, and other films are in the folder", path, images)
    if found:
        return found
    raise MediaError(f"{path} contains no images, no folders of images and no videos.")


def _davis(path: Path) -> tuple[Path, frozenset[str] | None]:
    """Of DAVIS (JPEGImages/480p/<sequence>/00000.jpg): the folder of sequences, and the names of those for training.

    Other folders are returned as they are, without names. Whoever gives JPEGImages itself gets all sequences.
    """
    root = path
    if (path / "JPEGImages").is_dir():
        path = path / "JPEGImages"
    for resolution in ("480p", "Full-Resolution", "1080p"):
        if path.name == "JPEGImages" and (path / resolution).is_dir():
            path = path / resolution
    for year in ("2017", "2016"):
        if path != root and (listed := root / "ImageSets" / year / "train.txt").is_file():
            return path, frozenset(listed.read_text(encoding="utf-8", errors="replace").split())
    return path, None


def _unpack(clip: Clip, unpacked: Path, shorter_side: int) -> tuple[Path, ...]:
    """A video's frames as images. They are written to a temporary folder, so that an existing one is complete.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    content = file_identity(clip.path)["ends"][:12]  # films of the same name and size may still differ
    folder = unpacked / f"{clip.name[:40]}-{content}-{shorter_side}"
    if not folder.exists():
        _log.info("unpacking %s to %s", clip.path, folder)
        part = unpacked / f"{folder.name}.{platform.node()}.part"  # other machines may do the same on a shared disk
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _write_frames(clip, part, shorter_side)
            if not folder.exists():
                part.rename(folder)
        except OSError as error:
            raise cannot_write(folder, error) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return tuple(sorted(folder.glob("*.jpg"), key=natural_order))


def _write_frames(clip: Clip, folder: Path, shorter_side: int) -> None:
    scale = min(1.0, shorter_side / min(clip.size))
    for number, frame in enumerate(_decode(clip.path)):
        height, width = (max(1, round(length * scale)) for length in frame.shape[:2])
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        (folder / f"{number:06d}.jpg").write_bytes(data.tobytes())


def _decode(path: Path) -> Iterator[NDArray[np.uint8]]:
    """All frames of a video that can be decoded, upright; a missing one only makes a gap larger."""
    film, statistics = RgbFilm(path), DecodeStatistics()
    with open_input(path) as container:
        for frame in decoded_frames(container, video_stream(container, path), statistics):
            yield film.upright(frame)
    if statistics.undecodable:
        _log.warning("%s: %s cannot be decoded and are skipped", path, many(statistics.undecodable, "packet"))
