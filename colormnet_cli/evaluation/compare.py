"""Compare results of one film in a new film: side by side or split by a moving line, with the sound of the film."""

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
from ..files import cannot_write, check_output
from ..film.prefetch import BackgroundWriter, Prefetch
from ..film.progress import ProgressMeter
from ..film.receipt import FileRecord, versions
from ..media.clips import Clip, open_clip
from ..media.clips import Frame as Picture
from ..settings import EncodingSettings, ProgressCallback
from ..video.encode import EncoderSpec, choose_encoder
from ..video.encoder_support import try_encoder
from ..video.mux import mux_film, try_mux
from ..video.pixel_formats import convert_luma, pixel_layout
from ..video.probe import VideoInfo, probe
from ..video.reader import Frame, Reader
from ..video.rgb import rgb_to_planes
from ..video.segments import SegmentWriter
from ..video.stream_packets import TimeRange
from ..video.stream_plan import StreamPlan, plan_streams
from ..wording import many
from .grid import Grid, plan_grid

__all__ = ["CompareSettings", "Comparison", "compare"]

SEGMENT_FRAMES = 240


@dataclass(frozen=True)
class CompareSettings(EncodingSettings):
    """Layout of the grid, and how it is encoded."""

    split: bool = False  # two results in one picture, divided by a line that moves
    seconds: float = 8.0  # period of the line, left to right and back
    with_input: bool = False  # the black-and-white film as the first picture
    labels: tuple[str, ...] = ()  # one for each result; empty: their file names
    columns: int | None = None  # None: up to three in a row, from four on about as many rows as columns
    width: int | None = None  # maximum width of the grid in pixels; None: 3840
    overwrite: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.seconds < math.inf:
            raise UsageError(f"the period of the moving line is {self.seconds} seconds: give more than 0 (`seconds`).")
        if self.columns is not None and self.columns < 1:
            raise UsageError(f"a grid needs at least 1 column, got {self.columns} (`columns`).")
        if self.width is not None and self.width < 16:
            raise UsageError(f"a grid needs a width of at least 16 pixels, got {self.width} (`width`).")


@dataclass(frozen=True)
class Comparison:
    """The film that was written, and how."""

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
    """Write results (films or folders of frames) of the film `source` into one film, with the sound of `source`.

    Every frame keeps its timestamp in `source`. The output appears when it is complete.
    Raises MediaError if a result has another aspect ratio or number of frames than the film, UsageError, OutputError.
    """
    settings, output = settings or CompareSettings(), Path(output)
    began = time.monotonic()
    if not results:
        raise UsageError("give at least one result to compare.")
    info, clips = probe(source), [open_clip(path) for path in results]
    check_output(output, [info.path, *(clip.path for clip in clips)], settings.overwrite)
    grid = _grid(info, clips, settings)
    canvas = _canvas(info, grid)
    spec, notes = choose_encoder(canvas, output, settings)
    try_encoder(spec)
    streams = plan_streams(info, spec.container, settings.audio)
    notes += [stream.note for stream in streams if stream.note]
    with _temporary_folder(output) as folder:
        try_mux(canvas, spec, streams)
        run = _Run(info, clips, grid, canvas, spec, streams, folder, progress)
        frames = run.encode(settings.with_input)
        notes += run.mux(output)
    films = [info.path, *(clip.path for clip in clips if clip.path.is_file())]
    height, width = grid.size
    return Comparison(
        inputs=tuple(map(FileRecord.of, films)),
        output=FileRecord.of(output),
        frames=frames,
        width=width,
        height=height,
        seconds=time.monotonic() - began,
        settings=asdict(settings),
        versions=versions(),
        warnings=tuple(notes),
    )


def _grid(info: VideoInfo, clips: Sequence[Clip], settings: CompareSettings) -> Grid:
    """The layout, with pictures of the size of the largest result."""
    for clip in clips:
        if abs(clip.size[1] * info.height - clip.size[0] * info.width) > 0.02 * clip.size[0] * info.width:
            raise MediaError(
                f"{clip.path} is {clip.size[1]}×{clip.size[0]}, {info.path} is {info.width}×{info.height}: "
                "results must have the aspect ratio of the film."
            )
    labels = list(settings.labels or (clip.name for clip in clips))
    if len(labels) != len(clips):
        raise UsageError(
            f"{many(len(labels), 'label')} for {many(len(clips), 'result')}: give one for each, in the same order."
        )
    if settings.with_input:
        labels.insert(0, "input")
    return plan_grid(
        labels,
        max((clip.size for clip in clips), key=lambda size: size[0]),
        split=settings.split,
        columns=settings.columns,
        width=settings.width,
        period=round(settings.seconds * info.rate),
    )


def _canvas(info: VideoInfo, grid: Grid) -> VideoInfo:
    """The properties of the output: those of the film, but with the size of the grid, 8-bit 4:2:0, limited range."""
    height, width = grid.size
    matrix, tag = ("bt709", 1) if height >= 720 else ("bt601", 6)
    return replace(
        info,
        width=width,
        height=height,
        pix_fmt="yuv420p",
        layout=pixel_layout("yuv420p"),
        full_range=False,
        matrix=matrix,
        range_tag=1,
        matrix_tag=tag,
        primaries_tag=tag,
        transfer_tag=tag,
        field_order=0,
        interlaced=False,
    )


@dataclass(frozen=True)
class _Run:
    """Decoding, drawing and encoding, then muxing."""

    info: VideoInfo
    clips: Sequence[Clip]
    grid: Grid
    canvas: VideoInfo
    spec: EncoderSpec
    streams: tuple[StreamPlan, ...]
    folder: Path
    progress: ProgressCallback | None

    def encode(self, with_input: bool) -> int:
        """Encode the grids of all frames into segments; returns how many."""
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
        """Runs in the encoder's thread.  item: a frame of the film and the grid drawn for it."""
        frame, grid = item
        planes = rgb_to_planes(grid, self.spec.pix_fmt, self.canvas.matrix, self.spec.full_range)
        writer.write(planes, frame.pts, frame.duration)

    def _pictures(self, with_input: bool) -> Iterator[tuple[Frame, list[Picture]]]:
        """Frames of the film, each with its pictures. Raises MediaError if a result is shorter or longer."""
        advice = "its frames cannot be matched with those of its results: give an intact file"
        reader = Reader(self.info, strict=True, gaps=False, advice=advice)
        together: Iterator[tuple[Any, ...]] = zip_longest(reader.frames(), *self.clips)
        for number, (frame, *pictures) in enumerate(together):
            for clip, picture in zip(self.clips, pictures, strict=True):
                if (picture is None) != (frame is None):
                    paths = (clip.path, self.info.path)
                    short, long = paths if picture is None else paths[::-1]
                    raise MediaError(f"{short} ends before frame {number}, {long} does not: give results of this film.")
            yield frame, [self._gray(frame), *pictures] if with_input else pictures

    def _gray(self, frame: Frame) -> Picture:
        """The luma of the film as RGB [H, W, 3]."""
        gray = convert_luma(frame.luma, (self.info.layout.bits, 8), (self.info.full_range, True))
        return np.repeat(gray[..., None], 3, axis=-1)

    def mux(self, output: Path) -> list[str]:
        """Mux the segments and the sound of the film, and rename the result to `output`; returns notes."""
        path = self.folder / f"muxed{output.suffix}"
        segments = len(list(self.folder.glob("segment-*")))
        report = partial(ProgressMeter(None, self.progress).report, "join")
        notes = mux_film(self.canvas, self.spec, self.streams, self.folder, segments, path, TimeRange(), report)
        os.replace(path, output)
        return notes


@contextmanager
def _temporary_folder(output: Path) -> Iterator[Path]:
    """A folder next to the output, removed at the end; raises OutputError if the disk fails."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno is None:
            raise
        raise cannot_write(output, error) from error
