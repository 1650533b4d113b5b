"""Colored pictures for the shots of a plan that have none, made without an exemplar."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from ..color.gamut import lab_to_rgb_keeping_lightness
from ..color.lab import rgb_to_lab
from ..color.resize import resize
from ..errors import MediaError
from ..files import write_whole
from ..inference.colorizer import Colorizer
from ..inference.frame_colorizer import FrameColorizer
from ..media.image_file import encode_png, read_image, to_pixels, to_rgb, write_picture
from ..media.reference import read_exemplar
from ..passes.borrowing import lightness_of_still
from ..passes.filled_colorizer import filled_share
from ..settings import Progress
from ..shots.folder import Plan, read_plan
from ..shots.table import PlannedShot, note_automatic
from .fill_plan import check_fills
from .fingerprint import model_sha256

__all__ = [
    "automatic_pictures",
    "color_fill_stills",
    "color_stills",
    "fill_still",
    "fill_stills_due",
    "needs_color",
    "note_pictures",
]

_MOST = 3  # earlier stills that color one
_RECORD = "automatic.json"  # in the plan folder: the pictures made here, with their checksums


def automatic_pictures(folder: Path) -> set[str]:
    """Names in colored/ of the pictures that were made here, and that nobody has changed since."""
    try:
        made: Mapping[str, int | list[int]] = json.loads((folder / _RECORD).read_text())
    except (OSError, ValueError):
        return set()
    known = ((name, [one] if isinstance(one, int) else one) for name, one in made.items())
    return {name for name, checksums in known if _checksum(folder / "colored" / name) in checksums}


def needs_color(folder: Path) -> bool:
    """Whether a shot of the plan has no picture, and names no other shot's."""
    plan = read_plan(folder)
    return any(_is_due(plan, row) for row in plan.shots)


def _is_due(plan: Plan, row: PlannedShot, replaced: Collection[Path] = ()) -> bool:
    """replaced: pictures that do not count."""
    return not row.lenders and all(one.path in replaced for one in plan.references.get(row.number, ()))


def color_stills(
    folder: Path,
    automatic: Colorizer,
    colorizer: Colorizer,
    *,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> list[int]:
    """Color the stills of all shots that have no picture and name no other shot's; returns their numbers.

    A still that looks like one that is colored already takes its colors, so that a place has the same colors whenever
    it returns. A picture that a person made is never replaced.

    Args:
        folder: the plan folder.
        automatic: with a network that needs no exemplar.
        colorizer: with a network that takes exemplars.
        overwrite: color also the stills again that were colored here before.
        progress: called after every still.
    """
    plan, own = read_plan(folder), automatic_pictures(folder)
    replaced = {folder / "colored" / name for name in own} if overwrite else set()
    due = [row for row in plan.shots if _is_due(plan, row, replaced)]
    known = {
        row.number: _picture(plan, row) for row in plan.shots if row not in due and plan.references.get(row.number)
    }
    made = {name: [_checksum(folder / "colored" / name)] for name in own}

    def note(row: PlannedShot, path: Path, checksum: int) -> None:
        made[path.name] = [*made.get(path.name, []), checksum]  # the file is the old one, or none, until it is replaced
        write_whole(folder / _RECORD, json.dumps(made, indent=1).encode())

    def color(L: Tensor, pictures: list[Path]) -> Tensor:
        return _color(colorizer if pictures else automatic, L, pictures)

    _color_each(plan, due, known, folder / "colored", color, colorizer, note, progress)
    note_pictures(folder)
    return [row.number for row in due]


def note_pictures(folder: Path) -> None:
    """Note in shots.csv which shots have a picture that was made here, and that nobody has changed since."""
    if (folder / _RECORD).exists():
        names = automatic_pictures(folder)
        numbers = {row.number for row in read_plan(folder).shots if f"{row.name}.png" in names}
        note_automatic(folder / "shots.csv", numbers)


def fill_still(folder: Path, row: PlannedShot) -> Path:
    """The automatic picture of a shot that fills in where its exemplars show nothing similar."""
    return folder / "automatic" / f"{row.name}.png"


def fill_stills_due(plan: Plan, weights: str | None = None) -> list[PlannedShot]:
    """The shots whose picture is not there, or was made of another still, or by other weights than these."""
    try:
        made: Mapping[str, list[Any]] = json.loads((plan.folder / "automatic" / _RECORD).read_text())
    except (OSError, ValueError):
        made = {}

    def has_current_picture(row: PlannedShot) -> bool:
        path = fill_still(plan.folder, row)
        picture, still, by = made.get(path.name, (None, None, None))
        found = _checksum(path)
        if found is None or still != _checksum(plan.still(row.number)):
            return False
        return found != picture or weights in (None, by)  # one that a person corrected stays

    return [row for row in plan.shots if not has_current_picture(row)]


def color_fill_stills(
    folder: Path,
    automatic: Colorizer,
    colorizer: Colorizer,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> list[int]:
    """Color the stills of all shots without an exemplar, for `fill`; returns the numbers of those that were due.

    They are in the folder automatic/ of the plan: what a person colored is not touched, and gives them no colors. A
    still takes the colors of earlier ones that it looks like, except where these show nothing similar.
    Arguments as of `color_stills`.
    """
    check_fills(type(colorizer.engine))
    plan, weights = read_plan(folder), model_sha256(automatic.model)
    due = fill_stills_due(plan, weights)
    numbers = {row.number for row in due}
    target, made = folder / "automatic", {}
    target.mkdir(exist_ok=True)
    if len(due) < len(plan.shots):
        made = json.loads((target / _RECORD).read_text())
    known = {row.number: fill_still(folder, row) for row in plan.shots if row.number not in numbers}

    def note(row: PlannedShot, path: Path, checksum: int) -> None:
        path.unlink(missing_ok=True)  # otherwise it would count as one that a person corrected until it is replaced
        made[path.name] = [checksum, _checksum(plan.still(row.number)), weights]
        write_whole(target / _RECORD, json.dumps(made, indent=1).encode())

    def color(L: Tensor, pictures: list[Path]) -> Tensor:
        own = _color(automatic, L, [])
        return _filled(colorizer, L, pictures, own) if pictures else own

    _color_each(plan, due, known, target, color, colorizer, note, progress)
    return [row.number for row in due]


def _color_each(
    plan: Plan,
    due: Sequence[PlannedShot],
    known: dict[int, Path],
    target: Path,
    color: Callable[[Tensor, list[Path]], Tensor],
    colorizer: Colorizer,
    note: Callable[[PlannedShot, Path, int], None],
    progress: Callable[[Progress], None] | None,
) -> None:
    """Color the stills of these shots into `target`, by the pictures of alike shots (`known`, by number) if any.

    Args:
        color: of lightness [1, H, W] and the pictures to ab [2, H, W].
        note: records a picture and its checksum before it is written: killed between, the program would otherwise find
            a picture that somebody else made.
    """
    missing = next((row.number for row in due if not plan.still(row.number).exists()), None)
    if missing is not None:
        raise MediaError(f"{plan.folder} has no still of shot {missing}: draw it with `colormnet shots FILM`.")
    compared = {number: colorizer.compared(lightness_of_still(plan, number)) for number in known} if due else {}
    began = time.monotonic()
    for done, row in enumerate(due, 1):
        mine = colorizer.compared(lightness_of_still(plan, row.number))
        likeness = {number: colorizer.likeness(mine, other) for number, other in compared.items()}
        alike = sorted((n for n in likeness if likeness[n] >= colorizer.engine.alike), key=lambda n: -likeness[n])
        exemplars = [known[number] for number in alike[:_MOST]]
        L = rgb_to_lab(to_rgb(read_image(plan.still(row.number))))[:1].clamp(0, 100)
        ab = color(L, exemplars)
        path = target / f"{row.name}.png"
        picture = encode_png(to_pixels(lab_to_rgb_keeping_lightness(torch.cat((L, ab.cpu()))), 8))
        note(row, path, crc32(picture))
        write_picture(path, picture)
        known[row.number], compared[row.number] = path, mine
        if progress is not None:
            progress(_progress(done, len(due), time.monotonic() - began))


def _picture(plan: Plan, row: PlannedShot) -> Path:
    """The picture of a shot that is nearest to its still."""
    still = plan.stills.get(row.number, row.shot.start_frame)
    references = plan.references[row.number]
    return min(references, key=lambda r: (r.frame is None, abs((r.frame or 0) - still))).path


def _color(colorizer: Colorizer, L: Tensor, pictures: list[Path]) -> Tensor:
    """ab [2, H, W] of a picture [1, H, W] on its own."""
    colorizer.reset()
    exemplars = [read_exemplar(str(picture), allow_gray=True) for picture in pictures]
    ab = FrameColorizer(colorizer, exemplars, ref_is_first=None if exemplars else False).step(L)
    colorizer.reset()
    return ab


@torch.inference_mode()
def _filled(colorizer: Colorizer, L: Tensor, pictures: list[Path], automatic: Tensor) -> Tensor:
    """ab [2, H, W] of a picture [1, H, W] by others, and `automatic` ab where these show nothing similar."""
    colorizer.reset()
    exemplars = [read_exemplar(str(picture), allow_gray=True) for picture in pictures]
    frames = FrameColorizer(colorizer, exemplars)
    working = frames.resampler.down([L.to(colorizer.device)])
    own = frames.described_steps(working, L.to(colorizer.device), matching=True)
    colorizer.reset()
    limits = check_fills(type(colorizer.engine))
    share = filled_share(own[:, -1:], torch.ones_like(working), working, limits)
    size = (working.shape[-2], working.shape[-1])
    mixed = own[:, :2].lerp(resize(automatic.to(working), size)[None], share)
    return frames.resampler.up(mixed, working, [L.to(colorizer.device)])[0]


def _checksum(path: Path) -> int | None:
    try:
        return crc32(path.read_bytes())
    except OSError:
        return None


def _progress(done: int, total: int, elapsed: float) -> Progress:
    fps = done / elapsed if elapsed > 0 else 0.0
    return Progress("automatic", done, total, fps, elapsed, (total - done) / fps if fps else None, None)
