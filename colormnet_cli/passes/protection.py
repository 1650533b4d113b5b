"""Parts of frames that stay neutral, by the masks of their shots."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..color.orientation import Orientation
from ..color.resize import resize
from ..media.mask import read_mask
from .schedule import Schedule, ScheduledShot

__all__ = ["Protection"]

_LEAST = 1e-3  # of the weight of a shot in a dissolve: where both shots are protected, the weights must not be 0


class Protection:
    """The masks of a schedule's shots, as the share of color that is kept. Those of the present shots are in memory.

    Args:
        orientation: of the stored frames; masks are upright.
        device: of the color.
    """

    def __init__(self, schedule: Schedule, orientation: Orientation, device: torch.device) -> None:
        self.schedule, self.orientation, self.device = schedule, orientation, device
        self._read: dict[str, Tensor] = {}  # kept shares [1, H, W], upright

    def neutral(self, abs_: Sequence[Tensor], numbers: Sequence[int]) -> list[Tensor]:
        """ab [2, H, W] of stored frames, with their numbers, multiplied by what is kept: 0 where they are protected."""
        kept = [self.kept(number) for number in numbers]
        return [ab if k is None else ab * k for ab, k in zip(abs_, kept, strict=True)]

    def kept(self, number: int) -> Tensor | None:
        """The share of color that a stored frame keeps [1, H, W]; None where nothing is protected.

        In a dissolve, the masks are mixed as the shots are.
        """
        shares = [(self._of(shot), share) for shot, share in self.schedule.shot_shares(number)]
        if all(kept is None for kept, _ in shares):
            return None
        total = sum(share * (1 if kept is None else kept) for kept, share in shares)
        assert isinstance(total, Tensor)  # for the type checker
        return self.orientation.stored(total)

    def weight(self, shot: ScheduledShot, like: Tensor) -> float | Tensor:
        """Weight of a shot's color in a dissolve, besides its share: [1, h, w] at the size of `like`."""
        kept = self._of(shot)
        if kept is None:
            return 1.0
        return resize(kept, (like.shape[-2], like.shape[-1])).clamp(_LEAST, 1)

    def _of(self, shot: ScheduledShot) -> Tensor | None:
        if shot.mask is None:
            return None
        if shot.mask not in self._read:
            present = {one.mask for one in self.schedule.unit(shot.start).shots} | {shot.mask}
            self._read = {path: kept for path, kept in self._read.items() if path in present}
            self._read[shot.mask] = 1 - torch.from_numpy(read_mask(shot.mask))[None].to(self.device)
        return self._read[shot.mask]
