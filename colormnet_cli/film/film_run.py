"""A film in, the same film in color out: decode → network → encode in parallel, then mux; resumable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import MediaError, NotFiniteError
from ..files import FileStamp, file_identity, place_output
from ..passes.filled_colorizer import FilledColorizer
from ..passes.film_colorizer import FilmColorizer
from ..passes.match_monitor import MatchMonitor
from ..passes.schedule import Unit
from ..video.decode import DecodeStatistics
from ..video.mux import mux_film
from ..video.pixel_formats import convert_luma
from ..video.reader import Frame
from ..video.segments import SegmentWriter, check_segments, read_segment, segment_path
from .checkpoint import SEGMENT_FRAMES, Checkpoint, CheckpointSaver, Snapshot
from .findings import find
from .frame_notes import FrameNotes, mean_chroma, read_notes
from .frame_source import FrameSource, Place
from .plan import FilmPlan
from .prefetch import Prefetch
from .receipt import FileRecord
from .run import Run, log
from .segment_encoders import SegmentEncoders, default_encoders
from .segment_table import SegmentTable
from .shot_cache import UnitEnd, unit_keys
from .transfer import ChromaPlanes, download_chroma, upload_luma
from .unit_queue import FinishedUnits, UnitQueue
from .window import stream_window

__all__ = ["FilmRun"]

_DEPTH = 2  # batches between the decoder and the network


class FilmRun(Run):
    """One film: `color`, then `finish`."""

    plan: FilmPlan
    replaceable = ("shots",)
    skipped = 0  # frames, so far, on the way to the first one
    known_places: Mapping[int, Place] = {}  # of frames that are reached by seeking
    _stamp: FileStamp | None = None  # of the film's file, if it is no longer that of the plan

    def __init__(self, plan: FilmPlan, *args: Any, **keywords: Any) -> None:
        self.finished: FinishedUnits | None = None  # of a plan
        self._chromas: dict[str, float] = {}  # of exemplars
        super().__init__(plan, *args, **keywords)
        self.monitor = MatchMonitor(self.colorizer.another(), plan.exemplar, round(plan.info.rate))

    def match(self, begin: int = 0, end: int | None = None) -> float | None:
        return self.monitor.mean(begin, end)

    def source_identity(self) -> Mapping[str, Any]:
        return {"film": file_identity(self.plan.info.path), "encoder": asdict(self.plan.encoder)}

    def fingerprint(self) -> dict[str, Any]:
        """For a plan with the units instead of the exemplars: those of an earlier run are kept in the plan's folder."""
        if self.plan.shots is None:
            return super().fingerprint()
        common = self.common_fingerprint()
        fill = None if self.plan.fill is None else self.plan.fill.schedule
        keys = unit_keys(self.schedule, self.units, self.segments.frames, common, fill)
        self.finished = FinishedUnits(self.plan.shots.folder / "segments", self.segments, keys)
        return {**common, "shots": [keys, self.plan.only_shots]}

    @property
    def units(self) -> Sequence[Unit]:
        """The units that the run colors, in order."""
        return self.schedule.units

    @cached_property
    def segments(self) -> SegmentTable:
        """Which frames each segment has."""
        return SegmentTable(self.units, self.segment_frames)

    @property
    def segment_frames(self) -> int:
        """Frames of a segment."""
        return SEGMENT_FRAMES.get(self.device.type, SEGMENT_FRAMES["cpu"])

    def finished_units(self, position: int) -> dict[int, UnitEnd]:
        """The units from a frame on that need no coloring, by their first frames."""
        return self.finished.take(position, self.folder.path, self.plan.only_shots) if self.finished else {}

    # The loop

    def color(self) -> None:
        """Colorize every frame that an interrupted run has not, into segments."""
        for warning in self.plan.warnings:
            self.warn(warning)
        self.color_frames()
        counts = DecodeStatistics(**self._checkpoint.counts)
        self.undecodable = counts.undecodable
        for sentence in counts.warnings():
            self.warn(sentence)
        notes = read_notes(self.folder.path, self._checkpoint.segments)
        origin = stream_window(self.plan.info, self.plan.settings, self.folder.path, self._checkpoint.segments).begin
        first = 0.0 if origin is None else float(origin - self.plan.info.first_time)
        self.findings = find(notes, self.colorizer.engine.unlike, self.monitor.every, first)
        self.monitor.seen = sorted({*self.monitor.seen, *self.findings.seen})
        if (unlike := self.monitor.warning()) is not None:
            self.warn(unlike)

    def color_frames(self) -> None:
        """The same, without warnings about the film."""
        done = self.folder.checkpoint
        if done is not None:
            self.frames = self.resumed_at = done.frames
            log.info("resuming at frame %d", done.frames)
            check_segments(self.folder.path, done.segments, self.plan.info.time_base)  # a lost segment is reported now
        self.meter.begin(self.frames)
        while (done := self.folder.checkpoint) is None or not done.complete:
            try:
                self._color_from(done)
            except NotFiniteError as error:
                self.widen_precision(error)

    def _color_from(self, done: Checkpoint | None) -> None:
        """Colorize the frames that follow a checkpoint."""
        position = done.frames if done else 0
        units = UnitQueue(self.units, self.finished_units(position), position)
        if done is not None and not units.units:  # interrupted between the last frame and the end of the encoder
            self.folder.save(replace(done, complete=True), None)
            self._keep(done.frames)
            return
        self.reused = sum(unit.end - unit.begin for unit in units.units if units.is_finished(unit) and unit.end)
        colorizer = self.film_colorizer()
        if not colorizer.can_continue(position, units.shots):
            log.warning("segments that the unfinished run relied on are gone: it starts again")
            self.folder.discard()
            self.frames = self.resumed_at = 0
            return
        places = {**self.known_places}
        places |= {unit.end: end.place for unit in units.units if unit.end and (end := units.finished.get(unit.begin))}
        if done is not None:
            places[position] = done.checksums, done.counts
        first_pts = self._first_timestamp() if done is not None else 0
        self._film = FrameSource(self.plan, units.ranges(), places, first_pts, self._skipped)
        self._color(units, colorizer)

    def _color(self, units: UnitQueue, colorizer: FilmColorizer | FilledColorizer) -> None:
        """The loop itself: a thread decodes ahead of it, others encode behind it."""
        film, saver = self._film, CheckpointSaver(self.folder, self.segments)
        self._notes = FrameNotes(self.folder.path, self.segments)
        encoders = SegmentEncoders(
            self.plan.encoder,
            self.folder.path,
            self.segments,
            self.plan.settings.encoders or default_encoders(self.device),
            self._encode_and_note,
            self._save,
        )
        with Prefetch.of(self._batches(film.frames()), _DEPTH, self._waiting) as batches, encoders:
            try:
                for batch in batches:
                    self._reach(batch[0].number)
                    unit = self.schedule.unit(batch[0].number)
                    if units.is_finished(unit):  # a pass leads through it
                        colorizer.follow(list(map(self._lightness, batch)), _numbers(batch), units.shots)
                    else:
                        encoders.put(batch, self._colorize(colorizer, batch))
                    film.done(batch)
                    if self.finished and batch[-1].number + 1 == unit.end and not units.is_finished(unit):
                        self.finished.note(unit, UnitEnd(*film.place()))
                    saver.after(batch, colorizer.state_dict, encoders.save)
                    self.advance(len(batch))
                counts = film.statistics
                if (last := units.units[-1]).end is not None and units.is_finished(last):
                    self._reach(last.end)
                    counts = dict(units.finished[last.begin].counts)
                if not self.frames:
                    raise MediaError(f"{self.plan.info.path}: the requested part contains no frame.")
                encoders.finish()
                self._notes.finish()
                saver.finish(self.frames, counts)
                self._keep(self.frames)
            except BaseException:
                with suppress(Exception):
                    saver.save_latest(encoders.save)
                raise

    def _reach(self, frame: int) -> None:
        """The frames before this one exist from an earlier run."""
        if frame != self.frames:
            self.frames = frame
            self.meter.begin(frame)

    def _colorize(self, colorizer: FilmColorizer | FilledColorizer, batch: list[Frame]) -> ChromaPlanes:
        """Luma of a batch of frames to their chroma planes."""
        Ls, numbers = list(map(self._lightness, batch)), _numbers(batch)
        sources = sorted({source for one, _ in self.schedule.at(numbers[0]) for source in one.references})
        match = self._look(batch[0], Ls[0], sources)
        if numbers[0] == 0 and (first := colorizer.forward(0)) is not None:
            self.observer.started(first, Ls[0])
        working, colors = colorizer.working_steps(Ls, numbers)
        seconds = [self._seconds(frame) for frame in batch]
        self._notes.submit(numbers, seconds, working, colors, min(map(self._chroma_of, sources), default=0.0), match)
        return self._planes(colorizer, working, colors[:, :2], Ls, numbers)

    def _planes(
        self,
        colorizer: FilmColorizer | FilledColorizer,
        working: Tensor,
        ab: Tensor,
        Ls: Sequence[Tensor],
        numbers: Sequence[int],
    ) -> ChromaPlanes:
        """Lightness and ab of frames at the working size, and their lightness [1, H, W], to what the encoder needs."""
        return download_chroma(Ls, colorizer.full_size(working, ab, Ls, numbers), self.plan.output_planes)

    def _look(self, frame: Frame, L: Tensor, sources: Sequence[str]) -> float | None:
        """Compare a frame with the exemplars that color it, now and then, and at the beginning of each segment."""
        number, upright = frame.number, self.plan.orientation.upright(L)
        begins = number == 0 or self.segments.number(number) != self.segments.number(number - 1)
        return self.monitor.look(number, self._seconds(frame), upright, sources, again=begins)

    def _seconds(self, frame: Frame) -> float:
        """Since the film's first frame."""
        return float(frame.pts * self.plan.info.time_base - self.plan.info.first_time)

    def _chroma_of(self, source: str) -> float:
        """The mean chroma of an exemplar where it is opaque."""
        if source not in self._chromas:
            self._chromas[source] = mean_chroma(self.plan.exemplar(source))
        return self._chromas[source]

    def _lightness(self, frame: Frame) -> Tensor:
        """[1, H, W] on the device."""
        return upload_luma(frame.luma, self.plan.source_planes, self.device)

    def read(self, begin: int, end: int) -> Iterator[tuple[int, Tensor]]:
        return ((frame.number, self._lightness(frame)) for frame in self._film.ahead(begin, end))

    def _encode_and_note(self, writer: SegmentWriter, batch: list[Frame], chroma: ChromaPlanes) -> None:
        self._encode(writer, batch, chroma)  # waits for the device
        self._notes.note(_numbers(batch))

    def _encode(self, writer: SegmentWriter, batch: list[Frame], chroma: ChromaPlanes) -> None:
        source, target = self.plan.source_planes, self.plan.output_planes
        chroma.check_finite(_numbers(batch), self.precision)
        for frame, (cb, cr) in zip(batch, chroma.numpy(), strict=True):
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
                or following == self.next_change(frame.number)
            ):
                yield batch
                batch = []
        if batch:
            yield batch

    def _save(self, snapshot: Snapshot) -> None:
        """Every frame before the snapshot is on the disk."""
        self.folder.save(snapshot.checkpoint, snapshot.state)
        self._keep(snapshot.checkpoint.frames)

    def _keep(self, frames: int) -> None:
        """Keep the units that end within the first `frames` frames, for later runs of the plan."""
        if self.finished is not None and (problem := self.finished.keep(frames, self.folder.path)):
            self.warn(problem)
            self.finished = None

    def _set_precision(self, precision: str) -> None:
        super()._set_precision(precision)
        self.finished = None  # what is colored now is not what its key says

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
        for note in self._mux(path, segments):
            self.warn(note)
        self._check_source()
        place_output(path, plan.output, plan.settings.overwrite)
        if self.finished is not None:
            self.finished.prune()

    def _mux(self, path: Path, segments: int) -> list[str]:
        """Write the film to `path`; returns warnings."""
        plan, report = self.plan, lambda frame: self.meter.report("join", frame, self.frames)
        window = stream_window(plan.info, plan.settings, self.folder.path, segments)
        return mux_film(plan.info, plan.encoder, plan.streams, self.folder.path, segments, path, window, report)

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


def _numbers(batch: Sequence[Frame]) -> list[int]:
    return [frame.number for frame in batch]
