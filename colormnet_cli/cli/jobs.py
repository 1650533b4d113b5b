"""Which films `colorize` makes of which, and what is wrong with them before anything heavy is imported."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MediaError, UsageError
from ..files import check_output, location
from ..media.reference_path import split_reference
from ..settings import ColorizeSettings, ColorSource, MemoryConfig, PicturesSettings

if TYPE_CHECKING:
    from ..film.pictures_plan import PicturesPlan
    from ..film.plan import FilmPlan

__all__ = [
    "Job",
    "check_jobs",
    "check_references",
    "check_report",
    "for_file",
    "named_after",
    "output_of",
]

_CONTAINERS = (".mp4", ".mkv", ".mov", ".m4v", ".webm")  # kept as they are; others become .mkv


@dataclass(frozen=True)
class Job:
    """A film or a folder of images, and what it becomes."""

    source: Path
    output: Path | None  # None: the default of a folder
    colors: ColorSource
    settings: ColorizeSettings | PicturesSettings
    memory: MemoryConfig

    @property
    def unit(self) -> str:
        return "image" if isinstance(self.settings, PicturesSettings) else "frame"

    @property
    def outputs(self) -> set[Path | None]:
        """The files that are written."""
        color = getattr(self.settings, "chroma_out", None)
        return {self.output, *([Path(color)] if color is not None else [])}

    @property
    def prepares_plan(self) -> bool:
        """Whether shots are found and stills colored before the film can be planned."""
        return self.colors.auto and isinstance(self.settings, ColorizeSettings)

    @property
    def plan_folder(self) -> Path:
        """Where the shots of the film are planned."""
        from ..shots.folder import default_folder

        return self.colors.plan or default_folder(self.source)

    def with_plan(self) -> Job:
        """The same by the plan folder, which has been prepared."""
        return replace(self, colors=ColorSource(plan=self.plan_folder))

    def without_fill(self) -> Job:
        """The same without automatic stills, which may not be there yet."""
        return replace(self, colors=replace(self.colors, fill=None))

    def check(self) -> None:
        """Check what can be known of a film before its plan, or its automatic stills, are there; nothing is written."""
        if not isinstance(self.settings, ColorizeSettings) or not (self.colors.auto or self.colors.fill):
            return
        from ..film.plan import check_video

        assert self.output is not None
        check_video(self.source, self.colors, self.output, self.settings)

    def plan(self) -> FilmPlan | PicturesPlan:
        """Check everything that can be checked; nothing is written."""
        if isinstance(self.settings, PicturesSettings):
            from ..film.pictures_plan import plan_pictures

            return plan_pictures(self.source, self.colors, self.output, settings=self.settings)
        from ..film.plan import plan_video

        assert self.output is not None
        return plan_video(self.source, self.colors, self.output, settings=self.settings)


def named_after(path: Path, film: Path) -> Path:
    """The film's name in place of {stem}."""
    return Path(str(path).replace("{stem}", film.stem))


def for_file(colors: ColorSource, file: Path) -> ColorSource:
    """The file's name in place of {stem}: refs/{stem}.png is refs/old.png for old.mp4."""

    def named(text: str) -> str:
        return text.replace("{stem}", file.stem)

    return ColorSource(
        tuple(map(named, colors.references)),
        tuple((time, named(image)) for time, image in colors.references_at),
        None if colors.plan is None else Path(named(str(colors.plan))),
        colors.auto,
        colors.fill,
    )


def _output_path(film: Path, output: Path | None, *, archive: bool, several: bool) -> Path:
    """Where a film goes: to FILM-color next to it, to the file `output`, or into the folder `output`.

    several: `output` is also that of other films, and has to be a folder.
    """
    suffix = ".mkv" if archive or film.suffix.lower() not in _CONTAINERS else film.suffix
    if output is None:
        return film.with_name(f"{film.stem}-color{suffix}")
    is_file = output.suffix.lower() in _CONTAINERS or (output.suffix and not several)
    if output.is_dir() or not is_file:
        return output / (film.stem + suffix)
    if several:
        raise UsageError(f"Several films cannot all become {output}: name a folder with -o")
    return output


def output_of(film: Path, output: Path | None, settings: ColorizeSettings, *, several: bool) -> Path:
    """The output by the settings: without a path, but with a file for the color, that file alone is written."""
    if output is None and settings.chroma_out is not None:
        return Path(settings.chroma_out)
    path = _output_path(film, output, archive=settings.archive, several=several)
    if settings.chroma_out is not None and location(path) == location(Path(settings.chroma_out)):
        raise UsageError(f"{path} cannot be both the film (-o) and its colors (`chroma_out`): name two files.")
    return path


def check_jobs(jobs: Sequence[Job]) -> None:
    """Report what is wrong with the names of films, references and outputs.

    Raises UsageError or MediaError.
    """
    for job in jobs:
        kind = mimetypes.guess_type(job.source.name)[0] or ""
        if kind.startswith("image/") and kind != "image/gif" and job.source.is_file():
            raise UsageError(
                f"{job.source} is an image, not a film: give it with --ref if it is the reference image "
                "(`colormnet frames` colorizes folders of images)"
            )
    sources = {location(job.source): job.source for job in jobs}
    films_of: dict[Any, Path] = {}  # by the location of the output
    for job in jobs:
        places = {location(path): path for path in job.outputs if path is not None}
        for place, path in places.items():
            if other := films_of.get(place):
                same = f"{job.source} is given twice" if job.source == other else f"{other} and {job.source}"
                raise UsageError(f"{same}: both would become {path}")
            if (other := sources.get(place)) and other != job.source:  # its own film is checked with its plan
                raise UsageError(f"{path} is to be colorized itself: give the output of {job.source} another name")
        films_of |= dict.fromkeys(places, job.source)
    check_references(jobs)


def check_report(report: Path, jobs: Sequence[Job]) -> None:
    """Check that the pages of films can be written, and replace no film or picture that is given with them.

    Raises UsageError or OutputError.
    """
    pages = {named_after(report, job.source) for job in jobs}
    if len(pages) < len(jobs):
        raise UsageError("Several films cannot have one report: write {stem} into its name (--report '{stem}.html')")
    pictures = [name for job in jobs for name in job.colors.references]
    pictures += [image for job in jobs for _, image in job.colors.references_at]
    pictures += [str(job.settings.protect) for job in jobs if job.settings.protect is not None]
    inputs = [*(job.source for job in jobs), *(split_reference(name)[0] for name in pictures)]
    outputs = {location(path): path for job in jobs for path in job.outputs if path is not None}
    for page in pages:
        if path := outputs.get(location(page)):
            raise UsageError(f"{path} cannot be both a film and a report (--report): name two files")
        check_output(page, inputs, overwrite=True)


def check_references(jobs: Sequence[Job]) -> None:
    """Report which films (or folders) lack a reference image, all at once.

    Raises UsageError where none is named, MediaError where it does not exist.
    """
    without = [job.source.name for job in jobs if replace(job.colors, fill=None) == ColorSource()]
    if without:
        which = f" for {', '.join(without)}" if len(jobs) > 1 else ""
        raise UsageError(
            f"There is no reference image{which}: give one with --ref IMAGE (or --ref FILM@TIME), pictures of all "
            "shots with --plan FOLDER, or --auto for colors without a reference"
        )
    missing: dict[str, tuple[str, MediaError]] = {}
    for job in jobs:
        for reference in (*job.colors.references, *(image for _, image in job.colors.references_at)):
            try:
                split_reference(reference)
            except MediaError as error:
                missing.setdefault(reference, (job.source.name, error))
    if len(missing) == 1:
        raise next(error for _, error in missing.values())
    if missing:
        names = ", ".join(f"{reference} (for {source})" for reference, (source, _) in missing.items())
        raise MediaError(f"{len(missing)} reference images do not exist: {names}")
