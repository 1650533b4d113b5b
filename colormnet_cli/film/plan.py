"""Planning a film: everything is checked, nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache, partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..color.orientation import Orientation
from ..color.planes import PlaneFormat, working_size
from ..errors import MediaError, UsageError
from ..files import check_output
from ..media.mask import check_masks
from ..media.reference_path import split_reference
from ..passes.schedule import Schedule, ScheduledShot
from ..passes.shot_schedule import (
    borrowing_shots,
    check_borrowing,
    check_shapes,
    make_schedule,
    masks_of,
    one_shot,
    references_of,
    shot_numbers,
    shots_of_plan,
    with_mask,
)
from ..passes.windows import cut_into_windows
from ..settings import DEFAULT_SIZE, ColorizeSettings, ColorSource
from ..shots.folder import Plan, read_plan
from ..timecode import Timecode
from ..video.encode import EncoderSpec, choose_encoder, chroma_siting
from ..video.encoder_support import try_encoder
from ..video.mux import try_mux, writes_rotation
from ..video.probe import VideoInfo, probe
from ..video.reader import Reader
from ..video.stream_plan import StreamPlan, plan_streams
from ..wording import listed, many
from .fill_plan import FillPlan, plan_fill

if TYPE_CHECKING:
    from ..inference.exemplar import Exemplar

__all__ = [
    "FilmPlan",
    "as_colors",
    "check_video",
    "exemplar_reader",
    "losses",
    "output_format",
    "plan_video",
    "planned_output",
    "source_format",
]

_EXEMPLARS = 16  # images in memory: 25 MB each at 1080p


@dataclass(frozen=True)
class FilmPlan:
    """A film, its output, and how it is made; `colorize` does it."""

    info: VideoInfo
    output: Path
    encoder: EncoderSpec
    streams: tuple[StreamPlan, ...]
    frames: int | None  # estimated; None where the container does not say
    settings: ColorizeSettings
    references: tuple[str, ...]
    exemplar: Callable[[str], Exemplar] = field(repr=False)  # by the reference
    schedule: Schedule = field(repr=False)
    shots: Plan | None = field(default=None, repr=False)  # the plan folder
    fill: FillPlan | None = field(default=None, repr=False)  # automatic stills where the exemplars show nothing similar
    only_shots: tuple[int, ...] = ()  # numbers of those that are colored; none: those that changed
    warnings: tuple[str, ...] = ()
    side_multiple: int = 1  # the network's: both sides of the working size are multiples of it

    @property
    def borrowing(self) -> list[int]:
        """Numbers of the shots without an exemplar: they get those of the shots most like them."""
        return borrowing_shots(self.schedule)

    @property
    def orientation(self) -> Orientation:
        """From stored frames to upright ones, which the network sees."""
        return self.info.orientation

    @property
    def working_size(self) -> tuple[int, int]:
        """H, W of what the network sees, upright."""
        return working_size(self.info.upright_size, self.settings.size or DEFAULT_SIZE, self.side_multiple)

    @property
    def source_planes(self) -> PlaneFormat:
        """Format of the film's luma."""
        return source_format(self.info)

    @property
    def output_planes(self) -> PlaneFormat:
        """Format of what the encoder gets."""
        return output_format(self.encoder)

    def to_dict(self) -> dict[str, Any]:
        """For --dry-run: plain values."""
        info, spec = self.info, self.encoder
        return {
            "source": str(info.path),
            "output": str(self.output),
            "references": list(self.references),
            "shots": len({shot.number for shot in self.schedule.shots}),
            "shots_without_references": self.borrowing,
            "frames": self.frames,
            "width": info.width,
            "height": info.height,
            "working_width": self.working_size[1],
            "working_height": self.working_size[0],
            "rate": float(info.rate),
            "seconds": info.duration,
            "source_codec": info.codec,
            "source_pix_fmt": info.pix_fmt,
            "chroma_out": None if self.settings.chroma_out is None else str(self.settings.chroma_out),
            "steady": self.settings.steady,
            "codec": spec.encoder,
            "container": spec.container,
            "pix_fmt": spec.pix_fmt,
            "encoder_options": dict(spec.options),
            "matrix": spec.matrix,
            "full_range": spec.full_range,
            "streams": [stream.to_dict() for stream in self.streams],
            "warnings": list(self.warnings),
        }


def source_format(info: VideoInfo) -> PlaneFormat:
    """The format of a film's planes."""
    return PlaneFormat(info.layout.bits, info.full_range, info.matrix, info.layout.subsampling)  # type: ignore[arg-type]


def output_format(spec: EncoderSpec) -> PlaneFormat:
    """The format of the planes that an encoder gets."""
    return PlaneFormat(spec.bits, spec.full_range, spec.matrix, spec.subsampling, chroma_siting(spec))  # type: ignore[arg-type]


def plan_video(
    source: str | Path,
    references: str | Path | Sequence[str | Path] | ColorSource,
    output: str | Path,
    *,
    settings: ColorizeSettings | None = None,
) -> FilmPlan:
    """Probe a film, read its exemplars, try its encoder, and plan what `colorize` does.

    Raises MediaError, OutputError or UsageError for everything that can be known before the first frame.
    """
    settings = settings or ColorizeSettings()
    source, output = Path(source), Path(output)
    colors = as_colors(references)
    start, end, duration = settings.timecodes
    _check_settings(colors, settings)
    info = probe(source)
    _check_part(info, start, end)
    shots, frames = None, _frames(info, start, end, duration)
    only: tuple[int, ...] = ()
    if colors.plan is not None:
        shots = read_plan(colors.plan, source)
        scheduled, frames = shots_of_plan(shots), shots.shots[-1].shot.end_frame
        check_borrowing(scheduled, shots, settings)
        if settings.only_shots is not None:
            only = shot_numbers(settings.only_shots, [shot.number for shot in scheduled])
        scheduled = _windows(scheduled, settings, info)
    else:
        scheduled = one_shot(colors, settings, lambda time: _frame_at(time, info), info.frames)
    scheduled = with_mask(scheduled, settings.protect)
    references, masks = references_of(scheduled), masks_of(scheduled)
    inputs = [source, *(split_reference(reference)[0] for reference in references)]
    encoder, streams, notes = planned_output(info, output, inputs, settings)
    _check_color_file(info, output, inputs, settings)
    check_masks(masks, info.upright_size)
    _check_start(info, start)  # last: it may have to read far
    exemplar, gray = exemplar_reader(references, allow_gray=shots is not None)  # last: it imports PyTorch
    check_shapes(exemplar, scheduled, info.upright_size)
    fill = plan_fill(source, colors, info.upright_size)

    return FilmPlan(
        info=info,
        output=output,
        encoder=encoder,
        streams=streams,
        frames=frames,
        settings=settings,
        references=references,
        exemplar=exemplar,
        schedule=make_schedule(scheduled, settings),
        shots=shots,
        fill=None if fill is None else replace(fill, schedule=Schedule(_windows(fill.schedule.shots, settings, info))),
        only_shots=only,
        warnings=(*notes, *losses(info), *gray),
    )


def _windows(shots: Sequence[ScheduledShot], settings: ColorizeSettings, info: VideoInfo) -> list[ScheduledShot]:
    """The shots, long ones cut where `split_long` says so."""
    if settings.split_long is None:
        return list(shots)
    return cut_into_windows(shots, round(settings.split_long * info.rate))


def check_video(source: Path, colors: ColorSource, output: Path, settings: ColorizeSettings) -> None:
    """Check what `plan_video` checks besides the exemplars, before these exist.

    Raises MediaError, OutputError or UsageError.
    """
    _check_settings(colors, settings)
    info = probe(source)
    planned_output(info, output, [source], settings)
    _check_color_file(info, output, [source], settings)
    if settings.protect is not None:
        check_masks([str(settings.protect)], info.upright_size)


def planned_output(
    info: VideoInfo, output: Path, inputs: Sequence[Path], settings: ColorizeSettings
) -> tuple[EncoderSpec, tuple[StreamPlan, ...], list[str]]:
    """The encoder, which was tried, the other streams, and what is to be said of both."""
    check_output(output, inputs, settings.overwrite)
    encoder, notes = choose_encoder(info, output, settings)
    try_encoder(encoder)
    streams = plan_streams(info, encoder.container, settings.audio, lossless=settings.archive)
    notes += try_mux(info, encoder, streams)
    return encoder, streams, [*notes, *(plan.note for plan in streams if plan.note is not None)]


def exemplar_reader(references: Sequence[str], *, allow_gray: bool) -> tuple[Callable[[str], Exemplar], list[str]]:
    """Read all exemplars once, so that none fails after hours.

    Returns:
        A function that reads one by its reference, and keeps the last few: those of one shot. And what is to be said of
        exemplars without color, where these are allowed.
    """
    from ..media.reference import is_gray, read_exemplar

    read = lru_cache(_EXEMPLARS)(partial(read_exemplar, allow_gray=allow_gray))
    gray = [reference for reference in references if is_gray(read(reference).lab)]
    which = f"{many(len(gray), 'picture')} of the plan" if len(gray) > 3 else listed(gray) if gray else ""
    return read, [f"Shots stay gray where their pictures have no color: {which}."] if gray else []


def as_colors(references: str | Path | Sequence[str | Path] | ColorSource) -> ColorSource:
    """One reference or several, or all kinds of sources; at least one."""
    if not isinstance(references, ColorSource):
        several = (references,) if isinstance(references, (str, Path)) else references
        references = ColorSource(tuple(map(str, several)))
    if replace(references, fill=None) == ColorSource():
        raise UsageError(
            "There is no exemplar: give at least one color image (`references`), or a folder made by "
            "`colormnet shots` (`plan`)."
        )
    return references


def _check_settings(colors: ColorSource, settings: ColorizeSettings) -> None:
    """What cannot be combined with exemplars that belong to frames."""
    planned = colors.plan is not None or colors.auto
    if (planned or colors.references_at or colors.fill) and any(settings.timecodes):
        what = "a plan (`plan`)" if colors.plan else "a still of each shot (`auto`)"
        what = what if planned else "references of frames (`references_at`)"
        what = what if planned or colors.references_at else "automatic stills of its shots (`fill`)"
        only = ", or name shots (`only_shots`)" if planned else ""
        raise UsageError(f"With {what} the whole film is colored: leave `start`, `end` and `duration` out{only}.")
    if planned and settings.ref_is_first is not None:
        what = "A plan (`plan`)" if colors.plan else "The plan of the shots (`auto`)"
        raise UsageError(f"{what} says which frames its pictures show: leave `ref_is_first` out.")
    if settings.only_shots is not None and not planned:
        raise UsageError("`only_shots` takes shots of a plan: give that as well (`plan`).")
    if settings.split_long is not None and colors.fill:
        raise UsageError("Automatic stills (`fill`) take shots as they are: leave `fill` or `split_long` out.")
    if settings.split_long is not None and not planned:
        raise UsageError(
            "`split_long` cuts shots of a plan: find them with `colormnet shots FILM`, and give the plan (`plan`)."
        )


def _check_color_file(info: VideoInfo, output: Path, inputs: Sequence[Path], settings: ColorizeSettings) -> None:
    """Check what `chroma_out` and `steady` need."""
    if settings.steady:
        from .grading.steadier import check_side  # imports PyTorch

        check_side(info)
    if settings.chroma_out is not None:
        path = Path(settings.chroma_out)
        check_output(path, inputs, overwrite=True)  # what exists may be these very colors
        if settings.steady and path == output:
            raise UsageError(
                "Flicker is not removed from colors alone (`chroma_out`): remove it when they are put on the film."
            )


def _frame_at(time: Timecode, info: VideoInfo) -> int:
    """The number of the first frame that is not before the time; counted where frames come irregularly."""
    if time.frame is not None or info.constant_rate:
        return _number(time, info)
    frames = Reader(info).frames()
    found = (f.number for f in frames if time.reached(f.number, f.pts * info.time_base - info.first_time))
    number = next(found, None)
    if number is None:
        raise MediaError(f"{info.path} has no frame at or after {time}: give an earlier time.")
    return number


def losses(info: VideoInfo) -> Iterator[str]:
    """What of the film's picture is lost, besides what the encoder had to choose."""
    if info.layout.alpha:
        yield "The film's transparency was left out."
    if info.display_matrix is not None and not writes_rotation():
        yield "This PyAV cannot write the film's rotation: turn the result by hand, or update PyAV."


def _check_part(info: VideoInfo, start: Timecode | None, end: Timecode | None) -> None:
    """A frame's number and a time can be compared where the frames come regularly; elsewhere the film must be read."""
    first = start or Timecode(frame=0)
    if info.constant_rate and end is not None and _number(end, info) <= _number(first, info):
        raise MediaError(
            f"{info.path}: the requested part contains no frame: at {float(info.rate):.5g} frames a second none "
            f"lies from {first} up to {end}; give a later end."
        )


def _check_start(info: VideoInfo, start: Timecode | None) -> None:
    """A start after the announced end; whether there is a frame is looked up, for what is announced may be wrong."""
    if start is None or info.duration is None:
        return
    time = start
    if start.frame is not None and info.constant_rate:
        # A time can be seeked to. Half a frame early, since timestamps are rounded.
        time = Timecode(max(start.frame - Fraction(1, 2), Fraction(0)) / info.rate)
    if time.seconds is None or time.seconds + 1 / info.rate <= info.duration:
        return
    if next(Reader(info, time).frames(), None) is None:
        raise MediaError(
            f"{info.path} has no frame at or after {start}: it says that it lasts {info.duration:.2f} s; give an "
            "earlier start."
        )


def _number(time: Timecode, info: VideoInfo) -> int:
    """Of the first frame that is not before the time, if frames come regularly."""
    return time.frame if time.frame is not None else ceil((time.seconds or 0) * info.rate)


def _frames(info: VideoInfo, start: Timecode | None, end: Timecode | None, duration: Timecode | None) -> int | None:
    """How many frames the part that is colored has."""
    first = _number(start, info) if start is not None else 0
    last = _number(end, info) if end is not None else first + _number(duration, info) if duration is not None else None
    if info.frames is None:
        return None if last is None else max(0, last - first)
    return max(0, min(info.frames, info.frames if last is None else last) - first)
