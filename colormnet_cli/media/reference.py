"""Reference images: the exemplar read from an image file, or from a frame of a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color.lab import rgb_to_lab
from ..color.planes import working_size
from ..color.resize import resize
from ..errors import MediaError
from ..inference.exemplar import Exemplar
from ..timecode import Timecode
from .clips import FILMS
from .image_file import read_image, read_opacity, to_rgb
from .reference_path import split_reference

__all__ = ["is_gray", "read_exemplar"]

_GRAY = 4.0  # Lab chroma below which a patch counts as gray: JPEG and scanners leave 1 to 2 in a gray image
_LARGEST = 2160  # shorter side to which larger exemplars are reduced when they are read


def read_exemplar(reference: str | Path, *, allow_gray: bool = False) -> Exemplar:
    """Read a color image, or a frame of a film: ``film.mp4@12.5``, ``@00:01:02.5``, ``@f1500``.

    allow_gray: an image without color is no mistake, as for the shots of a plan, among which are titles.

    Raises:
        MediaError: it is missing, unreadable, or has no color.
        UsageError: what follows the @ is not a time.
    """
    path, time = split_reference(reference)
    pixels, opacity = _read(path, time), None if time is not None else read_opacity(path)
    lab, shown = rgb_to_lab(to_rgb(_bounded(pixels))), None
    if opacity is not None and opacity.shape == pixels.shape[:2]:
        if opacity.max() < 0.5:
            raise MediaError(f"The exemplar {reference} is transparent everywhere: paint some of it opaque.")
        shown = torch.from_numpy(_bounded(opacity))[None]
        lab[1:] *= shown
    if not allow_gray and is_gray(lab):
        raise MediaError(f"The exemplar {reference} is gray: it has no colors to give; choose an image in color.")
    return Exemplar(lab, str(reference), shown)


def is_gray(lab: Tensor) -> bool:
    """Whether no patch of the image has color; patches, so that the chroma noise of a gray scan does not count."""
    ab = resize(lab[1:], working_size((lab.shape[-2], lab.shape[-1]), 64))
    return float(ab.norm(dim=0).max()) < _GRAY


def _bounded(pixels: NDArray[Any]) -> NDArray[Any]:
    """No larger than the network can use: a scan of 100 megapixels takes gigabytes as floats."""
    size = working_size((pixels.shape[0], pixels.shape[1]), _LARGEST)
    if size == pixels.shape[:2]:
        return pixels
    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    smaller = np.empty((*size, channels.shape[2]), pixels.dtype)
    for i in range(channels.shape[2]):  # one by one, for the memory
        channel = resize(torch.from_numpy(channels[..., i].astype(np.float32))[None], size)[0].numpy()
        smaller[..., i] = channel if pixels.dtype == np.float32 else channel.round()
    return smaller.reshape(*size, *pixels.shape[2:])


def _read(path: Path, time: Timecode | None) -> NDArray[Any]:
    """[H, W, 3] RGB of an image, or of the film's frame at that time."""
    if time is not None:
        from ..video.rgb import frame_at  # PyAV is only needed for a film

        return frame_at(path, time)
    if path.suffix.lower() in FILMS:
        raise MediaError(f"The exemplar {path} is a film; add the time of a frame, as in {path.name}@00:00:05.")
    return read_image(path)
