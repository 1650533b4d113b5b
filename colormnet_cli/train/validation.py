"""How well the network colors clips that it is never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..color.lab import lab_to_rgb
from ..inference.colorizer import Colorizer
from ..networks.blind_consistency import BlindConsistency, ColorSteadier
from ..networks.state_dict import Network
from .flicker import flickering

__all__ = ["Validation", "validate"]


class Validation(NamedTuple):
    """Means over clips, and an image of the first clip."""

    psnr: float  # dB, RGB, over all frames but the exemplar
    chroma: float  # mean |ab| of the last frames, relative to the original's
    image: Tensor  # the first clip's last frame, original above result: RGB [3, 2H, W] in 0..1


@torch.inference_mode()
def validate(model: Network, clips: Sequence[Tensor], device: torch.device) -> Validation:
    """Colorize Lab clips [T, 3, H, W] from their first frames, with the memory that is used for videos.

    A network that removes flicker gets them with flicker, the same one each time.
    """
    psnrs, chromas, images = [], [], []
    for number, lab in enumerate(clips):
        ab = (
            _steadied(model, lab, number, device)
            if isinstance(model, BlindConsistency)
            else _colored(model, lab, device)
        )
        results = torch.cat((lab[1:, :1], ab[1:].cpu()), dim=1)
        rgb, original = lab_to_rgb(results), lab_to_rgb(lab[1:])
        error = (rgb - original).square().mean((1, 2, 3)).clamp_min(1e-10)
        psnrs.append(float((-10 * error.log10()).mean()))
        chroma, expected = (float(frame[1:].norm(dim=0).mean()) for frame in (results[-1], lab[-1]))
        chromas.append(chroma / max(expected, 1e-6))
        images.append(torch.cat((original[-1], rgb[-1]), dim=1))
    return Validation(sum(psnrs) / len(psnrs), sum(chromas) / len(chromas), images[0])


def _colored(model: Network, lab: Tensor, device: torch.device) -> Tensor:
    """ab [T, 2, H, W]."""
    colorizer = Colorizer(model, device=device)
    colorizer.set_exemplar(lab[0], first_frame=True)
    return torch.stack([colorizer.step(frame[:1]) for frame in lab])


def _steadied(model: BlindConsistency, lab: Tensor, seed: int, device: torch.device) -> Tensor:
    """ab [T, 2, H, W]."""
    steadier = ColorSteadier(model)
    ab = torch.from_numpy(flickering(np.random.default_rng(seed), lab[:, 1:].numpy())).to(device)
    return torch.cat([steadier.step(L[None], frame[None]) for L, frame in zip(lab[:, :1].to(device), ab, strict=True)])
