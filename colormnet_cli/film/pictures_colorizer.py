"""Pictures in, pictures in colour out: everything between the files and the network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..color.chroma import resize, upsample_ab, working_size
from ..color.gamut import lab_to_rgb_keeping_lightness
from ..color.lab import rgb_to_lab
from ..inference.colorizer import Colorizer
from ..media.exemplar import Exemplar, show_exemplars
from ..media.image_file import to_rgb
from ..settings import PicturesSettings
from .pictures_io import Picture, check_size

__all__ = ["PicturePainter"]

_log = logging.getLogger(__name__)

_COLORED = 3.0  # mean Lab chroma above which a picture is not black and white; a yellowed scan stays below


class PicturePainter:
    """Colours the pictures of one folder, in order."""

    def __init__(self, colorizer: Colorizer, exemplars: Sequence[Exemplar], settings: PicturesSettings) -> None:
        self.colorizer, self.exemplars, self.settings = colorizer, exemplars, settings
        self.size: tuple[int, int] | None = None  # (H, W) of every picture
        self.first = Path()  # the one that has set it
        self.colored = False  # a picture had colour already

    @torch.inference_mode()
    def paint(self, pictures: Sequence[Picture]) -> list[tuple[Picture, Tensor]]:
        """Colour the next ones, together: (picture, sRGB [3,H,W] in 0…1, on the device) each."""
        if not pictures:
            return []
        lab = [self._lab(picture) for picture in pictures]
        L = torch.stack([picture[:1] for picture in lab])  # [K,1,H,W]
        assert self.size is not None
        size = working_size(self.size, self.settings.size)
        small = resize(L, size)  # [K,1,h,w]
        if self.colorizer.frame == 0:
            show_exemplars(self.colorizer, self.exemplars, L[0], size, self.settings.ref_is_first)
        results = zip(pictures, self.colorizer.steps(small), small, L, strict=True)
        return [(picture, self._full(*result)) for picture, *result in results]  # one by one: a batch takes memory

    def _full(self, ab: Tensor, small: Tensor, L: Tensor) -> Tensor:
        """ab [2,h,w] and L [1,h,w] of the working size, L [1,H,W] → sRGB [3,H,W]."""
        return lab_to_rgb_keeping_lightness(torch.cat([L, upsample_ab(ab, small, L, self.settings.guided)]))

    def counts(self) -> dict[str, Any]:
        """What a resumed run must know, in JSON."""
        return {"size": self.size, "first": str(self.first), "colored": self.colored}

    def load(self, counts: Mapping[str, Any]) -> None:
        """Take up what `counts` gave."""
        self.size = None if counts["size"] is None else (counts["size"][0], counts["size"][1])
        self.first, self.colored = Path(counts["first"]), counts["colored"]

    def _lab(self, picture: Picture) -> Tensor:
        if self.size is None:
            self.size, self.first = picture.size, picture.path
        check_size(picture, self.first, self.size)
        lab = rgb_to_lab(to_rgb(picture.pixels, self.colorizer.device))
        lab[0].clamp_(0, 100)
        if not self.colored and float(lab[1:].norm(dim=0).mean()) > _COLORED:
            self.colored = True
            _log.warning("The picture %s has colour already; it is discarded, here and in others", picture.path)
        return lab
