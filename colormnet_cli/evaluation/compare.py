"""Results of one film in one film: side by side or split by a moving line, with the input's sound."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MediaError, UsageError
from ..files import cannot_write
from ..film.plan import check_output
from ..film.prefetch import BackgroundWriter, Prefetch
from ..film.progress import ProgressMeter
from ..film.receipt import FileRecord, versions
from ..media.clips import Clip, open_clip
from ..media.clips import Frame as Picture
from ..settings import EncodingSettings, ProgressCallback
from ..video.encode import EncoderSpec, choose_encoder
from ..video.encoder_support import try_encoder
from ..video.mux import check_header, mux_film
from ..video.pixel_formats import convert_luma, pixel_layout
from ..video.probe import VideoInfo, open_input, probe
from ..video.reader import Frame, Reader
from ..video.rgb import rgb_to_planes
from ..video.segments import SegmentWriter
from ..video.stream_packets import TimeRange
from ..video.stream_plan import StreamPlan, plan_streams
from ..wording import many
from .grid import Grid, plan_grid

__all__ = ["CompareSettings", "Comparison", "compare"]

SEGMENT_FRAMES = 240  # frames


@dataclass(frozen=True)
class CompareSettings(EncodingSettings):
    """How the grid looks, and how it is written."""

    split: bool = False  # two pictures in one place, divided by a line that moves
    seconds: float = 8.0  # that the line takes there and back
    with_input: bool = False  # the black-and-white film first
    labels: tuple[str, ...] = ()  # of the results; none: their names
    columns: int | None = None  # None: up to three in a row, then as square as can be
    width: int | None = None  # of the whole, in pixels, at most; None: 3840
    overwrite: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.seconds < math.inf:
            raise UsageError(f"the line takes {self.seconds} seconds: give more than none.")
        if self.columns is not None and self.columns < 1:
            raise UsageError(f"{self.columns} columns: give at least one.")
        if self.width is not None and self.width < 16:
            raise UsageError(f"a grid of {self.width} pixels: give at least 16.")


@dataclass(frozen=True)
class Comparison:
    """What was written."""

    inputs: tuple[FileRecord, ...]  # the film, then the results that are files
    output: FileRecord
    frames: int
    width: int
    height: int
    seconds: float
    settings: dict[str, Any]
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    results: Sequence[str | Path],
    source: str | Path,
    output: str | Path,
    *,
    settings: CompareSettings | None = None,
    progress: ProgressCallback | None = None,
) -> Comparison:
    """Write the results (films or folders of frames) of the film `source` into one film, with that film's sound.

    Every frame keeps the instant that it has in `source`. The output appears whole or not at all.
    Raises MediaError where a result has another shape or length than the film, UsageError and OutputError.
    """
    settings, output = settings or CompareSettings(), Path(output)
    began = time.monotonic()
    if not results:
        raise UsageError("give at least one result to compare.")
    info, clips = probe(source), [open_clip(path) for path in results]
    check_output(output, [info.path, *(clip.path for clip in clips)], settings.overwrite)
    grid = _plan(info, clips, settings)
    canvas = _canvas(info, grid)
    spec, notes = choose_encoder(canvas, output, settings)
    try_encoder(spec)
    with open_input(info.path) as container:
        streams = plan_streams(container, info, spec.container, settings.audio)
    notes += [stream.note for stream in streams if stream.note]
    with _beside(output) as folder:
        check_header(canvas, spec, streams)
        writing = _Writing(info, clips, grid, canvas, spec, streams, folder, progress)
        frames = writing.draw(settings.with_input)
        notes += writing.join(output)
    films = [info.path, *(clip.path for clip in clips if clip.path.is_file())]
    height, width = grid.size
    return Comparison(
        tuple(map(FileRecord.of, films)), FileRecord.of(output), frames, width, height, time.monotonic() - began,
        asdict(settings), versions(), tuple(notes),
    )  # fmt: skip


def _plan(info: VideoInfo, clips: Sequence[Clip], settings: CompareSettings) -> Grid:
    """Where each picture goes, at the size of the largest result."""
    for clip in clips:
        if abs(clip.size[1] * info.height - clip.size[0] * info.width) > 0.02 * clip.size[0] * info.width:
            raise MediaError(
                f"{clip.path} is {clip.size[1]}×{clip.size[0]}, {info.path} is {info.width}×{info.height}: "
                "results must have the film's shape."
            )
    labels = list(settings.labels or (clip.name for clip in clips))
    if len(labels) != len(clips):
        raise UsageError(
            f"{many(len(labels), 'label')} for {many(len(clips), 'result')}: give one for each, in their order."
        )
    if settings.with_input:
        labels.insert(0, "input")
    return plan_grid(
        labels, max((clip.size for clip in clips), key=lambda size: size[0]), split=settings.split,
        columns=settings.columns, width=settings.width, period=round(settings.seconds * info.rate),
    )  # fmt: skip


def _canvas(info: VideoInfo, grid: Grid) -> VideoInfo:
    """The film as it would be if it were the grid: 8 bits, 4:2:0, video levels, tagged."""
    height, width = grid.size
    matrix, tag = ("bt709", 1) if height >= 720 else ("bt601", 6)
    return replace(
        info, width=width, height=height, pix_fmt="yuv420p", layout=pixel_layout("yuv420p"), full_range=False,
        matrix=matrix, range_tag=1, matrix_tag=tag, primaries_tag=tag, transfer_tag=tag, field_order=0,
    )  # fmt: skip


@dataclass(frozen=True)
class _Writing:
    """The loop, and its end."""

    info: VideoInfo
    clips: Sequence[Clip]
    grid: Grid
    canvas: VideoInfo
    spec: EncoderSpec
    streams: tuple[StreamPlan, ...]
    folder: Path
    progress: ProgressCallback | None

    def draw(self, with_input: bool) -> int:
        """Every frame of the grid, encoded into segments; how many."""
        writer = SegmentWriter(self.spec, self.folder, SEGMENT_FRAMES)
        done, meter = 0, ProgressMeter(self.info.frames, self.progress)
        try:
            with (
                Prefetch.of(self._pictures(with_input), 4) as frames,
                BackgroundWriter(partial(self._encode, writer), 4) as film,
            ):
                for frame, pictures in frames:
                    film.put((frame, self.grid.draw(done, pictures)))
                    done += 1
                    meter.report("color", done)
        except BaseException:
            writer.abort()
            raise
        writer.close()
        return done

    def _encode(self, writer: SegmentWriter, item: tuple[Frame, Picture]) -> None:
        """What the encoding thread does with each frame, and the grid that is drawn for it."""
        frame, grid = item
        planes = rgb_to_planes(grid, self.spec.pix_fmt, self.canvas.matrix, self.spec.full_range)
        writer.write(planes, frame.pts, frame.duration)

    def _pictures(self, with_input: bool) -> Iterator[tuple[Frame, list[Picture]]]:
        """The film's frames, each with what goes on the grid. Raises MediaError where a result is shorter or longer."""
        advice = "its results cannot be put beside its frames then: give an intact file"
        reader = Reader(self.info, strict=True, advice=advice)
        together: Iterator[tuple[Any, ...]] = zip_longest(reader.frames(), *self.clips)
        for number, (frame, *pictures) in enumerate(together):
            for clip, picture in zip(self.clips, pictures, strict=True):
                if (picture is None) != (frame is None):
                    how = "ends before" if picture is None else "goes on after"
                    raise MediaError(
                        f"{clip.path} {how} frame {number}, where {self.info.path} does not: not its result."
                    )
            yield frame, [self._gray(frame), *pictures] if with_input else pictures

    def _gray(self, frame: Frame) -> Picture:
        """The film's luma as a picture."""
        gray = convert_luma(frame.luma, (self.info.layout.bits, 8), (self.info.full_range, True))
        return np.repeat(gray[..., None], 3, axis=-1)

    def join(self, output: Path) -> list[str]:
        """Segments and the film's sound → the output, under its own name at once."""
        path = self.folder / f"muxed{output.suffix}"
        segments = len(list(self.folder.glob("segment-*")))
        report = partial(ProgressMeter(None, self.progress).report, "join")
        notes = mux_film(self.canvas, self.spec, self.streams, self.folder, segments, path, TimeRange(), report)
        os.replace(path, output)
        return notes


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A folder next to the output, removed in the end; the disk's errors in words."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno is None:
            raise
        raise cannot_write(output, error) from error
