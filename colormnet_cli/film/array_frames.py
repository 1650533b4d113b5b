"""Frames as arrays of any kind in, the same kind in color out: for programs with their own decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..color.gamut import lab_to_rgb_keeping_lightness
from ..color.lab import rgb_to_lab
from ..errors import MediaError, UsageError
from ..inference.colorizer import Colorizer
from ..inference.device import device_for, resolve_precision
from ..inference.exemplar import Exemplar
from ..inference.frame_colorizer import FrameColorizer, Resampler
from ..media.reference import is_gray, read_exemplar
from ..settings import MemoryConfig, NetworkSettings

if TYPE_CHECKING:
    from ..networks.state_dict import Network

__all__ = ["colorize_frames"]

_TOPS = {torch.uint8: 255, torch.uint16: 65535}  # the codes of white
_OVERSHOOT = 1.5  # floats above it are not RGB in 0..1, but codes

Picture = Any  # np.ndarray or Tensor
Reference = Any  # a Picture, an Exemplar, or the path of an image


def colorize_frames(
    frames: Iterable[Picture],
    reference: Reference | Sequence[Reference],
    *,
    model: Network,
    memory: MemoryConfig | None = None,
    size: int | Literal["source"] | None = None,
    guided: bool = True,
    vividness: float | None = None,
    ref_is_first: bool | None = None,
    batch: int = 1,
    device: str | torch.device = "auto",
    precision: str = "auto",
) -> Iterator[Any]:
    """Colorize frames of one film, in order, at their full size; each comes when the next one is asked for.

    >>> for rgb in colorize_frames(frames, reference, model=load_model("preview")):
    ...     encode(rgb)

    Args:
        frames: NumPy arrays or tensors of one size: gray [H, W], [H, W, 1] or [1, H, W], or RGB [H, W, 3] or [3, H, W];
            uint8 or uint16 (0 to 65535 whatever the film's bit depth), or floats in 0..1. Of RGB the Lab lightness is
            used.
        reference: a color image of any size in one of these RGB forms, the path of one, a frame of a film
            (`film.mp4@12.5`), or an Exemplar; or a list of them.
        model: from `load_model`.
        size, guided, vividness, ref_is_first: as in `ColorizeSettings`.
        batch: frames that are taken and given to the network at once; more than one is faster on a GPU.
        device, precision: as for `colorize_video`.

    Returns:
        An iterator of RGB frames of the kind, the dtype and the device of the input: [H, W, 3] where color comes last
        or there was no axis for it, [3, H, W] where it comes first. Each keeps its lightness; what lies outside the
        gamut loses chroma.

    Raises:
        ColormnetError: a reference that cannot be read or is gray, or settings that are wrong.
        ValueError: a frame of another shape, dtype or range.
    """
    settings = NetworkSettings(size, batch, None, guided, vividness, ref_is_first)  # checks them
    references = list(reference) if isinstance(reference, (list, tuple)) else [reference]
    if not references:
        raise UsageError("There is no reference: give at least one color image.")
    exemplars = [_exemplar(one) for one in references]
    where = device_for(device, model.device)
    colorizer = Colorizer(model, memory, where, resolve_precision(precision, where))
    resampler = Resampler.of(settings, colorizer.engine)
    full_size = FrameColorizer(colorizer, exemplars, ref_is_first=ref_is_first, batch=batch, resampler=resampler)
    return _colorized(iter(frames), full_size, batch)


def _colorized(frames: Iterator[Picture], colorizer: FrameColorizer, batch: int) -> Iterator[Picture]:
    while group := list(islice(frames, batch)):
        # inference_mode is not held while the caller has the frame
        with torch.inference_mode():
            Ls = [
                rgb_to_lab(_rgb(frame, "a frame").to(colorizer.colorizer.device))[:1].clamp(0, 100) for frame in group
            ]
            abs_ = colorizer.steps(Ls)
            pictures = [torch.cat((L, ab)) for L, ab in zip(Ls, abs_, strict=True)]
            results = [_like(lab_to_rgb_keeping_lightness(lab), f) for lab, f in zip(pictures, group, strict=True)]
        yield from results


def _exemplar(reference: Reference) -> Exemplar:
    if isinstance(reference, Exemplar):
        return reference
    if isinstance(reference, (str, Path)):
        return read_exemplar(reference)
    lab = rgb_to_lab(_rgb(reference, "a reference").cpu())
    if is_gray(lab):
        raise MediaError("The reference is gray: it has no colors to give; choose an image in color.")
    return Exemplar(lab, "reference")


def _rgb(picture: Picture, what: str) -> Tensor:
    """RGB [3, H, W] in 0..1, float32, on the picture's device."""
    if isinstance(picture, np.ndarray):
        native = picture.astype(picture.dtype.newbyteorder("="), copy=False)
        if native.dtype not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
            raise ValueError(f"{what} must be of uint8, uint16 or floats, got {picture.dtype}")
        picture = torch.tensor(np.ascontiguousarray(native))
    elif not isinstance(picture, Tensor):
        raise ValueError(f"{what} must be a NumPy array or a tensor, got {type(picture).__name__}")
    if picture.dtype not in _TOPS and not picture.is_floating_point():
        raise ValueError(f"{what} must be of uint8, uint16 or floats, got {picture.dtype}")
    values = picture.to(torch.float32) / _TOPS.get(picture.dtype, 1)
    if picture.ndim == 2:
        planes = values[None]
    elif picture.ndim == 3 and _color_axis(picture) == -1:
        planes = values.movedim(-1, 0)
    elif picture.ndim == 3 and picture.shape[0] in (1, 3):
        planes = values
    else:
        raise ValueError(f"{what} must be [H, W], [H, W, 3] or [3, H, W], got {list(picture.shape)}")
    if not planes.numel():
        raise ValueError(f"{what} has no pixels: {list(picture.shape)}")
    if picture.is_floating_point():
        low, high = (float(value) for value in planes.aminmax())
        if not -_OVERSHOOT < low <= high < _OVERSHOOT:  # NaN fails too
            raise ValueError(f"{what} of floats must be RGB in 0..1, got values from {low:.4g} to {high:.4g}")
    return planes.clamp(0, 1).expand(3, -1, -1).contiguous()


def _color_axis(picture: Picture) -> int:
    """Where the colors of a frame are, and those of its result: -1 (last, also where there is none) or 0 (first)."""
    return -1 if picture.ndim == 2 or picture.shape[-1] in (1, 3) else 0


def _like(rgb: Tensor, frame: Picture) -> Picture:
    """RGB [3, H, W] in 0..1 as an array of the frame's kind, dtype, byte order, device and place of the color axis."""
    rgb = rgb.movedim(0, _color_axis(frame)).contiguous()
    if isinstance(frame, np.ndarray):
        if frame.dtype.kind == "f":
            return rgb.cpu().numpy().astype(frame.dtype)
        return (rgb * np.iinfo(frame.dtype).max).round().cpu().numpy().astype(frame.dtype)
    top = _TOPS.get(frame.dtype)
    return (rgb if top is None else (rgb * top).round()).to(frame.device).to(frame.dtype)
