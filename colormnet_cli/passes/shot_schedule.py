"""The shots of a schedule, from reference images or from a plan folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MediaError, UsageError
from ..settings import ColorSource, RunSettings, ShotSettings
from ..shots.folder import ASPECT, Plan
from ..shots.shot import Transition
from ..timecode import Timecode, parse_time
from ..wording import listed
from .schedule import Schedule, ScheduledShot, ShotReference

if TYPE_CHECKING:
    from ..inference.exemplar import Exemplar

__all__ = [
    "bare_shots",
    "borrowing_shots",
    "check_borrowing",
    "check_shapes",
    "make_schedule",
    "masks_of",
    "one_shot",
    "references_of",
    "shot_numbers",
    "shots_of_plan",
    "with_mask",
]


def make_schedule(shots: Sequence[ScheduledShot], settings: ShotSettings) -> Schedule:
    """The passes of these shots."""
    return Schedule(shots, settings.direction, settings.max_exemplars)


def one_shot(
    colors: ColorSource, settings: ShotSettings, frame_at: Callable[[Timecode], int], frames: int | None
) -> list[ScheduledShot]:
    """A film without a plan: one shot.

    Args:
        frame_at: the number of the frame that is shown at a time.
        frames: how many the film has, where that is known.

    Raises:
        UsageError, MediaError: a reference belongs to no frame of it.
    """
    if settings.direction == "backward":
        raise UsageError(
            "`direction` 'backward' takes shots with a beginning and an end: find them with `colormnet shots FILM`, "
            "and give the plan (`plan`)."
        )
    references = [ShotReference(reference) for reference in colors.references]
    for time, image in colors.references_at:
        frame = frame_at(parse_time(time))
        if frames is not None and frame >= frames:
            raise MediaError(f"{image} belongs to frame {frame}, but the film has only {frames}: give an earlier time.")
        references.append(ShotReference(image, frame))
    return [ScheduledShot(1, 0, None, tuple(references))]


def shots_of_plan(plan: Plan) -> list[ScheduledShot]:
    """The shots of a plan folder, with their exemplars; those of others where the column borrowed_from names them.

    Raises:
        MediaError: a shot borrows from one that has no exemplar, or nothing has one.
    """
    if not any(plan.references.values()):
        raise MediaError(
            f"{plan.folder} has no colored picture: color a copy of at least one of {plan.folder / 'stills'}, and put "
            f"it into {plan.folder / 'colored'} under the same name."
        )
    shots = []
    for row, shot in zip(plan.shots, bare_shots(plan), strict=True):
        references = [ShotReference(str(r.path), r.frame) for r in plan.references.get(row.number, ())]
        if not references:
            references = [
                ShotReference(source) for other in row.lenders for source in _of_shot(plan, row.number, other)
            ]
        shots.append(replace(shot, references=tuple(references)))
    return shots


def bare_shots(plan: Plan) -> list[ScheduledShot]:
    """The shots of a plan folder with their masks, but without exemplars."""
    masks = {number: str(path) for number, path in plan.masks.items()}
    return [
        ScheduledShot(row.number, start, end, (), dissolve, masks.get(row.number))
        for row, (start, end, dissolve) in zip(plan.shots, _spans(plan), strict=True)
    ]


def with_mask(shots: Sequence[ScheduledShot], mask: str | Path | None) -> list[ScheduledShot]:
    """The same shots; those without a mask of their own get this one."""
    return [replace(shot, mask=shot.mask or (None if mask is None else str(mask))) for shot in shots]


def masks_of(shots: Sequence[ScheduledShot]) -> tuple[str, ...]:
    """All masks, each once."""
    return tuple(dict.fromkeys(shot.mask for shot in shots if shot.mask is not None))


def references_of(shots: Sequence[ScheduledShot]) -> tuple[str, ...]:
    """All exemplars, each once."""
    return tuple(dict.fromkeys(reference.source for shot in shots for reference in shot.references))


def borrowing_shots(schedule: Schedule) -> list[int]:
    """Numbers of the shots without an exemplar."""
    return list(dict.fromkeys(shot.number for shot in schedule.shots if not shot.references))


def check_borrowing(shots: Sequence[ScheduledShot], plan: Plan, settings: RunSettings) -> None:
    """With `strict`, every shot must have an exemplar.

    Raises:
        MediaError: some have none.
    """
    missing = [shot.number for shot in shots if not shot.references]
    if missing and settings.strict:
        which = f"shot {missing[0]} has" if len(missing) == 1 else f"the shots {listed(missing)} have"
        raise MediaError(
            f"{plan.folder}: {which} no colored picture: put one of each into {plan.folder / 'colored'}, or write into "
            "the column borrowed_from from which shots they take their colors."
        )


def check_shapes(exemplar: Callable[[str], Exemplar], shots: Sequence[ScheduledShot], size: tuple[int, int]) -> None:
    """Exemplars that show frames of the film must have their aspect ratio; size is that of the frames, (H, W).

    Raises:
        MediaError: one has another.
    """
    for reference in (reference for shot in shots for reference in shot.references if reference.frame is not None):
        height, width = exemplar(reference.source).lab.shape[-2:]
        if abs((width / height) / (size[1] / size[0]) - 1) > ASPECT:
            raise MediaError(
                f"{reference.source} is {width}×{height} and cannot be frame {reference.frame} of a film of "
                f"{size[1]}×{size[0]}: color the frame without cropping it."
            )


def _of_shot(plan: Plan, number: int, lender: int) -> list[str]:
    """The exemplars of a shot that another one borrows."""
    table = plan.folder / "shots.csv"
    if lender not in (row.number for row in plan.shots):
        raise MediaError(f"{table}: shot {number} borrows from shot {lender}, which is not in the table: correct it.")
    if not plan.references.get(lender):
        raise MediaError(
            f"{table}: shot {number} borrows from shot {lender}, which has no colored picture itself: name another."
        )
    return [str(reference.path) for reference in plan.references[lender]]


def _spans(plan: Plan) -> list[tuple[int, int, Transition | None]]:
    """First frame, end, and dissolve from the shot before, of each shot; dissolves that overlap are shortened."""
    dissolves: list[Transition | None] = [None]
    for _, row in pairwise(plan.shots):
        way, last = row.shot.transition, dissolves[-1]
        if way.kind == "dissolve" and way.first is not None and way.last is not None:
            first = way.first if last is None or last.last is None else max(way.first, last.last)
            dissolves.append(replace(way, first=first) if first < way.last else None)
        else:
            dissolves.append(None)
    spans = []
    for row, before, after in zip(plan.shots, dissolves, [*dissolves[1:], None], strict=True):
        start = row.shot.start_frame if before is None or before.first is None else before.first
        end = row.shot.end_frame if after is None or after.last is None else after.last
        spans.append((start, end, before))
    return spans


def shot_numbers(text: str, known: Sequence[int]) -> tuple[int, ...]:
    """Read ``7,9-12`` as numbers of shots.

    Raises:
        UsageError: it is something else, or names a shot that there is not.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"`only_shots` is {text!r}: give numbers of shots, such as 7,9-12.")
        numbers.update(range(int(first), int(last or first) + 1))
    if unknown := sorted(numbers - set(known)):
        raise UsageError(f"`only_shots` names {listed(unknown)}, which the plan does not have: see its shots.csv.")
    if not numbers:
        raise UsageError(f"`only_shots` is {text!r}, which names no shot: give numbers such as 7,9-12.")
    return tuple(sorted(numbers))
