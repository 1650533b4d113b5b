"""Colors from two sources: where the exemplars of a film show nothing similar, those of automatic stills fill in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..inference.frame_colorizer import FrameColorizer
from .film_colorizer import FilmColorizer

__all__ = ["FilledColorizer", "filled_share"]

# The automatic still must show a place so much better: from the first difference on it fills in, from the second alone
_BETTER = (0.05, 0.12)
_BEST = 0.95  # match from which it does not count how much better it is: that of the still with itself is 1
_RADIUS = 12  # pixels at the working size, of the window in which the match of places is averaged
_EDGE = 20.0  # variance of L; where it is larger, the average follows the edges of L


class FilledColorizer:
    """Colors frames twice, by a film's exemplars and by automatic stills of its shots, and mixes for each place.

    Args:
        own: by the exemplars.
        automatic: by the stills; both with `matching`, and with the same resampler.
        match_limits: see `Engine.match_limits`.
    """

    def __init__(self, own: FilmColorizer, automatic: FilmColorizer, match_limits: tuple[float, float]) -> None:
        self.own, self.automatic, self.match_limits = own, automatic, match_limits

    def steps(self, Ls: Sequence[Tensor], numbers: Sequence[int]) -> list[Tensor]:
        """As `FilmColorizer.steps`; no pass or shot of either begins or ends between the frames."""
        working, colors = self.working_steps(Ls, numbers)
        return self.full_size(working, colors[:, :2], Ls, numbers)

    def working_steps(self, Ls: Sequence[Tensor], numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """As `FilmColorizer.working_steps`."""
        working = self.own.resampler.down(Ls)
        own, automatic = (one.colors(working, Ls[0], numbers) for one in (self.own, self.automatic))
        share = filled_share(own[:, -1:], automatic[:, -1:], working, self.match_limits)
        return working, own[:, :-1].lerp(automatic[:, :-1], share)

    def full_size(self, working: Tensor, ab: Tensor, Ls: Sequence[Tensor], numbers: Sequence[int]) -> list[Tensor]:
        """As `FilmColorizer.full_size`."""
        return self.own.full_size(working, ab, Ls, numbers)

    def follow(self, Ls: Sequence[Tensor], numbers: Sequence[int], shots: Collection[tuple[int, int]]) -> None:
        """As `FilmColorizer.follow`."""
        for one in (self.own, self.automatic):
            one.follow(Ls, numbers, shots)

    def can_continue(self, frame: int, shots: Collection[tuple[int, int]]) -> bool:
        """As `FilmColorizer.can_continue`."""
        return all(one.can_continue(frame, shots) for one in (self.own, self.automatic))

    def forward(self, frame: int) -> FrameColorizer | None:
        """As `FilmColorizer.forward`."""
        return self.own.forward(frame)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next frames depend on."""
        return {**self.own.state_dict(), "automatic": self.automatic.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where that state was taken."""
        self.own.load_state_dict(state)
        self.automatic.load_state_dict(state["automatic"])


@torch.inference_mode()
def filled_share(own: Tensor, automatic: Tensor, L: Tensor, match_limits: tuple[float, float]) -> Tensor:
    """How much of each place's color the automatic still gives, from the match of both: [K, 1, h, w] each, to 0..1.

    None where the exemplars show the place, and none where the still shows it no better. What decides is averaged over
    a window, within the edges of L, so that the share changes smoothly, and at edges of what is seen.
    """
    better, match = _along_edges(torch.cat((automatic.clamp(max=_BEST) - own, own), dim=1), L).split(1, dim=1)
    return _step(better, *_BETTER) * (1 - _step(match, *match_limits))


def _step(x: Tensor, low: float, high: float) -> Tensor:
    """Smoothstep: from 0 at `low` to 1 at `high`."""
    x = ((x - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def _along_edges(x: Tensor, L: Tensor) -> Tensor:
    """He's guided filter: x [K, C, h, w] is a line over L [K, 1, h, w] in each window."""
    mean_L, mean_LL, mean, mean_L_x = _mean(torch.cat((L, L * L, x, L * x), dim=1)).split((1, 1, *[x.shape[1]] * 2), 1)
    slope = (mean_L_x - mean_L * mean) / ((mean_LL - mean_L * mean_L).clamp(min=0) + _EDGE)
    mean_slope, offset = _mean(torch.cat((slope, mean - slope * mean_L), dim=1)).split(x.shape[1], 1)
    return mean_slope * L + offset


def _mean(x: Tensor) -> Tensor:
    """Mean over windows, the border repeated; rows and columns one after the other, which takes less time."""
    h, w = (min(_RADIUS, side - 1) for side in x.shape[-2:])
    x = F.avg_pool2d(F.pad(x, (w, w, 0, 0), mode="replicate"), (1, 2 * w + 1), stride=1)
    return F.avg_pool2d(F.pad(x, (0, 0, h, h), mode="replicate"), (2 * h + 1, 1), stride=1)
