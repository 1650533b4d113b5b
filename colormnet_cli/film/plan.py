"""What would be done with a film: everything is looked at and checked, nothing is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from ..color.chroma import PlaneFormat, working_size
from ..errors import MediaError, OutputError, UsageError
from ..media.exemplar import Exemplar, read_exemplar, split_reference
from ..settings import ColorizeSettings
from ..timecode import Timecode, parse_time
from ..video.encode import EncoderSpec, choose_encoder, chroma_siting, writes_aspect_ratio
from ..video.encoder_support import try_encoder
from ..video.mux import check_header, writes_rotation
from ..video.probe import VideoInfo, open_input, probe
from ..video.reader import Reader
from ..video.stream_plan import StreamPlan, plan_streams

__all__ = ["FilmPlan", "check_output", "plan_video"]


@dataclass(frozen=True)
class FilmPlan:
    """A film, where it goes, and how."""

    info: VideoInfo
    output: Path
    encoder: EncoderSpec
    streams: tuple[StreamPlan, ...]
    working_size: tuple[int, int]  # H, W of what the network sees, upright
    frames: int | None  # estimated; None where the container does not say
    start: Timecode | None
    end: Timecode | None
    duration: Timecode | None
    references: tuple[str, ...]
    exemplars: tuple[Exemplar, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def source_planes(self) -> PlaneFormat:
        """What the film's luma is."""
        info = self.info
        return PlaneFormat(info.layout.bits, info.full_range, info.matrix, info.layout.subsampling)  # type: ignore[arg-type]

    @property
    def output_planes(self) -> PlaneFormat:
        """What the encoder gets."""
        spec = self.encoder
        return PlaneFormat(spec.bits, spec.full_range, spec.matrix, spec.subsampling, chroma_siting(spec))  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """For --dry-run: plain values."""
        info, spec = self.info, self.encoder
        return {
            "source": str(info.path),
            "output": str(self.output),
            "references": list(self.references),
            "frames": self.frames,
            "width": info.width,
            "height": info.height,
            "working_width": self.working_size[1],
            "working_height": self.working_size[0],
            "rate": float(info.rate),
            "seconds": info.duration,
            "source_codec": info.codec,
            "source_pix_fmt": info.pix_fmt,
            "codec": spec.encoder,
            "container": spec.container,
            "pix_fmt": spec.pix_fmt,
            "encoder_options": dict(spec.options),
            "matrix": spec.matrix,
            "full_range": spec.full_range,
            "streams": [{"stream": s.name, "action": s.action, "note": s.note} for s in self.streams],
            "warnings": list(self.warnings),
        }


def plan_video(
    source: str | Path,
    references: Sequence[str | Path],
    output: str | Path,
    *,
    settings: ColorizeSettings | None = None,
    makes_folder: bool = False,
) -> FilmPlan:
    """Look at a film, its exemplars and its output, and say what `colorize_video` would do.

    makes_folder: the caller will make the output's folder, if it is not there, before the film is coloured.
    Raises MediaError, OutputError or UsageError for everything that can be known before the first frame.
    """
    settings = settings or ColorizeSettings()
    source, output = Path(source), Path(output)
    start, end, duration = (
        None if t is None else parse_time(t) for t in (settings.start, settings.end, settings.duration)
    )
    if isinstance(references, (str, Path)) or not references:
        raise UsageError("Give at least one colour picture as the exemplar (--ref).")
    info = probe(source)
    _check_part(info, start, end)
    inputs = [source, *(split_reference(reference)[0] for reference in references)]
    check_output(output, inputs, settings.overwrite, makes_folder)
    encoder, notes = choose_encoder(info, output, settings)
    try_encoder(encoder)
    with open_input(source) as container:
        streams = plan_streams(container, info, encoder.container, settings.audio)
    check_header(info, encoder, streams)
    _check_start(info, start)  # last: it may have to read far
    notes += [plan.note for plan in streams if plan.note is not None]
    shown = (info.width, info.height) if info.turn.swapped else (info.height, info.width)  # H, W
    return FilmPlan(
        info=info,
        output=output,
        encoder=encoder,
        streams=streams,
        working_size=working_size(shown, settings.size),
        frames=_frames(info, start, end, duration),
        start=start,
        end=end,
        duration=duration,
        references=tuple(map(str, references)),
        exemplars=tuple(map(read_exemplar, references)),
        warnings=(*notes, *_losses(info, encoder, output.suffix)),
    )


def _losses(info: VideoInfo, encoder: EncoderSpec, ending: str) -> Iterator[str]:
    """What of the film's picture does not come along, besides what the encoder had to choose."""
    shape = info.sample_aspect_ratio
    if shape not in (None, 1) and encoder.container in ("matroska", "webm") and not writes_aspect_ratio(encoder):
        yield f"The shape of the pixels ({shape}) is lost: {encoder.encoder} in {ending} cannot say it."
    if info.layout.alpha:
        yield "The film's transparency was left out."
    if info.display_matrix is not None and not writes_rotation():
        yield "This PyAV cannot write the film's rotation: turn the result by hand, or update PyAV."


def check_output(output: Path, inputs: Sequence[Path], overwrite: bool, makes_folder: bool = False) -> None:
    """Whether `output` may be written: not an input, not there yet, its folder there (or to be made) and writable."""
    folder = output.parent
    if makes_folder:
        folder = next(path for path in output.parents if path.exists())
    if output.is_dir():
        raise UsageError(f"{output} is a folder: give the output a file name.")
    if output.exists():
        if any(path.exists() and path.samefile(output) for path in inputs):
            raise UsageError(f"{output} is the input itself: give the output another name.")
        if not overwrite:
            raise OutputError(f"{output} exists: choose another name, or allow it to be replaced with --overwrite.")
    if not folder.is_dir():
        raise OutputError(f"The folder {folder} is not there: make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {folder} may not be written to: choose another, or change its permissions.")


def _check_part(info: VideoInfo, start: Timecode | None, end: Timecode | None) -> None:
    """A frame's number and a time can be compared where the frames come regularly; elsewhere the film must be read."""
    first = start or Timecode(frame=0)
    if info.constant_rate and end is not None and _number(end, info) <= _number(first, info):
        raise MediaError(
            f"{info.path}: the part that was asked for holds no frame: at {float(info.rate):.5g} frames a second none "
            f"lies from {first} up to {end}; give a later end."
        )


def _check_start(info: VideoInfo, start: Timecode | None) -> None:
    """A start behind the announced end; whether there is a frame is looked up, for what is announced may be wrong."""
    if start is None or info.duration is None:
        return
    moment = start
    if start.frame is not None and info.constant_rate:
        # A time can be seeked to. Half a frame early, since timestamps are rounded.
        moment = Timecode(max(start.frame - Fraction(1, 2), Fraction(0)) / info.rate)
    if moment.seconds is None or moment.seconds + 1 / info.rate <= info.duration:
        return
    if next(Reader(info, moment).frames(), None) is None:
        raise MediaError(
            f"{info.path} has no frame at or behind {start}: it says that it lasts {info.duration:.2f} s; give an "
            "earlier start."
        )


def _number(moment: Timecode, info: VideoInfo) -> int:
    """Of the first frame that is not before the moment, if frames come regularly."""
    return moment.frame if moment.frame is not None else ceil((moment.seconds or 0) * info.rate)


def _frames(info: VideoInfo, start: Timecode | None, end: Timecode | None, duration: Timecode | None) -> int | None:
    """How many frames the part that is coloured has."""
    first = _number(start, info) if start is not None else 0
    last = _number(end, info) if end is not None else first + _number(duration, info) if duration is not None else None
    if info.frames is None:
        return None if last is None else max(0, last - first)
    return max(0, min(info.frames, info.frames if last is None else last) - first)
