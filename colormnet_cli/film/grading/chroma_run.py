"""A film written with existing chroma, instead of a network's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from ...errors import Interrupted, MediaError
from ...files import cannot_write, file_identity, place_output
from ...inference.device import cpu_threads
from ...settings import ColorizeSettings, ProgressCallback
from ...video.decode import DecodeStatistics
from ...video.encode import EncoderSpec
from ...video.mux import mux_film
from ...video.pixel_formats import Plane, convert_luma
from ...video.probe import VideoInfo
from ...video.reader import Frame, Reader
from ...video.segments import SegmentWriter, check_segments
from ...video.stream_plan import StreamPlan
from ..checkpoint import SEGMENT_FRAMES, Checkpoint
from ..progress import ProgressMeter
from ..progress_folder import ProgressFolder
from ..receipt import FileRecord, Receipt, versions
from ..window import stream_window
from .chroma_source import ChromaSource

__all__ = ["ChromaPlan", "ChromaRun"]


@dataclass(frozen=True)
class ChromaPlan:
    """A film, where its color comes from, and what is written."""

    info: VideoInfo  # of the film
    color: ChromaSource
    output: Path
    encoder: EncoderSpec
    streams: tuple[StreamPlan, ...]
    settings: ColorizeSettings
    frames: int
    warnings: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()  # images that say what stays neutral
    threads: int | None = None  # of PyTorch; None: as many as it has
    phase: Literal["color", "apply"] = "color"  # in reports of the progress


class ChromaRun:
    """Frames are encoded in segments, then muxed with the other streams of the film; resumable."""

    def __init__(self, plan: ChromaPlan, progress: ProgressCallback | None = None) -> None:
        self.plan, self.frames, self.resumed_at = plan, 0, 0
        self.notes: list[str] = []  # of muxing
        self.paths = plan.info, plan.color.info
        self.meter = ProgressMeter(plan.frames, progress)
        self.statistics = DecodeStatistics()  # of the film
        fingerprint = {
            "film": file_identity(plan.info.path),
            "colored film": file_identity(plan.color.info.path),
            "encoder": asdict(plan.encoder),
            **plan.color.depends(),
        }
        self.folder = ProgressFolder(plan.output, fingerprint, plan.settings.resume)

    def run(self) -> Receipt:
        """Write the film; resumes an interrupted run. Raises MediaError, OutputError, UsageError or Interrupted."""
        self.work()
        return self.receipt()

    def work(self) -> None:
        """The same without the receipt."""
        plan = self.plan
        try:
            with cpu_threads(plan.threads), self.folder:
                self.notes = self._mux(self._encode())
        except KeyboardInterrupt as error:
            done = self.folder.checkpoint.frames if self.folder.checkpoint else 0
            where = f"resumes at frame {done}" if done else "starts again"
            at = f"frame {self.frames} of {plan.frames}"
            raise Interrupted(f"Interrupted at {at}: the same command {where}.") from error
        except OSError as error:
            raise cannot_write(plan.output, error) from error

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is worth knowing, once the film is written."""
        own = self.plan.info.path == self.plan.color.info.path  # a colored film, for its own luma
        found = replace(self.statistics, colored=self.statistics.colored and not own).warnings()
        return tuple(dict.fromkeys((*self.plan.warnings, *found, *self.notes)))

    @property
    def masks(self) -> tuple[FileRecord, ...]:
        """For the receipt."""
        return tuple(FileRecord.of(path) for path in self.plan.masks)

    def receipt(self) -> Receipt:
        """What was done, and every warning."""
        plan = self.plan
        return Receipt(
            inputs=tuple(FileRecord.of_input(info.path, info.stamp) for info in self.paths),
            references=(),
            masks=self.masks,
            output=FileRecord.of(plan.output),
            weights={},
            settings={**asdict(plan.settings), **plan.color.depends()},
            memory={},
            versions=versions(),
            device="cpu",
            precision="fp32",
            frames=self.frames,
            seconds=self.meter.elapsed,
            fps=self.meter.average,
            resumed_at=self.resumed_at,
            streams=tuple(stream.to_dict() for stream in plan.streams),
            undecodable=self.statistics.undecodable,
            warnings=self.warnings,
        )

    def _encode(self) -> int:
        """Encode the frames that an interrupted run has not; returns the number of segments."""
        plan, done = self.plan, self.folder.checkpoint
        size = SEGMENT_FRAMES["cpu"]
        writer = SegmentWriter(plan.encoder, self.folder.path, size)
        if done is not None:
            check_segments(self.folder.path, done.segments, plan.info.time_base)
            self.frames = self.resumed_at = done.frames
            writer.number = done.segments
        plan.color.restore(self.folder.state() if done is not None and not done.complete else None)
        self.meter.begin(self.frames)
        try:
            for frame, planes in self._planes(self.frames):
                writer.write(planes, frame.pts, frame.duration)
                self.frames += 1
                if self.frames % size == 0:
                    self.folder.save(Checkpoint(self.frames, writer.number, (), {}), plan.color.state())
                self.meter.report(plan.phase, self.frames)
            writer.close()
        finally:
            writer.abort()
        if self.frames != plan.frames:
            raise MediaError(f"{plan.info.path} or {plan.color.info.path} changed while it was read: start again.")
        self.folder.save(Checkpoint(self.frames, writer.number, (), {}, complete=True), None)
        return writer.number

    def _planes(self, begin: int) -> Iterator[tuple[Frame, tuple[Plane, Plane, Plane]]]:
        """The frames from `begin` on, with their planes for the encoder."""
        plan, info, spec = self.plan, self.plan.info, self.plan.encoder
        first = max(0, begin - plan.color.margin)
        reader = Reader(info, *plan.settings.timecodes, strict=plan.settings.strict)
        frames = islice(reader.frames(), first, None)
        for frame, (cb, cr) in plan.color.planes(frames, first, spec):
            if frame.number < begin:
                continue
            luma = convert_luma(frame.luma, (info.layout.bits, spec.bits), (info.full_range, spec.full_range))
            yield frame, (luma, cb, cr)
        self.statistics = reader.statistics

    def _mux(self, segments: int) -> list[str]:
        """Mux the segments with the other streams, and give the output its name; returns warnings."""
        plan, path = self.plan, self.folder.path / f"muxed{self.plan.output.suffix}"
        report: Callable[[int], None] = lambda frame: self.meter.report("join", frame, self.frames)  # noqa: E731
        window = stream_window(plan.info, plan.settings, self.folder.path, segments)
        notes = mux_film(plan.info, plan.encoder, plan.streams, self.folder.path, segments, path, window, report)
        for info in self.paths:
            if not info.stamp.fits(info.path):
                raise MediaError(f"{info.path} was replaced, changed or removed while it was read: start again.")
        place_output(path, plan.output, plan.settings.overwrite)
        return notes
