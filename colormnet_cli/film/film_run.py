"""A film in, the same film in color out: decode → network → encode in parallel, then mux; resumable."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from fractions import Fraction
from functools import cached_property
from typing import Any

from torch import Tensor

from ..errors import MediaError, NotFiniteError, OutputError
from ..files import FileStamp, file_identity, sync_folder
from ..video.decode import DecodeStatistics
from ..video.mux import mux_film
from ..video.pixel_formats import convert_luma
from ..video.reader import Frame, Reader
from ..video.segments import SegmentWriter, check_segments, read_segment, segment_path
from ..video.stream_packets import TimeRange
from .checkpoint import CHECKSUMS, SEGMENT_FRAMES, Checkpoint, CheckpointSaver
from .film_colorizer import FilmColorizer
from .plan import FilmPlan
from .prefetch import Prefetch
from .receipt import FileRecord
from .run import Run, log
from .segment_encoders import SegmentEncoders, default_encoders
from .segment_table import SegmentTable
from .transfer import ChromaPlanes, download_chroma, upload_luma

__all__ = ["FilmRun"]

_DEPTH = 2  # batches between the decoder and the network


class FilmRun(Run):
    """One film: `color`, then `finish`."""

    plan: FilmPlan
    skipped = 0  # frames, so far, on the way to the first one
    _stamp: FileStamp | None = None  # of the film's file, if it is no longer that of the plan
    _position: tuple[Any, ...] = ()  # of the first frame that is read, for `Reader.frames`

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._recent: deque[Frame] = deque(maxlen=CHECKSUMS)  # the last frames, by which another reader finds the next

    def source_identity(self) -> Mapping[str, Any]:
        return {"film": file_identity(self.plan.info.path), "encoder": asdict(self.plan.encoder)}

    @cached_property
    def segments(self) -> SegmentTable:
        """Which frames each segment has."""
        return SegmentTable(self.plan.schedule.units, SEGMENT_FRAMES.get(self.device.type, SEGMENT_FRAMES["cpu"]))

    # The loop

    def color(self) -> None:
        """Colorize every frame that an interrupted run has not, into segments."""
        plan, done = self.plan, self.folder.checkpoint
        for warning in plan.warnings:
            self.warn(warning)
        if done is not None:
            self.frames = self.resumed_at = done.frames
            log.info("resuming at frame %d", done.frames)
            check_segments(self.folder.path, done.segments, plan.info.time_base)  # a lost segment is reported now
        self.meter.begin(self.frames)
        while (done := self.folder.checkpoint) is None or not done.complete:
            try:
                self._color_from(done)
            except NotFiniteError as error:
                self.widen_precision(error)
        checkpoint = self._checkpoint
        self.undecodable = DecodeStatistics(**checkpoint.counts).undecodable
        for sentence in DecodeStatistics(**checkpoint.counts).warnings():
            self.warn(sentence)

    def _color_from(self, done: Checkpoint | None) -> None:
        """Colorize the frames that follow a checkpoint."""
        plan = self.plan
        reader = Reader(plan.info, plan.start, plan.end, plan.duration, plan.settings.strict, self._skipped)
        self._position = (done.frames, done.checksums, done.counts, self._first_timestamp()) if done else ()
        self._color(reader, reader.frames(*self._position))

    def _color(self, reader: Reader, decoded: Iterator[Frame]) -> None:
        """The loop itself: a thread decodes ahead of it, others encode behind it."""
        frames, saver = self.film_colorizer(), CheckpointSaver(self.folder, self.segments)
        encoders = SegmentEncoders(
            self.plan.encoder,
            self.folder.path,
            self.segments,
            self.plan.settings.encoders or default_encoders(self.device),
            self._encode,
            lambda snapshot: self.folder.save(snapshot.checkpoint, snapshot.state),
        )
        with Prefetch.of(self._batches(decoded), _DEPTH, self._waiting) as batches, encoders:
            try:
                for batch in batches:
                    encoders.put(batch, self._colorize(frames, batch))
                    self._recent.extend(batch)
                    saver.after(batch, frames.state_dict, encoders.save)
                    self.advance(len(batch))
                if not self.frames:
                    raise MediaError(f"{self.plan.info.path}: the requested part contains no frame.")
                encoders.finish()
                saver.finish(self.frames, reader.statistics.as_dict())
            except BaseException:
                with suppress(Exception):
                    saver.save_latest(encoders.save)
                raise

    def _colorize(self, colorizer: FilmColorizer, batch: list[Frame]) -> ChromaPlanes:
        """Luma of a batch of frames to their chroma planes."""
        numbers = [frame.number for frame in batch]
        Ls = [self._lightness(frame) for frame in batch]
        if numbers[0] == 0 and (first := colorizer.forward(0)) is not None:
            self.observer.started(first, Ls[0])
        return download_chroma(Ls, colorizer.steps(Ls, numbers), self.plan.output_planes)

    def _lightness(self, frame: Frame) -> Tensor:
        """[1, H, W] on the device."""
        return upload_luma(frame.luma, self.plan.source_planes, self.device)

    def read(self, begin: int, end: int) -> Iterator[tuple[int, Tensor]]:
        plan, recent, position = self.plan, self._recent, self._position
        if recent:
            position = (begin, [frame.checksum() for frame in recent], recent[-1].statistics)
        for frame in Reader(plan.info, plan.start, plan.end, plan.duration).frames(*position):
            if frame.number >= end:
                return
            if frame.number >= begin:
                yield frame.number, self._lightness(frame)

    def _encode(self, writer: SegmentWriter, batch: list[Frame], chroma: ChromaPlanes) -> None:
        source, target = self.plan.source_planes, self.plan.output_planes
        planes = chroma.numpy()
        if (bad := chroma.first_not_finite()) is not None:
            raise self.not_finite(batch[bad].number)
        for frame, (cb, cr) in zip(batch, planes, strict=True):
            luma = convert_luma(frame.luma, (source.bits, target.bits), (source.full_range, target.full_range))
            writer.write((luma, cb, cr), frame.pts, frame.duration)

    def _batches(self, frames: Iterator[Frame]) -> Iterator[list[Frame]]:
        """As many frames as the network takes at once; none crosses the end of a segment, a pass or a shot."""
        batch: list[Frame] = []
        for frame in frames:
            batch.append(frame)
            following = frame.number + 1
            if (
                len(batch) == self.lookahead
                or following == self.segments.end(frame.number)
                or following == self.plan.schedule.next_change(frame.number)
            ):
                yield batch
                batch = []
        if batch:
            yield batch

    def _skipped(self, frames: int) -> None:
        """Frames skipped before the first one (called on the decoding thread)."""
        self.skipped = frames

    def _waiting(self) -> None:
        """The decoding thread has nothing yet."""
        if self.skipped and self.frames == self.resumed_at:
            self.meter.report("seek", self.skipped, max(self.skipped, self.resumed_at))

    # Muxing

    def finish(self) -> None:
        """Mux the segments with the source's other streams, and give the output its name."""
        plan, folder, segments = self.plan, self.folder.path, self._checkpoint.segments
        self._check_source()
        self.meter.begin(0)
        path = folder / f"muxed{plan.output.suffix}"
        notes = mux_film(
            plan.info,
            plan.encoder,
            plan.streams,
            folder,
            segments,
            path,
            self._window(segments),
            lambda frame: self.meter.report("join", frame, self.frames),
        )
        for note in notes:
            self.warn(note)
        self._check_source()
        if plan.output.exists() and not plan.settings.overwrite:
            raise OutputError(
                f"{plan.output} has been created in the meantime: choose another name, or allow it to be replaced "
                "(`overwrite=True`)."
            )
        os.replace(path, plan.output)
        sync_folder(plan.output.resolve().parent)

    def _check_source(self) -> None:
        """Raise a MediaError if the film's file is not the one that was colorized: their streams must not be mixed."""
        path = self.plan.info.path
        if (self._stamp or self.plan.info.stamp).fits(path):
            return
        try:
            self._stamp, identity = FileStamp.of(path), file_identity(path)
        except OSError:
            identity = {}
        if identity != self.folder.fingerprint["film"]:  # some network drives give a file another inode now and then
            raise MediaError(
                f"{path} was replaced, changed or removed while it was colorized: put the original file back and give "
                "the same command again; only muxing is left."
            )

    def _window(self, segments: int) -> TimeRange:
        """What of the other streams belongs to the colorized range; with a `start` the output begins at zero."""
        plan, folder, unit = self.plan, self.folder.path, self.plan.info.time_base
        begin = end = None
        if plan.start is not None:
            begin = self._first_timestamp() * unit
        if plan.end is not None or plan.duration is not None:
            end = read_segment(segment_path(folder, segments - 1)).end(plan.info.frame_duration) * unit
        return TimeRange(begin, end, -begin if begin is not None else Fraction(0))

    def _first_timestamp(self) -> int:
        """Of the first colorized frame, in the film's time base."""
        return read_segment(segment_path(self.folder.path, 0)).pts[0]

    @property
    def _checkpoint(self) -> Any:
        if self.folder.checkpoint is None:
            raise RuntimeError("a run that colors frames ends with a checkpoint")
        return self.folder.checkpoint

    def records(self) -> tuple[FileRecord, FileRecord]:
        info = self.plan.info
        return self.record(info.path, self._stamp or info.stamp), FileRecord.of(self.plan.output)
