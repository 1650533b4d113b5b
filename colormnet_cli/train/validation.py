"""How good the network is on clips that it never learns from: RGB-PSNR, coloured as in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..color.lab import lab_to_rgb
from ..inference.colorizer import Colorizer
from ..networks.colormnet.colormnet import ColorMNet

__all__ = ["Validation", "validate"]


@dataclass(frozen=True)
class Validation:
    """Means over clips, and the last frames of the first one for the eye."""

    psnr: float  # dB, RGB, over all frames but the exemplar
    chroma: float  # mean |ab| of the last frames, as a share of the truth's
    picture: Tensor  # truth above answer [3, 2H, W] in 0..1


@torch.inference_mode()
def validate(model: ColorMNet, clips: Sequence[Tensor], device: torch.device) -> Validation:
    """Colour Lab clips [T, 3, H, W] from their first frame with the film's own memory, as the command does."""
    psnrs, chromas, picture = [], [], None
    for lab in clips:
        colorizer = Colorizer(model, device=device)
        colorizer.set_exemplar(lab[0], first_frame=True)
        answers = [torch.cat((frame[:1], colorizer.step(frame[:1]).cpu())) for frame in lab][1:]
        ours, truth = lab_to_rgb(torch.stack(answers)), lab_to_rgb(lab[1:])
        error = (ours - truth).square().mean((1, 2, 3)).clamp_min(1e-10)
        psnrs.append(float((-10 * error.log10()).mean()))
        chroma = [float(frame[1:].norm(dim=0).mean()) for frame in (answers[-1], lab[-1])]
        chromas.append(chroma[0] / max(chroma[1], 1e-6))
        if picture is None:
            picture = torch.cat((truth[-1], ours[-1]), dim=1)
    assert picture is not None
    return Validation(sum(psnrs) / len(psnrs), sum(chromas) / len(chromas), picture)
