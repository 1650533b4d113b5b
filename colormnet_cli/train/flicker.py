"""Flicker as of films that were colored frame by frame: added to the ab of clips that have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..inference.colorizer import Colorizer
from ..inference.exemplar import Exemplar
from ..inference.frame_colorizer import FrameColorizer
from ..networks.state_dict import Network
from ..opencv import cv2

__all__ = ["flickering", "forgetful"]

Array = NDArray[Any]  # float32 unless stated otherwise

_KINDS = {"hue and saturation": 0.6, "regions": 0.5, "gray patches": 0.35, "jumps": 0.3, "drift": 0.35}  # their shares


def flickering(rng: np.random.Generator, ab: Array) -> Array:
    """ab [T, 2, H, W] that flicker in some of the ways of `_KINDS`; in some clips in none."""
    frames, _, height, width = ab.shape
    kinds = {kind for kind, share in _KINDS.items() if rng.random() < share}
    strength = rng.uniform(0.3, 1.2)
    factor: Array = np.ones((frames, height, width), np.complex64)  # turns hue, multiplies saturation
    shift: Array = np.zeros((frames, 2, 1, 1), np.float32)
    if "hue and saturation" in kinds:
        factor *= _factors(rng, frames, strength)[:, None, None]
        shift += rng.normal(0, 3 * strength, shift.shape)
    if "regions" in kinds:
        for _ in range(rng.integers(1, 4)):
            factor *= 1 + _region(rng, height, width) * (_factors(rng, frames, strength)[:, None, None] - 1)
    if "jumps" in kinds:
        at = int(rng.integers(1, frames))
        factor[at:] *= 1 + _region(rng, height, width) * (_factors(rng, 1, strength)[0] - 1)
    if "drift" in kinds:
        turn, fade = rng.normal(0, 0.3 * strength), rng.normal(0, 0.25 * strength)
        factor *= np.exp(np.linspace(0, fade + 1j * turn, frames))[:, None, None]
    if "gray patches" in kinds:
        for frame in np.flatnonzero(rng.random(frames) < rng.uniform(0.1, 0.5)):
            factor[frame] *= 1 - rng.uniform(0.4, 1) * _region(rng, height, width)
    turned = (ab[:, 0] + 1j * ab[:, 1]) * factor
    return np.asarray(np.stack((turned.real, turned.imag), axis=1) + shift, np.float32)


def _factors(rng: np.random.Generator, frames: int, strength: float) -> Array:
    """Random changes of hue (radians) and saturation, as complex factors [frames]."""
    hue, saturation = rng.normal(0, 0.3 * strength, frames), rng.normal(0, 0.25 * strength, frames)
    return np.asarray(np.exp(saturation + 1j * hue), np.complex64)


def _region(rng: np.random.Generator, height: int, width: int) -> Array:
    """A blob with soft edges [height, width], or everything on one side of a soft border; 0..1."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle, (across, along) = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(0.15), np.log(1.5), 2))
    x, y = x - rng.uniform(-1, 1), y - rng.uniform(-1, 1)
    distance = np.hypot(
        (x * np.cos(angle) + y * np.sin(angle)) / across, (y * np.cos(angle) - x * np.sin(angle)) / along
    )
    region = (distance < 1).astype(np.float32)
    softness = rng.uniform(0.5, 0.15 * min(height, width))
    return np.asarray(cv2.GaussianBlur(region, (0, 0), softness), np.float32)


def forgetful(model: Network, lab: Tensor) -> Tensor:
    """The ab [T, 2, H, W] of the network that colors each frame alone from the first one, Lab [T, 3, H, W]."""
    exemplar = Exemplar(lab[0])
    with torch.inference_mode():
        colored = [FrameColorizer(Colorizer(model), [exemplar]).step(frame[:1]) for frame in lab]
    return torch.stack(colored).clone()
