"""The color of a film alone, at the working size: FFV1 in Matroska, 16 bits a sample, which players show as well.

Frames are upright. Y is L, to 8 bits: it is only there to be looked at, and to recognize the film. Cr is a, Cb is −b:
so players show colors much like the true ones, but paler. The tag `COLORMNET_COLOR` says of which film they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import MediaError
from ...video.encode import EncoderSpec
from ...video.plane_film import PlaneFilm

__all__ = ["ColorFile", "ColorNote", "color_encoder", "color_planes", "read_note", "refuse_color_file"]

FORMAT = 1
TAG = "COLORMNET_COLOR"
STEP = 0.01  # units of a and b to which they are rounded
_CODES = 2  # codes a step: a and b reach ±163.8, beyond what any network gives


@dataclass(frozen=True)
class ColorNote:
    """What the tag of a file says of the film and the run."""

    film: Mapping[str, Any]  # its file's identity: `files.file_identity`
    size: tuple[int, int]  # (H, W) of its frames as they are shown
    frames: int
    part: tuple[str | None, str | None, str | None]  # start, end and duration, as they were given
    key: str  # hash of everything that the color depends on
    weights: str  # sha256 of the network's tensors
    settings: Mapping[str, Any]  # those of the network
    versions: Mapping[str, str]

    def tags(self) -> dict[str, str]:
        """For the file."""
        return {TAG: json.dumps({"format": FORMAT, "step": STEP, **asdict(self)}, default=str)}

    @staticmethod
    def of(tags: Mapping[str, str], path: Path) -> ColorNote:
        """Raises MediaError where the file is none of this kind."""
        if TAG not in tags:
            raise MediaError(f"{path} was not written by `colormnet colorize`: make a color file with `chroma_out`.")
        try:
            values = json.loads(tags[TAG])
            if (values.pop("format"), values.pop("step")) != (FORMAT, STEP):
                raise MediaError(f"{path} was written by another version: make it again.")
            return ColorNote(**{**values, "size": tuple(values["size"]), "part": tuple(values["part"])})
        except (ValueError, KeyError, TypeError) as error:
            raise MediaError(f"{path} is damaged: its tag {TAG} cannot be read; make it again.") from error


class ColorFile:
    """A finished file. Raises MediaError where it is none, or cannot be read."""

    def __init__(self, path: str | Path) -> None:
        film = PlaneFilm(path)
        self.note, self.info = ColorNote.of(film.tags, Path(path)), film.info
        self._film = film

    @property
    def size(self) -> tuple[int, int]:
        """(H, W), the working size."""
        return self.info.height, self.info.width

    def frames(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor, Tensor]]:
        """Seconds, lightness [1, h, w] to 8 bits, and ab [2, h, w] of the frames from `first` on, upright."""
        for seconds, (y, cb, cr) in self._film.frames(first):
            L = _tensor(y >> 8) / 2.55
            yield seconds, L[None], torch.stack((_tensor(cr) - 32768, 32768 - _tensor(cb))) * (STEP / _CODES)


def read_note(path: Path) -> ColorNote | None:
    """What a file says of itself; None where there is none, or it is something else."""
    try:
        return ColorNote.of(PlaneFilm(path).tags, path) if path.is_file() else None
    except MediaError:
        return None


def refuse_color_file(path: str | Path) -> None:
    """Raise a MediaError where a colored film is needed, but the file is one of color alone: its planes are Lab."""
    if TAG in PlaneFilm(path).tags:
        raise MediaError(
            f"{path} has the color of a film alone: put it on the film with `colormnet apply`, and give the result."
        )


def color_encoder(spec: EncoderSpec, size: tuple[int, int], transposed: bool) -> EncoderSpec:
    """The encoder of a color file, for a film that is written with `spec`; size is the working size, upright."""
    aspect = spec.sample_aspect_ratio
    return replace(
        spec,
        encoder="ffv1",
        container="matroska",
        height=size[0],
        width=size[1],
        pix_fmt="yuv444p16le",
        encoder_pix_fmt="yuv444p16le",
        bits=16,
        subsampling=(1, 1),
        full_range=True,
        matrix="bt709",
        range_tag=2,
        matrix_tag=1,
        sample_aspect_ratio=1 / aspect if aspect and transposed else aspect,
        field_order=0,
        options=(("level", "3"), ("g", "1"), ("slicecrc", "1")),  # each frame stands alone, and has a checksum
        quantizer=None,
        codec_tag=None,
    )


@torch.inference_mode()
def color_planes(working: Tensor, ab: Tensor) -> list[tuple[Tensor, ...]]:
    """Lightness [K, 1, h, w] and ab [K, 2, h, w] to the planes (Y, Cb, Cr) [h, w] of each frame, int32."""
    y = (working[:, 0] * 2.55).round().clamp(0, 255) * 256
    a, b = ((ab / STEP).round() * _CODES).clamp(-32768, 32767).unbind(1)
    cb, cr = (32768 - b).clamp(max=65535), 32768 + a
    return list(zip(*(plane.to(torch.int32).unbind(0) for plane in (y, cb, cr)), strict=True))


def _tensor(plane: NDArray[Any]) -> Tensor:
    return torch.from_numpy(plane.astype(np.float32))
