"""Automatic stills of a film's shots, whose colors fill in where its exemplars show nothing similar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MediaError, UsageError
from ..passes.schedule import Schedule, ShotReference
from ..passes.shot_schedule import bare_shots, check_shapes, references_of
from ..settings import ColorSource
from ..shots.folder import default_folder, read_plan

if TYPE_CHECKING:
    from ..inference.engine import Engine
    from ..inference.exemplar import Exemplar

__all__ = ["FillPlan", "check_fills", "plan_fill"]

_EXEMPLARS = 4  # stills in memory


@dataclass(frozen=True)
class FillPlan:
    """The passes that propagate the colors of the stills."""

    schedule: Schedule = field(repr=False)
    exemplar: Callable[[str], Exemplar] = field(repr=False)  # by the path of a still

    @property
    def pictures(self) -> list[Path]:
        """The stills."""
        return [Path(source) for source in references_of(self.schedule.shots)]


def check_fills(engine: type[Engine]) -> tuple[float, float]:
    """The network's `match_limits`; raises a UsageError where it does not say what the exemplars show."""
    if engine.match_limits is None:
        raise UsageError(
            "`fill` needs a network that says where a frame matches its references, such as colormnet: leave it out, "
            "or choose another network."
        )
    return engine.match_limits


def plan_fill(film: Path, colors: ColorSource, size: tuple[int, int]) -> FillPlan | None:
    """Read the automatic stills of a film; None where `colors` wants none. size is that of the frames, (H, W).

    Raises:
        MediaError: the stills are missing, or made of others than those that the plan folder has now.
    """
    if colors.fill is None:
        return None
    from ..media.reference import read_exemplar  # imports PyTorch
    from .automatic import fill_still, fill_stills_due

    plan = read_plan(colors.plan or default_folder(film), film)
    if due := fill_stills_due(plan):
        raise MediaError(
            f"{plan.folder} has no automatic picture of shot {due[0].number}, with which `fill` fills in: make them "
            "with `prepare_fill`."
        )
    shots = []
    for row, shot in zip(plan.shots, bare_shots(plan), strict=True):
        still = ShotReference(str(fill_still(plan.folder, row)), plan.stills[row.number])
        shots.append(replace(shot, references=(still,)))
    if colors.plan is None:  # the film itself is one shot, and may have more frames than were found
        shots[-1] = replace(shots[-1], end=None)
    exemplar = lru_cache(_EXEMPLARS)(partial(read_exemplar, allow_gray=True))
    check_shapes(exemplar, shots, size)
    return FillPlan(Schedule(shots), exemplar)
