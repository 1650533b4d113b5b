"""Exemplars for shots that have none: those of the shots most like them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..color.lab import rgb_to_lab
from ..color.planes import working_size
from ..color.resize import resize
from ..inference.colorizer import Colorizer
from ..media.image_file import read_image, to_rgb
from ..shots.folder import Plan
from .schedule import ScheduledShot, ShotReference

__all__ = ["borrow", "lightness_of_still", "small", "with_borrowed"]

_SIZE = 128  # shorter side at which pictures are compared


def borrow(shots: Sequence[ScheduledShot], plan: Plan, colorizer: Colorizer) -> dict[int, int]:
    """For each shot without an exemplar, the one with exemplars whose still is most like its own, by numbers."""
    return _most_alike(
        list(dict.fromkeys(shot.number for shot in shots if not shot.references)),
        list(dict.fromkeys(shot.number for shot in shots if plan.references.get(shot.number))),
        lambda number: colorizer.compared(lightness_of_still(plan, number)),
        colorizer.likeness,
    )


def _most_alike(
    wanting: Sequence[int],
    lending: Sequence[int],
    compared: Callable[[int], object],
    likeness: Callable[[object, object], float],
) -> dict[int, int]:
    """For each number of `wanting` the one of `lending` that is most alike; the nearest of several."""
    lenders = {number: compared(number) for number in lending}
    found = {}
    for number in wanting:
        own = compared(number)
        found[number] = max(lenders, key=lambda other: (likeness(own, lenders[other]), -abs(other - number)))
    return found


def with_borrowed(shots: Sequence[ScheduledShot], lenders: Mapping[int, int]) -> list[ScheduledShot]:
    """The same shots, those without exemplars with those of the lender. They show none of their frames."""
    of = {shot.number: shot.references for shot in shots}

    def lent(shot: ScheduledShot) -> tuple[ShotReference, ...]:
        return tuple(ShotReference(reference.source) for reference in of[lenders[shot.number]])

    return [replace(shot, references=lent(shot)) if shot.number in lenders else shot for shot in shots]


def lightness_of_still(plan: Plan, number: int) -> Tensor:
    """Of a shot, small enough to be compared: [1, h, w]."""
    return small(rgb_to_lab(to_rgb(read_image(plan.still(number))))[:1])


def small(L: Tensor) -> Tensor:
    """Lightness [1, H, W] at the size at which pictures are compared: [1, h, w]."""
    return resize(L, working_size((L.shape[-2], L.shape[-1]), _SIZE)).clamp(0, 100).to(torch.float32)
