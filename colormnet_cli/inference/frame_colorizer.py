"""Frames at their full size: what films, folders of pictures and benchmarks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..color.guided_upsampling import upsample_ab
from ..color.orientation import Orientation
from ..color.planes import working_size
from ..color.resize import resize
from .colorizer import Colorizer
from .exemplar import Exemplar, first_frame_among

__all__ = ["FrameColorizer"]


class FrameColorizer:
    """Full-size lightness in, full-size ab out: working resolution and guided upsampling inside.

    For programs with their own decoder:

    >>> frames = FrameColorizer(Colorizer(model), [Exemplar(lab)])  # lab [3, H, W], of any size
    >>> for L in film:                                              # [1, H, W] in 0..100
    ...     ab = frames.step(L)                                     # [2, H, W] in Lab units

    Args:
        colorizer: new, or with a loaded state.
        exemplars: given to the colorizer with the first frame.
        size: working resolution, the shorter side; never enlarges. "source": that of the frames.
        guided: upsample ab along the edges of the full-size lightness; False: bilinear.
        ref_is_first: True: the first exemplar is the film's first frame in color; None: decided by comparing.
        orientation: of the stored frames; the network sees them upright.
        batch: frames that `steps` usually gets; see `Colorizer.steps`.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        exemplars: Sequence[Exemplar] = (),
        *,
        size: int | Literal["source"] = 480,
        guided: bool = True,
        ref_is_first: bool | None = None,
        orientation: Orientation | None = None,
        batch: int = 1,
    ) -> None:
        self.colorizer, self.exemplars = colorizer, exemplars
        self.size, self.guided, self.ref_is_first = size, guided, ref_is_first
        self.orientation, self.batch = orientation or Orientation(), batch

    def step(self, L: Tensor) -> Tensor:
        """The next frame: lightness [1, H, W] in 0..100 to ab [2, H, W] in Lab units."""
        return self.steps([L])[0]

    @torch.inference_mode()
    def steps(self, Ls: Sequence[Tensor]) -> list[Tensor]:
        """The next K frames, given to the network at once: [1, H, W] each to [2, H, W] each."""
        Ls = [L.to(self.colorizer.device) for L in Ls]
        upright = [self.orientation.upright(L) for L in Ls]
        size = working_size((upright[0].shape[-2], upright[0].shape[-1]), self.size)
        small = torch.stack([resize(L, size) for L in upright])  # [K, 1, h, w]
        if self.colorizer.frame == 0:
            self._set_exemplars(upright[0], size)
        abs_ = self.colorizer.steps(small, self.batch)  # [K, 2, h, w]
        return [self._upsampled(*frame) for frame in zip(abs_, small, Ls, strict=True)]

    def _set_exemplars(self, L: Tensor, size: tuple[int, int]) -> None:
        first = first_frame_among(self.exemplars, L, self.ref_is_first)
        for i, exemplar in enumerate(self.exemplars):
            self.colorizer.set_exemplar(exemplar.at_size(size, i == first), first_frame=i == first)

    def _upsampled(self, ab: Tensor, small: Tensor, L: Tensor) -> Tensor:
        """One by one, since a batch of full-size frames takes memory."""
        stored = self.orientation.stored
        return upsample_ab(stored(ab), stored(small), L, guided=self.guided)
