"""What shots are looked for in: a film, or a folder of pictures that stand for its frames."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..files import file_identity, not_found
from ..media.clips import folder_pictures
from ..media.picture import Picture, open_picture
from ..opencv import cv2
from ..video.pixel_formats import convert_luma
from ..video.probe import probe
from ..video.reader import Reader

__all__ = ["GrayFrame", "Source", "open_source"]

_PICTURE_RATE = Fraction(24)  # frames per second that pictures are shown at, in tables


@dataclass(frozen=True)
class GrayFrame:
    """One frame in gray."""

    number: int
    luma: NDArray[Any]  # [H, W], as stored
    pts: int
    duration: int


class Source(ABC):
    """Frames in gray, and what is known of them before they are read."""

    path: Path
    rate: Fraction  # frames per second
    time_base: Fraction  # of pts
    count: int | None  # of frames, where that is known
    bits: int  # of the luma
    size: tuple[int, int]  # H, W of the upright frames

    @abstractmethod
    def frames(self) -> Iterator[GrayFrame]:
        """All frames, in order."""

    @abstractmethod
    def picture(self, frame: GrayFrame) -> NDArray[np.uint8]:
        """A frame as people see it: [H, W], upright, in full range."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """By which the source is recognized: its size in bytes, and a hash."""


def open_source(path: Path) -> Source:
    """A film, or a folder of pictures.

    Raises:
        MediaError: it does not exist, or cannot be read.
    """
    if not path.exists():
        raise MediaError(not_found(path))
    return _Pictures(path) if path.is_dir() else _Film(path)


class _Film(Source):
    def __init__(self, path: Path) -> None:
        self.path, self.info = path, probe(path)
        self.rate, self.time_base, self.count = self.info.rate, self.info.time_base, self.info.frames
        self.bits, self.size = self.info.layout.bits, self.info.upright_size

    def frames(self) -> Iterator[GrayFrame]:
        for frame in Reader(self.info).frames():
            yield GrayFrame(frame.number, frame.luma, frame.pts, frame.duration or self.info.frame_duration)

    def picture(self, frame: GrayFrame) -> NDArray[np.uint8]:
        luma = convert_luma(frame.luma, (self.bits, 8), (self.info.full_range, True))
        import torch  # a film is planned before PyTorch is imported

        upright: NDArray[np.uint8] = self.info.orientation.upright(torch.from_numpy(luma)).numpy()
        return upright

    def identity(self) -> dict[str, Any]:
        identity = file_identity(self.path)
        return {name: identity[name] for name in ("size", "ends")}


class _Pictures(Source):
    """A damaged picture counts as a repetition of the one before it."""

    def __init__(self, path: Path) -> None:
        self.path, self.pictures = path, folder_pictures(path)
        if not self.pictures:
            raise MediaError(
                f"{path} holds no picture: give a film, or a folder of PNG, JPEG, TIFF, WebP or BMP files."
            )
        self.rate, self.time_base, self.count = _PICTURE_RATE, 1 / _PICTURE_RATE, len(self.pictures)
        first = next((p for p in map(open_picture, self.pictures) if not p.problem), None)
        if first is None:
            raise MediaError(f"None of the {len(self.pictures)} pictures in {path} can be read.")
        self.bits, self.size, self._first = first.bits, first.size, _gray(first)

    def frames(self) -> Iterator[GrayFrame]:
        luma = self._first
        for number, path in enumerate(self.pictures):
            picture = open_picture(path)
            if not picture.problem and picture.bits == self.bits:
                luma = _gray(picture)
            yield GrayFrame(number, luma, number, 1)

    def picture(self, frame: GrayFrame) -> NDArray[np.uint8]:
        luma: NDArray[np.uint8] = frame.luma if self.bits == 8 else (frame.luma >> 8).astype(np.uint8)
        return luma

    def identity(self) -> dict[str, Any]:
        sizes = [picture.stat().st_size for picture in self.pictures]
        names = "".join(f"{picture.name} {size}\n" for picture, size in zip(self.pictures, sizes, strict=True))
        return {"size": sum(sizes), "ends": hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()}


def _gray(picture: Picture) -> NDArray[Any]:
    return cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY)
