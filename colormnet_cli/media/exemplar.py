"""The colour picture that tells the network the film's colours: a picture file, or a frame of a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..color.chroma import resize, working_size
from ..color.lab import lab_to_rgb, rgb_to_lab
from ..errors import MediaError
from ..timecode import Timecode, parse_time
from .clips import FILMS
from .image_file import read_image, to_rgb

if TYPE_CHECKING:
    from ..inference.colorizer import Colorizer

__all__ = [
    "Exemplar",
    "first_frame_among",
    "is_first_frame",
    "is_gray",
    "read_exemplar",
    "show_exemplars",
    "split_reference",
]

_GRAY = 4.0  # Lab chroma under which a patch counts as gray: JPEG and scanners leave 1 to 2 in a gray picture
_LARGEST = 2160  # shorter side above which an exemplar is reduced as it is read
_COMPARED = 96  # shorter side at which an exemplar and the first frame are compared
_WHOLE, _WORST = 0.15, 0.5  # what may be left over, of the spread of L: in the mean, in the worst of 8 × 8 blocks


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A colour picture: `lab` float32 [3,H,W] (L 0…100), and where it came from, as the user wrote it."""

    lab: Tensor
    source: str

    def __post_init__(self) -> None:
        if self.lab.ndim != 3 or self.lab.shape[0] != 3 or 0 in self.lab.shape:
            raise ValueError(f"lab is {list(self.lab.shape)}, meant is [3,H,W]")

    def at_size(self, frame: tuple[int, int], first_frame: bool) -> Tensor:
        """What the network is given: Lab [3,h,w].

        Args:
            frame: (h, w) at which the network works on the film.
            first_frame: the exemplar is the film's first frame, so it takes exactly that size; otherwise it keeps its
                own aspect ratio, its shorter side as long as the film's (never enlarged).
        """
        own = (self.lab.shape[-2], self.lab.shape[-1])
        size = frame if first_frame else working_size(own, min(frame))
        return resize(self.lab, size)


def split_reference(reference: str | Path) -> tuple[Path, Timecode | None]:
    """``film.mp4@00:01:02.5`` → the file and the moment; a picture, or a file with an @ in its name, has none.

    Raises:
        MediaError: there is no such file.
        UsageError: what follows the @ is no time.
    """
    path = Path(reference)
    if path.is_file():
        return path, None
    name, at, moment = str(reference).rpartition("@")
    if at and Path(name).is_file():
        return Path(name), parse_time(moment)
    if path.is_dir() or (at and Path(name).is_dir()):
        raise MediaError(
            f"The exemplar {reference} is a folder; give a picture, or a film with a time (film.mp4@12.5)."
        )
    raise MediaError(f"The exemplar {reference} does not exist: check its name.")


def read_exemplar(reference: str | Path) -> Exemplar:
    """Read a colour picture, or a frame of a film: ``film.mp4@12.5``, ``@00:01:02.5``, ``@f1500``.

    Raises:
        MediaError: it is missing, unreadable, or has no colour.
        UsageError: what follows the @ is no time.
    """
    path, moment = split_reference(reference)
    lab = rgb_to_lab(to_rgb(_bounded(_still(path, moment))))
    if is_gray(lab):
        raise MediaError(f"The exemplar {reference} is gray: it has no colours to give; choose a picture in colour.")
    return Exemplar(lab, str(reference))


def first_frame_among(exemplars: Sequence[Exemplar], L: Tensor, ref_is_first: bool | None = None) -> int | None:
    """Which of the exemplars is the film's first frame; None where none is.

    Args:
        L: lightness of the film's first frame [1,H,W].
        ref_is_first: the user's word: True is the first exemplar, False none, None is found out.

    Raises:
        MediaError: the user says it is, but its aspect ratio is another.
    """
    if ref_is_first is None:
        return next((i for i, exemplar in enumerate(exemplars) if is_first_frame(exemplar, L)), None)
    if not ref_is_first:
        return None
    if not _same_aspect(exemplars[0].lab, L):
        sizes = [f"{x.shape[-1]}×{x.shape[-2]}" for x in (exemplars[0].lab, L)]
        raise MediaError(
            f"The exemplar {exemplars[0].source} is {sizes[0]} and cannot be the first frame of a film of {sizes[1]}; "
            "leave --ref-is-first-frame out."
        )
    return 0


def show_exemplars(
    colorizer: Colorizer,
    exemplars: Sequence[Exemplar],
    L: Tensor,
    size: tuple[int, int],
    ref_is_first: bool | None = None,
) -> None:
    """Give a Colorizer that will work at `size` (h, w) its exemplars; L [1,H,W] is of the first frame."""
    first = first_frame_among(exemplars, L, ref_is_first)
    for i, exemplar in enumerate(exemplars):
        colorizer.set_exemplar(exemplar.at_size(size, i == first), first_frame=i == first)


def is_first_frame(exemplar: Exemplar, L: Tensor) -> bool:
    """Whether the exemplar is the film's first frame in colour, found out by comparing their lightness.

    A film in black and white may be the lightness of what was in colour, or its luma (what a computer makes of colour),
    which differ for strong colours; each is tried. At the same small size the exemplar's tones are fitted to the film's
    (a parabola: brightness, contrast, gamma), so JPEG, another size and other tones do not count. What is left over
    decides, on the whole and in the worst part of the picture: another shot, or something that has moved, leaves much.

    Args:
        L: lightness of the film's first frame [1,H,W], any size.
    """
    if L.ndim != 3 or L.shape[0] != 1:
        raise ValueError(f"L is {list(L.shape)}, meant is [1,H,W]")
    lab, theirs = exemplar.lab.cpu().double(), L.cpu().double()
    if not _same_aspect(lab, theirs):
        return False
    shorter = min(min(lab.shape[-2:]), min(theirs.shape[-2:]))
    size = working_size((theirs.shape[-2], theirs.shape[-1]), min(shorter, _COMPARED))
    lab, theirs = resize(lab, size), resize(theirs, size)
    return any(_leftover(gray, theirs[0]) <= 1 for gray in _in_gray(lab))


def _in_gray(lab: Tensor) -> Iterator[Tensor]:
    """Ways in which Lab [3,h,w] may have become black and white, as lightness [h,w]: L itself, and two lumas."""
    yield lab[0]
    rgb = lab_to_rgb(lab)
    for weights in ((0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)):  # BT.601, BT.709
        luma = (rgb * rgb.new_tensor(weights)[:, None, None]).sum(0, keepdim=True)
        yield rgb_to_lab(luma.expand(3, -1, -1))[0]


def _same_aspect(a: Tensor, b: Tensor) -> bool:
    """Up to a pixel or two that resizing costs."""
    aspects = [x.shape[-1] / x.shape[-2] for x in (a, b)]
    return max(aspects) <= 1.02 * min(aspects)


def _leftover(x: Tensor, y: Tensor) -> float:
    """How far `y` [h,w] is from a smooth rising function of `x` [h,w]; up to 1 they are the same picture."""
    powers = torch.stack([torch.ones_like(x), x / 100, (x / 100) ** 2], dim=-1).reshape(-1, 3)
    factors = torch.linalg.lstsq(powers, y.reshape(-1, 1), driver="gelsd").solution.reshape(3)
    rest = y - (powers @ factors).reshape(y.shape)
    spread = float(y.std(correction=0))
    low, high = torch.quantile(x, 0.05) / 100, torch.quantile(x, 0.95) / 100
    rising = float(factors[1] + factors[2] * (low + high)) > 0  # the chord's slope between dark and light
    if spread < 1 or not rising:
        return float("inf")  # a blank frame is like every picture
    blocks = F.adaptive_avg_pool2d(rest[None] ** 2, 8)[0].sqrt()
    return max(float((rest**2).mean().sqrt()) / (_WHOLE * spread), float(blocks.max()) / (_WORST * spread))


def is_gray(lab: Tensor) -> bool:
    """Whether no patch of the picture has colour; patches, so that a gray scan's coloured noise is none."""
    ab = resize(lab[1:], working_size((lab.shape[-2], lab.shape[-1]), 64))
    return float(ab.norm(dim=0).max()) < _GRAY


def _bounded(pixels: NDArray[Any]) -> NDArray[Any]:
    """No larger than the network could make use of: a 100-megapixel scan takes gigabytes as floats."""
    height, width = working_size((pixels.shape[0], pixels.shape[1]), _LARGEST)
    if (height, width) == pixels.shape[:2]:
        return pixels
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def _still(path: Path, moment: Timecode | None) -> NDArray[Any]:
    """[H,W,3] RGB of a picture, or of the film's frame at that moment."""
    if moment is not None:
        from ..video.rgb import frame_at  # PyAV is only needed for a film

        return frame_at(path, moment)
    if path.suffix.lower() in FILMS:
        raise MediaError(f"The exemplar {path} is a film; say which frame of it, as in {path.name}@00:00:05.")
    return read_image(path)
