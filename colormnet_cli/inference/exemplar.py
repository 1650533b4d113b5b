"""The exemplar: the color image that gives a film its colors, and whether it shows the film's first frame."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color.lab import lab_to_rgb, rgb_to_lab
from ..color.planes import working_size
from ..color.resize import resize
from ..errors import MediaError

__all__ = ["Exemplar", "first_frame_among", "is_first_frame"]

_COMPARED = 96  # shorter side at which an exemplar and the first frame are compared
_WHOLE, _WORST = (
    0.15,
    0.5,
)  # allowed residual, as a share of the spread of L: on average, and in the worst of 8 × 8 blocks


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A color image: `lab` float32 [3, H, W] (L in 0..100), and its source as the user wrote it.

    Where it is transparent it has no color to give: `shown` is its opacity [1, H, W] in 0..1, None if it is opaque.
    """

    lab: Tensor
    source: str = "exemplar"
    shown: Tensor | None = None

    def __post_init__(self) -> None:
        if self.lab.ndim != 3 or self.lab.shape[0] != 3 or 0 in self.lab.shape:
            raise ValueError(f"lab must be a tensor [3, H, W], got {list(self.lab.shape)}")
        if self.lab.device.type == "cpu" and (problem := _not_lab(self.lab)):
            warnings.warn(problem, stacklevel=3)  # the caller, behind the generated __init__

    def at_size(self, frame: tuple[int, int], first_frame: bool, multiple: int = 1) -> Tensor:
        """Lab [3, h, w] as the network gets it.

        Args:
            frame: (h, w), the working resolution of the film.
            first_frame: the exemplar is the film's first frame and is resized to exactly that; any other keeps its own
                aspect ratio, with the shorter side of the film's (never enlarged).
            multiple: of which its sides are.
        """
        own = (self.lab.shape[-2], self.lab.shape[-1])
        return resize(self.lab, frame if first_frame else working_size(own, min(frame), multiple))


def _not_lab(lab: Tensor) -> str:
    """What is suspicious about the values of an exemplar [3, H, W]; empty where nothing is."""
    lightness, (low, high) = float(lab[0].max()), (float(value) for value in lab[1:].aminmax())
    if lightness > 100.01:
        return "The exemplar looks like RGB in 0..255: give Lab, such as rgb_to_lab(rgb / 255)."
    if 0.5 < lightness <= 1 and low >= 0 and 0.5 < high <= 1:
        return "The exemplar looks like RGB in 0..1: give Lab, such as rgb_to_lab(rgb)."
    if 0 < lightness <= 1 and max(-low, high) > 5:  # no color is as dark as that
        return "The lightness of the exemplar is within 0..1, but L is in 0..100: multiply it by 100."
    return ""


def first_frame_among(
    exemplars: Sequence[Exemplar], L: Tensor, ref_is_first: bool | None = None, multiple: int = 1
) -> int | None:
    """Which exemplar is the film's first frame; None if none is.

    Args:
        L: lightness of the film's first frame [1, H, W].
        ref_is_first: True: the first exemplar is; False: none is; None: decided by comparing their lightness.
        multiple: to which L's sides were rounded.

    Raises:
        MediaError: the user says it is, but the aspect ratio differs.
    """
    if ref_is_first is None:
        return next((i for i, exemplar in enumerate(exemplars) if is_first_frame(exemplar, L, multiple)), None)
    if not ref_is_first:
        return None
    if not _same_aspect(exemplars[0].lab, L, multiple):
        sizes = [f"{x.shape[-1]}×{x.shape[-2]}" for x in (exemplars[0].lab, L)]
        raise MediaError(
            f"The exemplar {exemplars[0].source} is {sizes[0]} and cannot be the first frame of a film of {sizes[1]}; "
            "leave `ref_is_first` out."
        )
    return 0


def is_first_frame(exemplar: Exemplar, L: Tensor, multiple: int = 1) -> bool:
    """Whether the exemplar is the film's first frame in color, decided by comparing their lightness.

    A black-and-white film may be the lightness or the luma of a color film, which differ for saturated colors: each is
    tried. At the same small size the exemplar's tones are fitted to the film's with a parabola (brightness, contrast,
    gamma), so that JPEG, resizing and other tones do not count. The residual decides, on average and in the worst part
    of the image: another shot, or an object that has moved, leaves a large one.

    Args:
        L: lightness of the film's first frame [1, H, W], any size.
        multiple: to which its sides were rounded.
    """
    if L.ndim != 3 or L.shape[0] != 1:
        raise ValueError(f"L must be a tensor [1, H, W], got {list(L.shape)}")
    lab, theirs = exemplar.lab.cpu().double(), L.cpu().double()
    if not _same_aspect(lab, theirs, multiple):
        return False
    shorter = min(min(lab.shape[-2:]), min(theirs.shape[-2:]))
    size = working_size((theirs.shape[-2], theirs.shape[-1]), min(shorter, _COMPARED))
    lab, theirs = resize(lab, size), resize(theirs, size)
    return any(_residual(gray, theirs[0]) <= 1 for gray in _in_gray(lab))


def _in_gray(lab: Tensor) -> Iterator[Tensor]:
    """Lab [3, h, w] in black and white, as lightness [h, w]: L itself, and the lumas of BT.601 and BT.709."""
    yield lab[0]
    rgb = lab_to_rgb(lab)
    for weights in ((0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)):
        luma = (rgb * rgb.new_tensor(weights)[:, None, None]).sum(0, keepdim=True)
        yield rgb_to_lab(luma.expand(3, -1, -1))[0]


def _same_aspect(a: Tensor, b: Tensor, multiple: int) -> bool:
    """Up to the pixel or two that resizing costs, or what rounding b's sides to multiples does."""
    aspects = [x.shape[-1] / x.shape[-2] for x in (a, b)]
    rounding = 1.02 + (multiple - 1) / min(b.shape[-2:])
    return max(aspects) <= rounding * min(aspects)


def _residual(x: Tensor, y: Tensor) -> float:
    """How far `y` [h, w] is from a smooth rising function of `x` [h, w]; up to 1 they show the same image."""
    powers = torch.stack([torch.ones_like(x), x / 100, (x / 100) ** 2], dim=-1).reshape(-1, 3)
    factors = torch.linalg.lstsq(powers, y.reshape(-1, 1), driver="gelsd").solution.reshape(3)
    rest = y - (powers @ factors).reshape(y.shape)
    spread = float(y.std(correction=0))
    low, high = torch.quantile(x, 0.05) / 100, torch.quantile(x, 0.95) / 100
    rising = float(factors[1] + factors[2] * (low + high)) > 0  # the slope between dark and light
    if spread < 1 or not rising:
        return float("inf")  # a blank frame matches everything
    blocks = F.adaptive_avg_pool2d(rest[None] ** 2, 8)[0].sqrt()
    return max(float((rest**2).mean().sqrt()) / (_WHOLE * spread), float(blocks.max()) / (_WORST * spread))
