"""Training data. Sample k of a run depends on the seed and k alone, so that any run can be resumed exactly."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..color.lab import rgb_to_lab
from ..errors import ColormnetError, MediaError, TrainingError, UsageError
from ..media.clips import read_picture
from ..opencv import cv2
from ..weights import load_model
from .clip_loss import draw_memory
from .film_frames import Film, find_films, split_validation
from .flicker import flickering, forgetful
from .scenes import SceneKinds, synthetic_clip, synthetic_clip_with_flow
from .train_settings import TrainSettings, values_of

__all__ = ["Batch", "FilmClips", "SyntheticClips", "TrainingData", "batches", "check_batch", "training_data"]

# Lab [B, T, 3, H, W]; then the frames that each frame reads [B, T, 3], or for networks without a memory the flow
# [B, T - 1, 2, H, W] and what was seen before [B, T - 1, 1, H, W], see `scenes.flow`; where flicker is removed, before
# these flickering ab [B, T, 2, H, W], and behind them the same two to the first frame
Batch = tuple[Tensor, ...]
Image = NDArray[Any]  # RGB [H, W, 3]

_VALIDATION_FRAMES = 24
_VALIDATION: dict[str, Any] = {"frames": _VALIDATION_FRAMES, "jump": 2, "cut": 0.0}


class TrainingData(NamedTuple):
    """Clips to train on, and Lab clips [T, 3, H, W] for validation."""

    training: Dataset[Batch]
    validation: list[Tensor]


def training_data(settings: TrainSettings, unpacked: Path) -> TrainingData:
    """The data that the settings name; videos are unpacked to images in the folder ``unpacked``.

    Raises:
        UsageError: no data is given, or two kinds of it, or no video is long enough.
        MediaError: a video cannot be read.
    """
    if settings.synthetic == bool(settings.data):
        raise UsageError("Give either data, as folders of frames or videos, or synthetic clips to train on.")
    size, longest = settings.crops[-1][1], max(values_of(settings.frames))
    if settings.data and settings.steadies:
        raise UsageError("Removing flicker is trained on synthetic clips, whose movement is known: leave films out.")
    if settings.data and settings.temporal_loss and not settings.reads_memory:
        raise UsageError(
            "The temporal loss needs synthetic clips, whose movement is known: for films, set temporal_loss to 0."
        )
    if settings.synthetic:
        # Odd seeds are those of validation, so that no clip is used for both. Every other clip has all kinds of things,
        # whatever the run's own shares are, so that runs can be compared.
        clips = (
            synthetic_clip(1, index, **_VALIDATION, size=size, kinds=SceneKinds(*[index % 2] * len(fields(SceneKinds))))
            for index in range(settings.validation_clips)
        )
        kind = FlickeringClips if settings.steadies else SyntheticClips
        return TrainingData(kind(settings), [torch.from_numpy(clip) for clip in clips])
    films = find_films(settings.data, unpacked, shorter_side=2 * size, minimum=longest)
    training, validation = split_validation(films, settings.validation_share, settings.seed, longest)
    shown = (validation or training)[: settings.validation_clips]
    return TrainingData(FilmClips(training, settings), [_validation_clip(film, size) for film in shown])


class SyntheticClips(Dataset[Batch]):
    """Synthetic clips, generated on the fly; index k is the run's k-th sample."""

    def __init__(self, settings: TrainSettings):
        self.settings = settings

    def __getitem__(self, k: int) -> Batch:
        settings = self.settings
        kind = _kind(settings, settings.step_of(k))
        if not settings.reads_memory:
            return tuple(map(torch.from_numpy, synthetic_clip_with_flow(2 * settings.seed, k, **kind)))
        return torch.from_numpy(synthetic_clip(2 * settings.seed, k, **kind)), _memory_picks(settings, k)


class FlickeringClips(Dataset[Batch]):
    """Synthetic clips with and without flicker, generated on the fly; index k is the run's k-th sample."""

    def __init__(self, settings: TrainSettings):
        self.settings = settings
        self.preview = load_model("preview").eval() if settings.preview_share else None

    def __getitem__(self, k: int) -> Batch:
        settings = self.settings
        rng = np.random.default_rng((settings.seed, 11, k))
        kind = _kind(settings, settings.step_of(k))
        lab, *motion = map(torch.from_numpy, synthetic_clip_with_flow(2 * settings.seed, k, to_first=True, **kind))
        if self.preview is not None and rng.random() < settings.preview_share:
            ab = forgetful(self.preview, lab)
        else:
            ab = torch.from_numpy(flickering(rng, lab[:, 1:].numpy()))
        return lab, ab, *motion


def _kind(settings: TrainSettings, step: int) -> dict[str, Any]:
    """The settings of synthetic clips at a step."""
    return {
        "frames": settings.at(settings.frames, step), "size": settings.at(settings.crops, step),
        "jump": settings.at(settings.jumps, step), "cut": settings.cut, "vivid": settings.vivid,
        "kinds": SceneKinds(**{kind.name: getattr(settings, kind.name) for kind in fields(SceneKinds)}),
    }  # fmt: skip


class FilmClips(Dataset[Batch]):
    """Clips cut out of films; index k is the run's k-th sample. In each epoch, every film is used once."""

    def __init__(self, films: list[Film], settings: TrainSettings):
        self.films, self.settings = films, settings

    def __getitem__(self, k: int) -> Batch:
        settings, step = self.settings, self.settings.step_of(k)
        rng = np.random.default_rng((settings.seed, 3, k))
        epoch, place = divmod(k, len(self.films))
        order = np.random.default_rng((settings.seed, 13, epoch)).permutation(len(self.films))
        film = self.films[order[place]]
        count, jump = settings.at(settings.frames, step), settings.at(settings.jumps, step)
        numbers = _draw_frames(rng, len(film.frames), count, jump)
        images = _read([film.frames[i] for i in numbers])
        images = _crop(rng, images, settings.at(settings.crops, step), settings.crop_scale)
        if self.augments(step):
            images = [_augment(rng, image) for image in images]
        lab = _to_lab(images)
        if settings.reads_memory:
            return lab, _memory_picks(settings, k)
        later = lab[1:, :1]  # nothing is known of a film's movement
        return lab, torch.zeros_like(later).expand(-1, 2, -1, -1).contiguous(), torch.zeros_like(later)

    def augments(self, step: int) -> bool:
        """Whether each frame of a clip is rotated, sheared and tinted separately."""
        return self.settings.affine and step < (1 - self.settings.plain_share) * self.settings.steps


def _validation_clip(film: Film, size: int) -> Tensor:
    """The first frames of a film, cropped to the middle square: Lab [T, 3, size, size]."""
    images = []
    for path in film.frames[:_VALIDATION_FRAMES]:
        image = read_picture(path).astype(np.float32) / 255
        side = min(image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        square = image[top : top + side, left : left + side]
        images.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
    return _to_lab(images)


def _memory_picks(settings: TrainSettings, k: int) -> Tensor:
    """The frames that each frame of sample k reads [T, 3]."""
    frames = settings.at(settings.frames, settings.step_of(k))
    return draw_memory(np.random.default_rng((settings.seed, 7, k)), frames)


def _draw_frames(rng: np.random.Generator, length: int, count: int, jump: int) -> list[int]:
    """``count`` frame numbers with gaps of at most ``jump``, ascending or, in half of the clips, descending."""
    jump = min(jump, (length - 1) // (count - 1))
    gaps = rng.integers(1, jump + 1, count - 1)
    numbers = np.concatenate([[0], np.cumsum(gaps)]) + rng.integers(0, length - gaps.sum())
    return [int(number) for number in (numbers[::-1] if rng.random() < 0.5 else numbers)]


def _read(paths: list[Path]) -> list[Image]:
    """Images of one size, uint8. Raises MediaError if they differ in size."""
    images: list[Image] = [read_picture(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            (height, width), (h, w) = images[0].shape[:2], image.shape[:2]
            raise MediaError(
                f"{paths[0]} is {width}×{height} and {path} is {w}×{h}: put each film into its own folder."
            )
    return images


def _crop(rng: np.random.Generator, images: list[Image], size: int, scale: tuple[float, float]) -> list[Image]:
    """The same crop of all images, of random area, aspect ratio and place, mirrored or not: [size, size, 3] in 0..1."""
    height, width = images[0].shape[:2]
    area = rng.uniform(*scale) * height * width
    aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    h, w = min(height, max(1, round(np.sqrt(area / aspect)))), min(width, max(1, round(np.sqrt(area * aspect))))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    mirrored = rng.random() < 0.5
    method = cv2.INTER_AREA if min(h, w) > size else cv2.INTER_LINEAR
    crops = []
    for image in images:
        crop: Image = np.ascontiguousarray(image[top : top + h, left : left + w]).astype(np.float32) / 255
        crop = cv2.resize(crop, (size, size), interpolation=method)
        crops.append(np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop)
    return crops


def _augment(rng: np.random.Generator, image: Image) -> Image:
    """A small rotation and shear, and slightly different brightness, contrast and saturation."""
    middle = (np.array(image.shape[:2]) - 1) / 2
    angle, shear = np.deg2rad(rng.uniform(-15, 15)), np.deg2rad(rng.uniform(-10, 10))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation @ np.array([[1, np.tan(shear)], [0, 1]])
    warp = np.concatenate([linear, (middle - linear @ middle)[:, None]], axis=1)
    size = image.shape[1], image.shape[0]
    image = cv2.warpAffine(image, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    brightness, contrast, saturation = rng.uniform(0.9, 1.1), rng.uniform(0.95, 1.05), rng.uniform(0.95, 1.05)
    image = image * brightness
    image = (image - image.mean()) * contrast + image.mean()
    gray = (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return np.asarray(np.clip((image - gray) * saturation + gray, 0, 1), np.float32)


def _to_lab(images: list[Image]) -> Tensor:
    """RGB images in 0..1 to Lab [T, 3, H, W]."""
    return rgb_to_lab(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))


def batches(
    data: Dataset[Batch], settings: TrainSettings, *, step: int, rank: int = 0, world_size: int = 1
) -> Iterator[Batch]:
    """Batches for one process from ``step`` on; ``accumulate`` of them make a step.

    Raises:
        UsageError: the batch cannot be divided between that many processes.
        MediaError: a frame cannot be read.
        TrainingError: a worker process was killed.
    """
    check_batch(settings, world_size)
    loader: DataLoader[Any] = DataLoader(
        data,
        batch_sampler=_samples(settings, step, rank, world_size),
        num_workers=settings.workers,
        worker_init_fn=_ignore_interrupts,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=settings.workers > 0,
    )
    try:
        yield from loader
    except ColormnetError as error:  # from a worker process, its message contains a traceback
        raise type(error)(str(error).rpartition(f"{type(error).__name__}: ")[2].strip()) from error
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise TrainingError(
            "A worker process that prepares clips was killed, probably because memory, or /dev/shm in a container, is "
            "full: resume with fewer workers."
        ) from error


def _samples(settings: TrainSettings, step: int, rank: int, world_size: int) -> Iterator[list[int]]:
    """The samples of each batch; of a step's samples, each process gets a contiguous share, in ``accumulate`` parts."""
    for number in range(step, settings.steps):
        size = settings.at(settings.batch, number) // (world_size * settings.accumulate)
        first = settings.first_sample(number) + rank * settings.accumulate * size
        for part in range(settings.accumulate):
            yield list(range(first + part * size, first + (part + 1) * size))


def check_batch(settings: TrainSettings, world_size: int) -> None:
    """Raise UsageError if the batch cannot be divided between that many processes."""
    parts = world_size * settings.accumulate
    for batch in values_of(settings.batch):
        if batch % parts:
            raise UsageError(
                f"A batch of {batch} cannot be divided between {world_size} processes in {settings.accumulate} "
                f"parts each: make it a multiple of {parts}."
            )


def _ignore_interrupts(worker: int) -> None:
    """A terminal sends Ctrl-C, and SIGHUP, to all processes; the step that is completed first still needs its clips."""
    for name in ("SIGINT", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
