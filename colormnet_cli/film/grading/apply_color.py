"""A film and a file of its color in, the film in color out: without computing the network again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...color.resize import resize
from ...errors import MediaError, UsageError
from ...files import file_identity
from ...inference.frame_colorizer import Resampler
from ...media.mask import check_masks
from ...passes.protection import Protection
from ...passes.schedule import Schedule, ScheduledShot
from ...passes.shot_schedule import bare_shots, masks_of, with_mask
from ...settings import ColorizeSettings, ProgressCallback
from ...shots.find import find_shots
from ...shots.folder import read_plan
from ...video.encode import EncoderSpec
from ...video.probe import VideoInfo, probe
from ...video.reader import Frame, Reader
from ...wording import many
from ..fingerprint import masks_identity
from ..plan import losses, output_format, planned_output, source_format
from ..receipt import Receipt
from ..same_film import MIN_CORRELATION, correlation
from ..transfer import download_chroma, upload_luma
from .chroma_run import ChromaPlan, ChromaRun
from .chroma_source import ChromaPair, ChromaSource, SteadyChroma
from .color_file import ColorFile
from .steadier import check_side

__all__ = ["FileColor", "apply_color", "color_source", "plan_apply"]

_CHECK_EVERY = 10  # frames
_ROUNDING = Fraction(1, 1000)  # seconds by which timestamps may differ: Matroska stores milliseconds
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class FileColor:
    """The color of a file on the frames of its film, at full size: a `ChromaSource`.

    Args:
        film: whose frames they are.
        file: of its color.
        guided, vividness: as in `NetworkSettings`.
        schedule: of shots with masks.
        protect: False: masks are not applied here.
    """

    film: VideoInfo
    file: ColorFile
    guided: bool
    vividness: float | None
    schedule: Schedule
    protect: bool = True

    margin = 0

    @property
    def info(self) -> VideoInfo:
        return self.file.info

    def depends(self) -> Mapping[str, Any]:
        values = {"guided": self.guided, "vividness": self.vividness, "part": self.file.note.part}
        return {**values, "mask": masks_identity(self.schedule)}

    def state(self) -> Mapping[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        pass

    def planes(self, frames: Iterator[Frame], first: int, spec: EncoderSpec) -> Iterator[tuple[Frame, ChromaPair]]:
        orientation, fmt, source = self.film.orientation, output_format(spec), source_format(self.film)
        resampler = Resampler("source", self.guided, orientation, vividness=self.vividness)
        protection = Protection(self.schedule, orientation, _CPU)
        for frame, stored in zip_longest(frames, self.file.frames(first)):
            if frame is None or stored is None:
                raise MediaError(_lengths(self.film, self.file))
            seconds, _, ab = stored
            _check_time(self.film, self.file, frame, seconds)
            L = upload_luma(frame.luma, source, _CPU)
            with torch.inference_mode():
                working = resize(orientation.upright(L), self.file.size)[None]
            full = resampler.up(ab[None], working, [L])
            if self.protect:
                full = protection.neutral(full, [frame.number])
            cb, cr = download_chroma([L], full, fmt).numpy()[0]
            yield frame, (cb, cr)


def color_source(
    film: VideoInfo, file: ColorFile, settings: ColorizeSettings, shots: list[ScheduledShot], starts: tuple[int, ...]
) -> ChromaSource:
    """The color of a file with these settings.

    Args:
        shots: with masks.
        starts: frames with which shots begin, where color is made steady.
    """
    schedule = Schedule(shots)
    color = FileColor(film, file, settings.guided, settings.vividness, schedule, protect=not settings.steady)
    if not settings.steady:
        return color
    return SteadyChroma(color, film.layout.bits, starts, protection=Protection(schedule, film.orientation, _CPU))


def plan_apply(
    source: str | Path,
    color: str | Path,
    output: str | Path,
    *,
    plan: str | Path | None = None,
    settings: ColorizeSettings | None = None,
    progress: ProgressCallback | None = None,
) -> ChromaPlan:
    """Check that a color file belongs to a film, and plan what `apply_color` does. Nothing is written.

    Args:
        source: the film.
        color: its color, as `chroma_out` of `ColorizeSettings` writes it.
        output: .mp4, .mov, .mkv or .webm.
        plan: a folder made by `colormnet shots`, with masks of shots; it also says where shots begin.
        settings: how the color is put on and the film is written; of those of the network only `guided`, `vividness`
            and `protect` are used, and the part is that of the color file.
        progress: called with reports of finding the shots, for `settings.steady`.

    Raises MediaError, OutputError or UsageError.
    """
    settings, source, output = settings or ColorizeSettings(), Path(source), Path(output)
    if any(settings.timecodes):
        raise UsageError("The color file says which part it colors: leave `start`, `end` and `duration` out.")
    info, file = probe(source), ColorFile(color)
    start, end, duration = file.note.part
    if any(file.note.part) and (plan or settings.steady):
        what = "A plan (`plan`)" if plan else "`steady`"
        raise UsageError(f"{what} is for whole films, but {color} has the color of a part: leave it out.")
    settings = replace(settings, start=start, end=end, duration=duration)
    if info.upright_size != file.note.size:
        sizes = [f"{width}×{height}" for height, width in (info.upright_size, file.note.size)]
        raise MediaError(f"{source} is {sizes[0]}, {color} is of a film of {sizes[1]}: give the film of these colors.")
    if settings.steady:
        check_side(info)
    folder = None if plan is None else read_plan(plan, source)
    shots = with_mask([ScheduledShot(1, 0, None, ())] if folder is None else bare_shots(folder), settings.protect)
    check_masks(masks_of(shots), info.upright_size)
    encoder, streams, notes = planned_output(info, output, [source, Path(color)], settings)
    if file_identity(source) != file.note.film:
        _check_same_film(info, file, settings)
    starts: tuple[int, ...] = ()
    if settings.steady:
        found = find_shots(source, progress).shots if folder is None else [row.shot for row in folder.shots]
        starts = tuple(shot.start_frame for shot in found)
    chroma = color_source(info, file, settings, shots, starts)
    return ChromaPlan(
        info=info,
        color=chroma,
        output=output,
        encoder=encoder,
        streams=streams,
        settings=settings,
        frames=file.note.frames,
        warnings=(*notes, *losses(info)),
        masks=masks_of(shots),
        threads=settings.threads,
        phase="apply",
    )


def apply_color(plan: ChromaPlan, progress: ProgressCallback | None = None) -> Receipt:
    """Write what `plan_apply` has planned. The same call resumes an interrupted run.

    Raises MediaError, OutputError, UsageError or Interrupted.
    """
    return ChromaRun(plan, progress).run()


def _check_same_film(info: VideoInfo, file: ColorFile, settings: ColorizeSettings) -> None:
    """Another file than the one that was colored may hold the same film. Raises MediaError where it does not."""
    likeness: list[float] = []
    for frame, stored in zip_longest(Reader(info, *settings.timecodes).frames(), file.frames()):
        if frame is None or stored is None:
            raise MediaError(_lengths(info, file))
        seconds, lightness, _ = stored
        _check_time(info, file, frame, seconds)
        if frame.number % _CHECK_EVERY == 0:
            L = info.orientation.upright(upload_luma(frame.luma, source_format(info), _CPU))
            found = correlation(resize(L, file.size).numpy(), lightness.numpy())
            likeness += [] if found is None else [found]
    if likeness and np.median(likeness) < MIN_CORRELATION:
        raise MediaError(
            f"{file.info.path} has the color of another film than {info.path} (their lightness correlates by "
            f"{np.median(likeness):.2f}): give the film of these colors."
        )


def _check_time(info: VideoInfo, file: ColorFile, frame: Frame, seconds: Fraction) -> None:
    own = frame.pts * info.time_base
    if abs(own - seconds) > _ROUNDING:
        raise MediaError(
            f"Frame {frame.number} of {info.path} is shown at {float(own):.3f} s, its color in {file.info.path} at "
            f"{float(seconds):.3f} s: give the film of these colors."
        )


def _lengths(info: VideoInfo, file: ColorFile) -> str:
    return (
        f"{info.path} does not have the {many(file.note.frames, 'frame')} of {file.info.path}, or that file is "
        "incomplete: give the film of these colors, and the whole file."
    )
