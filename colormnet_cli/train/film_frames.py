"""The user's own material: folders of frames, DAVIS's layout, videos; and clips cut out of them."""

from __future__ import annotations

import logging
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..color.lab import rgb_to_lab
from ..errors import MediaError, UsageError
from ..files import cannot_write, file_identity
from ..media.clips import Clip, find_clips, folder_pictures, natural_order, open_clip, read_picture
from ..media.reference import is_gray
from ..wording import many
from .data import Batch, memory_picks
from .scenes.textures import Array
from .train_settings import TrainSettings

__all__ = ["Film", "FilmClips", "find_films", "held_back", "validation_clip"]

_log = logging.getLogger(__name__)
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class Film:
    """Frames in order, each a picture on disk."""

    name: str
    frames: tuple[Path, ...]


def find_films(paths: Sequence[str], unpacked: Path, shorter_side: int, least: int) -> list[Film]:
    """Every film under the paths. Videos are unpacked once, to pictures in ``unpacked``, so that any frame is at hand.

    Raises:
        MediaError: a path is neither a film nor a folder with some, or none of the films is in colour.
        UsageError: none has ``least`` frames, as many as a clip.
    """
    films, gray, seen = [], False, set()
    for path in map(Path, paths):
        for found in _clips_under(path, least):
            if found.resolve() in seen:  # learned twice as often, or held back and learned all the same
                continue
            seen.add(found.resolve())
            clip = open_clip(found)
            frames = clip.pictures or _unpack(clip, unpacked, shorter_side)
            if len(frames) < least:
                _log.warning("%s is left out: of the %d frames that a clip needs it has %d", found, least, len(frames))
            elif _all_gray(frames):
                gray = True
                _log.warning("%s is black and white and is left out: there is no colour in it to learn", found)
            else:
                films.append(Film(clip.name, frames))
    if not films and gray:
        raise MediaError(f"There is no colour to learn in {', '.join(paths)}: give films that are in colour.")
    if not films:
        raise UsageError(
            f"No film in {', '.join(paths)} has the {least} frames that a clip needs: give longer ones, or --frames."
        )
    return films


def _all_gray(frames: Sequence[Path]) -> bool:
    """Whether none of a few frames has colour; of most films one is looked at."""
    places = (len(frames) * part // 8 for part in (4, 0, 7, 2, 6))
    return all(is_gray(rgb_to_lab(torch.from_numpy(read_picture(frames[i])).permute(2, 0, 1) / 255)) for i in places)


def held_back(films: list[Film], share: float, seed: int, least: int) -> tuple[list[Film], list[Film]]:
    """Films to learn from and films to validate on; of a single film, its end is held back."""
    if share == 0:
        return films, []
    if len(films) == 1:
        film = films[0]
        count = max(least, round(share * len(film.frames)))
        if len(film.frames) - count < least:
            _log.warning("%s is too short for its end to be held back: validation sees what is learned", film.name)
            return films, films
        return [Film(film.name, film.frames[:-count])], [Film(film.name, film.frames[-count:])]
    order = np.random.default_rng((seed, 11)).permutation(len(films))
    back = set(order[: min(max(1, round(share * len(films))), len(films) - 1)].tolist())
    return [f for i, f in enumerate(films) if i not in back], [f for i, f in enumerate(films) if i in back]


class FilmClips(Dataset[Batch]):
    """Clips cut out of films; index k is the run's k-th sample. Every film comes up once in a round."""

    def __init__(self, films: list[Film], settings: TrainSettings):
        self.films, self.settings = films, settings

    def __getitem__(self, k: int) -> Batch:
        settings, step = self.settings, k // self.settings.batch
        rng = np.random.default_rng((settings.seed, 3, k))
        turn, place = divmod(k, len(self.films))
        order = np.random.default_rng((settings.seed, 13, turn)).permutation(len(self.films))
        film = self.films[order[place]]
        chosen = _choose(rng, len(film.frames), settings.frames, settings.at(settings.jumps, step))
        size = settings.at(settings.crops, step)
        pictures = _cropped(rng, _read([film.frames[i] for i in chosen]), size, settings.crop_scale)
        if self.jitters(step):
            pictures = [_jittered(rng, picture) for picture in pictures]
        return rgb_to_lab(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)), memory_picks(settings, k)

    def jitters(self, step: int) -> bool:
        """Whether each frame of a clip is turned, sheared and tinted a little of its own."""
        return self.settings.affine and step < (1 - self.settings.plain_share) * self.settings.steps


def validation_clip(film: Film, frames: int, size: int) -> Tensor:
    """The first frames of a film, the middle square of each: Lab [T, 3, size, size]."""
    pictures = []
    for path in film.frames[:frames]:
        picture = read_picture(path).astype(np.float32) / 255
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        square = picture[top : top + side, left : left + side]
        pictures.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
    return rgb_to_lab(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2))


def _clips_under(path: Path, least: int) -> list[Path]:
    if not path.is_dir():
        return [path]  # open_clip says what is wrong with it, if anything is
    path, names = _davis(path)
    own, found = len(folder_pictures(path)), find_clips(path)
    if names is not None and (chosen := [clip for clip in found if clip.name in names]):
        if len(chosen) < len(found):
            _log.warning(
                "Of the %d sequences in %s the %d are learned from that ImageSets names for training; give that folder "
                "itself, to learn from all",
                len(found), path, len(chosen),
            )  # fmt: skip
        return chosen
    if own >= least or (own and not found):
        return [path, *(clip for clip in found if clip.is_file())]
    if own:
        _log.warning("%s is left out: it lies beside films and is none, having %d frames", path, own)
    if found:
        return found
    raise MediaError(f"{path} holds no pictures, no folders of pictures and no videos.")


def _davis(path: Path) -> tuple[Path, frozenset[str] | None]:
    """DAVIS's layout, JPEGImages/480p/<sequence>/00000.jpg: its folder of sequences, and those meant for training.

    Other folders are what they were, without names. Whoever gives JPEGImages itself wants all that is there.
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
    """A video's frames as pictures, made once; the folder is there only when it is whole.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    content = file_identity(clip.path)["ends"][:12]  # films of one name, and of one size, may be others all the same
    folder = unpacked / f"{clip.name[:40]}-{content}-{shorter_side}"
    if not folder.exists():
        _log.info("unpacking %s to %s", clip.path, folder)
        part = unpacked / f"{folder.name}.{platform.node()}.part"  # another machine may do the same to a shared disk
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
    for number, frame in enumerate(_decoded(clip.path)):
        height, width = (max(1, round(length * scale)) for length in frame.shape[:2])
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        (folder / f"{number:06d}.jpg").write_bytes(data.tobytes())


def _decoded(path: Path) -> Iterator[NDArray[np.uint8]]:
    """All frames of a video that can be decoded, as players show them; one that is missing is one jump more."""
    from ..video.decode import DecodeStatistics, decoded_frames
    from ..video.probe import open_input, video_stream
    from ..video.rgb import RgbFilm

    film, counts = RgbFilm(path), DecodeStatistics()
    with open_input(path) as container:
        for frame in decoded_frames(container, video_stream(container, path), counts):
            yield film.upright(frame)
    if counts.undecodable:
        _log.warning("%s is learned from without %s that cannot be decoded", path, many(counts.undecodable, "packet"))


def _choose(rng: np.random.Generator, length: int, count: int, jump: int) -> list[int]:
    """``count`` frame numbers in order, at most ``jump`` apart, in half of the clips reversed."""
    jump = min(jump, (length - 1) // (count - 1))
    gaps = rng.integers(1, jump + 1, count - 1)
    places = np.concatenate([[0], np.cumsum(gaps)]) + rng.integers(0, length - gaps.sum())
    return [int(place) for place in (places[::-1] if rng.random() < 0.5 else places)]


def _read(frames: list[Path]) -> list[Array]:
    """Pictures [H, W, 3] of one size."""
    pictures: list[Array] = [read_picture(frame) for frame in frames]
    for frame, picture in zip(frames, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            (height, width), (h, w) = pictures[0].shape[:2], picture.shape[:2]
            raise MediaError(
                f"{frames[0]} and {frame} are {width}×{height} and {w}×{h}: give each film a folder of its own."
            )
    return pictures


def _cropped(rng: np.random.Generator, pictures: list[Array], size: int, scale: tuple[float, float]) -> list[Array]:
    """The same part of all pictures [size, size, 3] in 0..1: of random area, shape and place, mirrored or not."""
    height, width = pictures[0].shape[:2]
    area = rng.uniform(*scale) * height * width
    aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    h, w = min(height, max(1, round(np.sqrt(area / aspect)))), min(width, max(1, round(np.sqrt(area * aspect))))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    mirrored = rng.random() < 0.5
    method = cv2.INTER_AREA if min(h, w) > size else cv2.INTER_LINEAR
    cropped = []
    for picture in pictures:
        part: Array = np.ascontiguousarray(picture[top : top + h, left : left + w]).astype(np.float32) / 255
        part = cv2.resize(part, (size, size), interpolation=method)
        cropped.append(np.ascontiguousarray(part[:, ::-1]) if mirrored else part)
    return cropped


def _jittered(rng: np.random.Generator, picture: Array) -> Array:
    """A small turn and shear, and slightly other brightness, contrast and saturation: a frame's own."""
    middle = (np.array(picture.shape[:2]) - 1) / 2
    turn, shear = np.deg2rad(rng.uniform(-15, 15)), np.deg2rad(rng.uniform(-10, 10))
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = turned @ np.array([[1, np.tan(shear)], [0, 1]])
    own = np.concatenate([linear, (middle - linear @ middle)[:, None]], axis=1)
    size = picture.shape[1], picture.shape[0]
    picture = cv2.warpAffine(picture, own, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    brightness, contrast, saturation = rng.uniform(0.9, 1.1), rng.uniform(0.95, 1.05), rng.uniform(0.95, 1.05)
    picture = picture * brightness
    picture = (picture - picture.mean()) * contrast + picture.mean()
    gray = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    picture = (picture - gray[..., None]) * saturation + gray[..., None]
    return np.asarray(np.clip(picture, 0, 1), np.float32)
