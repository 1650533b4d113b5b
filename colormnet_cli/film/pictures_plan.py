"""Planning a folder of pictures: everything is checked, nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..color.orientation import Orientation
from ..color.planes import working_size
from ..errors import MediaError, OutputError, UsageError
from ..files import check_folder
from ..media.clips import PICTURES, folder_pictures
from ..media.image_header import has_alpha_and_pages, size_by_header
from ..media.mask import check_masks
from ..media.picture import check_size, open_picture
from ..passes.schedule import Schedule, ScheduledShot
from ..passes.shot_schedule import (
    borrowing_shots,
    check_borrowing,
    check_shapes,
    make_schedule,
    masks_of,
    one_shot,
    references_of,
    shots_of_plan,
    with_mask,
)
from ..settings import DEFAULT_SIZE, ColorSource, EncodingSettings, PicturesSettings
from ..shots.folder import Plan, read_plan
from ..timecode import Timecode
from ..video.stream_plan import StreamPlan
from ..wording import many
from .fill_plan import FillPlan, plan_fill
from .plan import as_colors, exemplar_reader
from .progress_folder import progress_folder

if TYPE_CHECKING:
    from ..inference.exemplar import Exemplar

__all__ = ["PicturesPlan", "default_output", "find_pictures", "plan_pictures"]


@dataclass(frozen=True)
class PicturesPlan:
    """A folder, its output, and how it is made; `colorize` does it."""

    orientation: ClassVar[Orientation] = Orientation()  # pictures are read upright
    streams: ClassVar[tuple[StreamPlan, ...]] = ()

    folder: Path
    output: Path
    pictures: tuple[Path, ...]
    size: tuple[int, int]  # H, W of each
    first: Path  # the first readable picture, which sets the size
    references: tuple[str, ...]
    settings: PicturesSettings
    exemplar: Callable[[str], Exemplar] = field(repr=False)  # by the reference
    schedule: Schedule = field(repr=False)
    warnings: tuple[str, ...] = ()
    shots: Plan | None = field(default=None, repr=False)  # the plan folder
    fill: FillPlan | None = field(default=None, repr=False)  # automatic stills where the exemplars show nothing similar
    any_size: bool = False  # pictures may differ in size
    side_multiple: int = 1  # the network's: both sides of the working size are multiples of it

    @property
    def borrowing(self) -> list[int]:
        """Numbers of the shots without an exemplar: they get those of the shots most like them."""
        return borrowing_shots(self.schedule)

    @property
    def frames(self) -> int:
        return len(self.pictures)

    def target(self, picture: Path) -> Path:
        """Where a picture goes."""
        return _target(self.output, picture)

    @property
    def working_size(self) -> tuple[int, int]:
        """H, W of what the network sees."""
        return working_size(self.size, self.settings.size or DEFAULT_SIZE, self.side_multiple)

    def to_dict(self) -> dict[str, Any]:
        """For --dry-run: plain values."""
        return {
            "source": str(self.folder),
            "output": str(self.output),
            "references": list(self.references),
            "pictures": len(self.pictures),
            "first": self.pictures[0].name,
            "last": self.pictures[-1].name,
            "width": self.size[1],
            "height": self.size[0],
            "working_width": self.working_size[1],
            "working_height": self.working_size[0],
            "warnings": list(self.warnings),
        }


def plan_pictures(
    folder: str | Path,
    references: str | Path | Sequence[str | Path] | ColorSource,
    output: str | Path | None = None,
    *,
    settings: PicturesSettings | None = None,
) -> PicturesPlan:
    """List a folder, read its exemplars, check its output, and plan what `colorize` does.

    Raises MediaError, OutputError or UsageError for everything that can be known before the first picture.
    """
    settings, folder = settings or PicturesSettings(), Path(folder)
    if isinstance(settings, EncodingSettings):
        raise UsageError("These settings are for films (range, codec, audio): give PicturesSettings for a folder.")
    colors = as_colors(references)
    pictures = find_pictures(folder)
    target = default_output(folder) if output is None else Path(output)
    if target.name in ("", ".."):  # "." has no name for the progress folder beside it
        target = target.resolve()
    _check_output(folder, target, pictures, settings.overwrite)
    plan = None if colors.plan is None else read_plan(colors.plan, folder)
    if colors.auto:  # each picture on its own
        shots = [ScheduledShot(number, number, number + 1, ()) for number in range(len(pictures))]
    elif plan is None:
        shots = one_shot(colors, settings, lambda time: _picture_at(time, folder), len(pictures))
    else:
        shots = shots_of_plan(plan)
        check_borrowing(shots, plan, settings)
    shots = with_mask(shots, settings.protect)
    references = references_of(shots)
    exemplar, gray = exemplar_reader(references, allow_gray=plan is not None)
    any_size = colors.auto and settings.protect is None
    size, first = _common_size(pictures, settings.strict, any_size)
    check_masks(masks_of(shots), size)
    check_shapes(exemplar, shots, size)
    return PicturesPlan(
        folder=folder,
        output=target,
        pictures=pictures,
        size=size,
        first=first,
        references=references,
        settings=settings,
        exemplar=exemplar,
        schedule=make_schedule(shots, settings),
        warnings=(*_losses(pictures), *gray),
        shots=plan,
        fill=plan_fill(folder, colors, size),
        any_size=any_size,
    )


def _picture_at(time: Timecode, folder: Path) -> int:
    """Pictures have no times."""
    if time.frame is None:
        raise UsageError(f"The pictures in {folder} have no times: give a number, such as f12 (the first is f0).")
    return time.frame


def _common_size(pictures: Sequence[Path], strict: bool, any_size: bool = False) -> tuple[tuple[int, int], Path]:
    """(H, W) and path of the first picture that is not damaged; a picture of another size is a MediaError.

    Only headers are read, so that hours of work do not end at such a picture; one whose header differs is read whole.
    """
    first, size, problem = Path(), None, ""
    for path in pictures:
        if size is not None and size_by_header(path) in (None, size):
            continue
        picture = open_picture(path)
        if picture.problem:
            if strict:
                raise MediaError(picture.problem)
            problem = problem or picture.problem
        elif size is None:
            first, size = path, picture.size
            if any_size:
                break
        else:
            check_size(picture, first, size)
    if size is None:
        raise MediaError(f"None of the {len(pictures)} pictures in {pictures[0].parent} can be read; {problem}")
    return size, first


def _losses(pictures: Sequence[Path]) -> tuple[str, ...]:
    """What of the pictures is lost."""
    found = [(path, *has_alpha_and_pages(path)) for path in pictures]
    sentences = []
    for lost, paths in {
        "transparency, which is left out": [path for path, alpha, _ in found if alpha],
        "several pages or frames: only the first one is colorized": [path for path, _, pages in found if pages],
    }.items():
        if paths:
            others = f" and {many(len(paths) - 1, 'other')}" if len(paths) > 1 else ""
            sentences.append(f"{paths[0].name}{others} {'have' if others else 'has'} {lost}.")
    return tuple(sentences)


def _target(output: Path, picture: Path) -> Path:
    return output / f"{picture.stem}.png"


def _check_output(folder: Path, output: Path, pictures: Sequence[Path], overwrite: bool) -> None:
    """Check that the output folder is not the input, is writable, and contains none of the names."""
    if output.exists() and not output.is_dir():
        raise OutputError(f"The output {output} is a file; pictures go into a folder.")
    if output.is_dir() and output.samefile(folder):
        raise UsageError(f"The output {output} is the input itself: give the output another folder.")
    for written in (output, output.parent):  # the progress of the run lies beside the output
        check_folder(written)
    if overwrite or progress_folder(output).exists():  # then they are an interrupted run's
        return
    taken = next((path for picture in pictures if (path := _target(output, picture)).exists()), None)
    if taken is not None:
        raise OutputError(
            f"The picture {taken} exists: choose another folder, or allow it to be replaced (`overwrite=True`)."
        )


def find_pictures(folder: str | Path) -> tuple[Path, ...]:
    """The pictures of a folder in natural order (2 before 10), hidden files left out.

    Raises:
        MediaError: it is no folder, cannot be read, or holds no picture, or two of the same name (a.jpg and a.png).
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = (
            "is none: it is a file; for a film there is `colormnet colorize`"
            if folder.exists()
            else "does not exist: check its name"
        )
        raise MediaError(f"The folder {folder} {what}.")
    try:
        pictures = folder_pictures(folder)
    except OSError as error:
        raise MediaError(f"The folder {folder} cannot be read ({error.strerror or error}).") from error
    if not pictures:
        raise MediaError(f"The folder {folder} holds no picture ({', '.join(sorted(s[1:] for s in PICTURES))}).")
    names: dict[str, Path] = {}
    for picture in pictures:
        other = names.setdefault(picture.stem, picture)
        if other is not picture:
            raise MediaError(
                f"The pictures {other.name} and {picture.name} in {folder} would both become {picture.stem}.png; "
                "rename one of them."
            )
    return pictures


def default_output(folder: str | Path) -> Path:
    """``scans/`` → ``scans-color``, beside it."""
    folder = Path(folder).resolve()
    return folder.with_name(folder.name + "-color")
