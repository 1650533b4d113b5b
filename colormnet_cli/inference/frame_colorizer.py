"""Frames at their full size: what films, folders of pictures and benchmarks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..color.gamut import vivid
from ..color.guided_upsampling import upsample_ab
from ..color.orientation import Orientation
from ..color.planes import working_size
from ..color.resize import resize
from ..settings import DEFAULT_SIZE, NetworkSettings
from .colorizer import Colorizer, check_lightness
from .engine import Engine
from .exemplar import Exemplar, first_frame_among

__all__ = ["Encoded", "FrameColorizer", "Resampler"]

_LAG = 0.4  # share of the frames before in the match of a place: grain changes it from frame to frame
_DOUBT = 0.01  # by so much a place is shown less well for each Lab unit that it is expected to be wrong

Encoded = dict[tuple[str, tuple[int, int]], Any]


class Resampler:
    """From full-size frames to the working size, at which they are upright, and back.

    Args:
        size: working resolution, the shorter side; never enlarges. "source": that of the frames.
        guided: upsample ab along the edges of the full-size lightness; False: bilinear.
        orientation: of the stored frames; the network sees them upright.
        multiple: of which both sides are at the working size.
        vividness: by which chroma is multiplied on the way back, as far as the gamut reaches. None: color of a network
            that has a factor of its own is multiplied by that, exemplars are not.
    """

    def __init__(
        self,
        size: int | Literal["source"] = DEFAULT_SIZE,
        guided: bool = True,
        orientation: Orientation | None = None,
        multiple: int = 1,
        vividness: float | None = None,
    ) -> None:
        self.size, self.guided, self.orientation, self.multiple = size, guided, orientation or Orientation(), multiple
        self.vividness = vividness

    @staticmethod
    def of(settings: NetworkSettings, engine: Engine, orientation: Orientation | None = None) -> Resampler:
        """By settings, for the frames of a network."""
        size = settings.size or engine.default_size
        return Resampler(size, settings.guided, orientation, engine.side_multiple, settings.vividness)

    @torch.inference_mode()
    def down(self, Ls: Sequence[Tensor]) -> Tensor:
        """Full-size lightness [1, H, W] of K frames to the working size [K, 1, h, w]."""
        upright = [self.orientation.upright(L) for L in Ls]
        size = working_size((upright[0].shape[-2], upright[0].shape[-1]), self.size, self.multiple)
        return torch.stack([resize(L, size) for L in upright])

    @torch.inference_mode()
    def up(self, abs_: Tensor, working: Tensor, Ls: Sequence[Tensor]) -> list[Tensor]:
        """ab [K, 2, h, w] of frames `working` [K, 1, h, w] to the full size of `Ls`: [2, H, W] each.

        One by one, since a batch of full-size frames takes memory.
        """
        stored = self.orientation.stored
        if self.vividness not in (None, 1):
            pairs = zip(working, abs_, strict=True)
            abs_ = torch.stack([vivid(torch.cat((L, ab)), self.vividness) for L, ab in pairs])
        frames = zip(abs_, working, Ls, strict=True)
        return [upsample_ab(stored(ab), stored(small), L, guided=self.guided) for ab, small, L in frames]


class FrameColorizer:
    """Full-size lightness in, full-size ab out: working resolution and guided upsampling inside.

    For programs with their own decoder:

    >>> frames = FrameColorizer(Colorizer(model), [Exemplar(lab)])  # lab [3, H, W], of any size
    >>> for L in film:                                              # [1, H, W] in 0..100
    ...     ab = frames.step(L)                                     # [2, H, W] in Lab units

    Args:
        colorizer: new, or with a loaded state.
        exemplars: given to the colorizer with the first frame.
        size, guided, orientation: see `Resampler`; without a size it is the network's own.
        ref_is_first: True: the first exemplar is the film's first frame in color; None: decided by comparing.
        batch: frames that `steps` usually gets; see `Colorizer.steps`.
        resampler: instead of `size`, `guided` and `orientation`.
        encoded: exemplars that other films with the same network have encoded, by source and size; new ones are added.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        exemplars: Sequence[Exemplar] = (),
        *,
        size: int | Literal["source"] | None = None,
        guided: bool = True,
        ref_is_first: bool | None = None,
        orientation: Orientation | None = None,
        batch: int = 1,
        resampler: Resampler | None = None,
        encoded: Encoded | None = None,
    ) -> None:
        self.colorizer, self.exemplars = colorizer, exemplars
        self.encoded: Encoded = {} if encoded is None else encoded
        self.resampler = resampler or Resampler(
            size or colorizer.engine.default_size, guided, orientation, colorizer.engine.side_multiple
        )
        self.ref_is_first, self.batch = ref_is_first, batch
        self.match: Tensor | None = None  # [1, h, w] of the last frame: see `described_steps`

    def step(self, L: Tensor) -> Tensor:
        """The next frame: lightness [1, H, W] in 0..100 to ab [2, H, W] in Lab units."""
        return self.steps([L])[0]

    def steps(self, Ls: Sequence[Tensor]) -> list[Tensor]:
        """The next K frames, given to the network at once: [1, H, W] each to [2, H, W] each."""
        for i, L in enumerate(Ls):
            check_lightness(L, first=self.colorizer.frame == 0 and i == 0)
        Ls = [L.to(self.colorizer.device) for L in Ls]
        working = self.resampler.down(Ls)
        return self.resampler.up(self.working_steps(working, Ls[0]), working, Ls)

    @torch.inference_mode()
    def working_steps(self, working: Tensor, first: Tensor | None = None) -> Tensor:
        """The next K frames at the working size: [K, 1, h, w] to [K, 2, h, w].

        first: the first of them at full size [1, H, W], with which the exemplars are compared; None: at working size.
        """
        if self.colorizer.frame == 0:
            L = working[0] if first is None else self.resampler.orientation.upright(first)
            rounded = self.colorizer.engine.side_multiple if first is None else 1
            self._set_exemplars(L, (working.shape[-2], working.shape[-1]), rounded)
        engine = self.colorizer.engine
        given = int(self.colorizer.frame == 0 and engine.first is not None)  # the first frame has the exemplar's color
        abs_ = self.colorizer.steps(working, self.batch)
        if engine.vividness == 1 or self.resampler.vividness is not None:
            return abs_
        return torch.cat((abs_[:given], engine.vividness * abs_[given:]))

    @torch.inference_mode()
    def described_steps(self, working: Tensor, first: Tensor | None = None, *, matching: bool = False) -> Tensor:
        """`working_steps`, and in further channels what is known of these colors: [K, C, h, w].

        That is the expected error, from a network that says it; and with `matching` last how well the exemplars show
        each place, less what is expected to be wrong there, averaged over some frames.
        """
        channels = [self.working_steps(working, first)]
        if self.colorizer.engine.expects_errors:
            channels.append(self.colorizer.expected_error())
        if matching:
            shown, steady = self.colorizer.exemplar_match(), []
            if len(channels) > 1:
                shown = shown - _DOUBT * channels[1]
            for match in shown:
                self.match = match if self.match is None else _LAG * self.match + (1 - _LAG) * match
                steady.append(self.match)
            channels.append(torch.stack(steady))
        return torch.cat(channels, dim=1)

    def _set_exemplars(self, L: Tensor, size: tuple[int, int], rounded: int) -> None:
        multiple = self.colorizer.engine.side_multiple
        first = first_frame_among(self.exemplars, L, self.ref_is_first, rounded)
        for i, exemplar in enumerate(self.exemplars):
            lab = exemplar.at_size(size, i == first, multiple)
            if i == first and exemplar.shown is None:
                self.colorizer.set_exemplar(lab, first_frame=True)
                continue
            # One that shows part of the first frame is not its answer
            key = exemplar.source, (lab.shape[-2], lab.shape[-1])
            if key not in self.encoded:
                shown = None if exemplar.shown is None else resize(exemplar.shown, key[1])
                self.encoded[key] = self.colorizer.encode_exemplar(lab, shown)
            self.colorizer.add_encoded(self.encoded[key])
