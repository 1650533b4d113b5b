"""What the distribution of shots needs to know of workers, whether they are processes or Ray actors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ..errors import ColormnetError
from .unit_run import Assignment
from .unit_worker import Outcome, Setup

__all__ = ["Done", "Event", "Failed", "GivenUp", "Lost", "Progressed", "Team", "TeamMaker"]


@dataclass(frozen=True)
class Progressed:
    """How many frames of an assignment are done."""

    assignment: Assignment
    frames: int


@dataclass(frozen=True)
class Done:
    """The units of an assignment are in the plan folder."""

    assignment: Assignment
    outcome: Outcome


@dataclass(frozen=True)
class Lost:
    """The worker that had an assignment has ended."""

    assignment: Assignment
    reason: str


@dataclass(frozen=True)
class GivenUp:
    """A worker that has ended several times before it was ready is not started again; others go on."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """An error that another worker would have as well."""

    error: ColormnetError


Event = Progressed | Done | Lost | GivenUp | Failed


class Team(AbstractContextManager["Team"], Protocol):
    """Workers; leaving the with block ends them, and gives them time to save what they have begun."""

    certain: bool  # whether a worker that counts as lost has ended for sure

    @property
    def size(self) -> int:
        """How many workers there are."""

    @property
    def idle(self) -> int:
        """How many of them wait for an assignment."""

    def give(self, assignment: Assignment) -> None:
        """Give an assignment to one of these."""

    def poll(self, seconds: float) -> list[Event]:
        """What has happened since the last call; waits so long for something."""


TeamMaker = Callable[[Setup], Team]
