"""How well the network colors clips that it is never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..color.lab import lab_to_rgb
from ..inference.colorizer import Colorizer
from ..networks.state_dict import Network

__all__ = ["Validation", "validate"]


class Validation(NamedTuple):
    """Means over clips, and an image of the first clip."""

    psnr: float  # dB, RGB, over all frames but the exemplar
    chroma: float  # mean |ab| of the last frames, relative to the original's
    image: Tensor  # the first clip's last frame, original above result: RGB [3, 2H, W] in 0..1


@torch.inference_mode()
def validate(model: Network, clips: Sequence[Tensor], device: torch.device) -> Validation:
    """Colorize Lab clips [T, 3, H, W] from their first frames, with the memory that is used for videos."""
    psnrs, chromas, images = [], [], []
    for lab in clips:
        colorizer = Colorizer(model, device=device)
        colorizer.set_exemplar(lab[0], first_frame=True)
        results = torch.stack([torch.cat((frame[:1], colorizer.step(frame[:1]).cpu())) for frame in lab][1:])
        rgb, original = lab_to_rgb(results), lab_to_rgb(lab[1:])
        error = (rgb - original).square().mean((1, 2, 3)).clamp_min(1e-10)
        psnrs.append(float((-10 * error.log10()).mean()))
        chroma, expected = (float(frame[1:].norm(dim=0).mean()) for frame in (results[-1], lab[-1]))
        chromas.append(chroma / max(expected, 1e-6))
        images.append(torch.cat((original[-1], rgb[-1]), dim=1))
    return Validation(sum(psnrs) / len(psnrs), sum(chromas) / len(chromas), images[0])
