"""Existing chroma: of a colored film, and without its flicker."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ...color.chroma import to_chroma_grid
from ...passes.protection import Protection
from ...video.encode import EncoderSpec
from ...video.pixel_formats import Plane
from ...video.probe import VideoInfo
from ...video.reader import Frame
from ...video.rgb import RgbFilm
from ..plan import output_format
from .steadier import Chroma, steady_chroma

__all__ = ["ChromaSource", "ColoredFilm", "SteadyChroma"]

ChromaPair = tuple[Plane, Plane]  # Cb and Cr, as the encoder takes them


class ChromaSource(Protocol):
    """Where the color of a film comes from, frame by frame."""

    @property
    def info(self) -> VideoInfo:
        """Of the file that has it."""

    @property
    def margin(self) -> int:
        """How many frames before the first one that is wanted have to be read."""

    def depends(self) -> Mapping[str, Any]:
        """What the chroma depends on besides the files, by the names that an error message uses."""

    def planes(self, frames: Iterator[Frame], first: int, spec: EncoderSpec) -> Iterator[tuple[Frame, ChromaPair]]:
        """These frames of the film, from the one with the number `first` on, with their chroma for the encoder."""

    def state(self) -> Mapping[str, Any]:
        """What the frames after those that came last depend on, to be saved with them."""

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a saved state, after its frame; None: from the film's first frame."""


class ColoredFilm:
    """The chroma of another film of the same size and length."""

    margin = 0

    def __init__(self, film: RgbFilm) -> None:
        self.film, self.info = film, film.info

    def depends(self) -> Mapping[str, Any]:
        return {}

    def planes(self, frames: Iterator[Frame], first: int, spec: EncoderSpec) -> Iterator[tuple[Frame, ChromaPair]]:
        chroma = islice(self.film.chroma(spec.pix_fmt, spec.matrix, spec.full_range), first, None)
        return zip(frames, chroma, strict=False)

    def state(self) -> Mapping[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        pass


class SteadyChroma:
    """The chroma of another source without its flicker.

    Args:
        source: with flicker.
        bits: of the film's luma.
        starts: frames with which shots begin.
        radius: of the average, in frames.
        protection: of the steady chroma; that of the source must not be protected, since it moves.
    """

    def __init__(
        self,
        source: ChromaSource,
        bits: int,
        starts: Collection[int],
        radius: int = 3,
        protection: Protection | None = None,
    ) -> None:
        self.source, self.bits, self.starts, self.margin = source, bits, tuple(starts), radius
        self._last: tuple[int, Chroma] | None = None  # number and chroma of the frame that came last
        self.protection = protection

    @property
    def info(self) -> VideoInfo:
        return self.source.info

    def depends(self) -> Mapping[str, Any]:
        return {**self.source.depends(), "shots": self.starts, "radius": self.margin}

    def planes(self, frames: Iterator[Frame], first: int, spec: EncoderSpec) -> Iterator[tuple[Frame, ChromaPair]]:
        waiting: list[Frame] = []  # read, but not averaged yet

        def pictures() -> Iterator[tuple[NDArray[np.uint8], Chroma]]:
            for frame, planes in self.source.planes(frames, first, spec):
                waiting.append(frame)
                yield _eight_bits(frame.luma, self.bits), _chroma_of(planes, spec.bits)

        for steady in steady_chroma(pictures(), self.starts, self.margin, first, self._last):
            frame = waiting.pop(0)
            if self._last is None or frame.number > self._last[0]:
                self._last = frame.number, steady
            kept = None if self.protection is None else self.protection.kept(frame.number)
            if kept is not None:
                fmt = output_format(spec)
                steady = steady * to_chroma_grid(kept, fmt.subsampling, fmt.siting)[0].numpy()[..., None]
            yield frame, _codes(steady, spec.bits)

    def state(self) -> Mapping[str, Any]:
        last = None if self._last is None else (self._last[0], torch.from_numpy(self._last[1]))
        return {"last": last, "source": dict(self.source.state())}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        last = None if state is None else state["last"]
        self._last = None if last is None else (last[0], last[1].numpy())
        self.source.restore(None if state is None else state["source"])


def _eight_bits(luma: Plane, bits: int) -> NDArray[np.uint8]:
    return luma if bits == 8 else (luma >> (bits - 8)).astype(np.uint8)


def _chroma_of(planes: ChromaPair, bits: int) -> Chroma:
    """Codes of Cb and Cr [h, w] to [h, w, 2] around 0."""
    return (np.dstack(planes).astype(np.float32) - 2 ** (bits - 1)) / np.float32(2**bits - 1)


def _codes(chroma: Chroma, bits: int) -> ChromaPair:
    """The inverse of `_chroma_of`, rounded."""
    codes = np.rint(chroma * (2**bits - 1) + 2 ** (bits - 1)).clip(0, 2**bits - 1)
    cb, cr = np.moveaxis(codes.astype(np.uint8 if bits == 8 else np.uint16), -1, 0)
    return np.ascontiguousarray(cb), np.ascontiguousarray(cr)
