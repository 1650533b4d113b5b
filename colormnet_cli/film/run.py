"""A film in, the same film in colour out: decode → network → encode, overlapped, resumable."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import Interrupted, MediaError, OutputError
from ..files import cannot_write, file_identity, sync_folder
from ..inference.colorizer import Colorizer
from ..inference.device import default_lookahead, peak_memory, resolve_device, resolve_precision
from ..inference.memory import MemoryConfig
from ..media.exemplar import show_exemplars, split_reference
from ..settings import ColorizeSettings, ProgressCallback
from ..video.decode import DecodeStatistics
from ..video.mux import mux_film
from ..video.pixel_formats import convert_luma
from ..video.reader import Frame, Reader
from ..video.segments import SegmentWriter, check_segments, read_segment, segment_path
from ..video.stream_packets import TimeRange
from .checkpoint import SEGMENT_FRAMES, ProgressFolder, Save, Saver, fingerprint, model_sha256
from .frame_colorizer import ColorPlanes, Painter, lightness_of
from .plan import FilmPlan, plan_video
from .prefetch import Ahead, Behind
from .progress import Pace
from .receipt import FileRecord, Receipt, versions

if TYPE_CHECKING:
    from ..networks.colormnet import ColorMNet

__all__ = ["FilmRun", "colorize_video"]

log = logging.getLogger(__name__)


def colorize_video(
    source: str | Path,
    references: Sequence[str | Path],
    output: str | Path,
    *,
    model: ColorMNet,
    settings: ColorizeSettings | None = None,
    memory: MemoryConfig | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Receipt:
    """Colour a film.

    Args:
        source: any video that FFmpeg decodes.
        references: colour pictures, or frames of a film (`film.mp4@12.5`); at least one.
        output: .mp4, .mov, .mkv or .webm; appears whole or not at all.
        model: from `load_model`.
        progress: called with a Progress after every few frames, on this thread.

    Returns:
        What was done, with what, and what was out of the ordinary.

    Raises:
        ColormnetError: MediaError, OutputError, UsageError, DeviceError, each with a sentence.
        Interrupted: Ctrl-C; the same call goes on from where it stopped.
    """
    settings, memory = settings or ColorizeSettings(), memory or MemoryConfig()
    plan = plan_video(source, references, output, settings=settings)
    chosen = resolve_device(device)
    run = FilmRun(plan, model, settings, memory, chosen, resolve_precision(precision, chosen), progress)
    with run.sentences(), run.folder:
        run.color()
        run.join()
    return run.receipt()


class FilmRun:
    """One film on its way: `color`, then `join`, both inside `sentences` and `folder`."""

    def __init__(
        self,
        plan: FilmPlan,
        model: ColorMNet,
        settings: ColorizeSettings,
        memory: MemoryConfig,
        device: torch.device,
        precision: str,
        progress: ProgressCallback | None,
    ) -> None:
        self.plan, self.model, self.settings, self.memory = plan, model, settings, memory
        self.device, self.precision = device, precision
        self.lookahead = settings.lookahead or default_lookahead(device)
        self.segment_frames = SEGMENT_FRAMES.get(device.type, SEGMENT_FRAMES["cpu"])
        self.weights = model_sha256(model)
        self.pace = Pace(plan.frames, progress, device)
        self.warnings: list[str] = []
        self.folder = ProgressFolder(plan.output, self._fingerprint(), settings.resume)
        self.frames = self.resumed_at = self.skipped = self.undecodable = 0
        for warning in plan.warnings:
            self.warn(warning)

    def warn(self, sentence: str) -> None:
        """Collect it, and say it, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            log.warning("%s", sentence)

    def _fingerprint(self) -> dict[str, Any]:
        plan, device = self.plan, [self.device.type, self.precision, self.lookahead, self.segment_frames]
        return {
            "film": file_identity(plan.info.path),
            "encoder": asdict(plan.encoder),
            **fingerprint(plan.references, self.settings, self.memory, self.weights, device),
        }

    # The loop

    def color(self) -> None:
        """Colour every frame that an earlier run has not, into segments."""
        plan, done = self.plan, self.folder.checkpoint
        if done is not None:
            self.frames = self.resumed_at = done.frames
            log.info("going on from frame %d", done.frames)
            check_segments(self.folder.path, done.segments, plan.info.time_base)  # fail now, not after hours
        self.pace.begin(self.frames)
        if done is None or not done.complete:
            reader = Reader(plan.info, plan.start, plan.end, plan.duration, self.settings.strict, self._skipped)
            writer = SegmentWriter(plan.encoder, self.folder.path, self.segment_frames, done.segments if done else 0)
            saver = Saver(self.folder, self.segment_frames)
            frames = (
                reader.frames(done.frames, done.checksums, done.counts, self._first_instant())
                if done
                else reader.frames()
            )
            try:
                self._color(reader, frames, writer, saver)
            except BaseException:
                writer.abort()
                raise
        assert self.folder.checkpoint is not None
        counts = DecodeStatistics(**self.folder.checkpoint.counts)
        self.undecodable = counts.undecodable
        for sentence in counts.warnings():
            self.warn(sentence)

    def _color(self, reader: Reader, frames: Iterator[Frame], writer: SegmentWriter, saver: Saver) -> None:
        """The loop itself, with a decoding thread before it and an encoding thread behind."""
        painter: Painter | None = None
        encode = partial(self._encode, writer)
        with Ahead(self._batches(frames), 2, self._waiting) as batches, Behind(encode, 2) as film:
            try:
                for batch in batches:
                    painter = painter or self.make_painter(batch[0])
                    planes = painter.paint([frame.luma for frame in batch])
                    film.put((batch, planes))
                    saver.after(batch, painter.colorizer.state_dict, film.put)
                    self.advance(len(batch))
                if not self.frames:
                    raise MediaError(f"{self.plan.info.path}: the part that was asked for holds no frame.")
                film.drain()
                writer.close()
                saver.finish(self.frames, reader.statistics.as_dict())
            except BaseException:
                with suppress(Exception):
                    saver.rescue(film.put)
                raise

    def advance(self, frames: int) -> None:
        """So many more frames are coloured."""
        self.frames += frames
        self.pace.report("color", self.frames)

    def _skipped(self, frames: int) -> None:
        """Frames passed over on the way to the first one (called on the decoding thread)."""
        self.skipped = frames

    def _waiting(self) -> None:
        """The decoding thread has nothing yet."""
        if self.skipped and self.frames == self.resumed_at:
            self.pace.report("seek", self.skipped, max(self.skipped, self.resumed_at))

    def _batches(self, frames: Iterator[Frame]) -> Iterator[list[Frame]]:
        """As many frames as the network takes at once; none crosses the end of a segment."""
        batch: list[Frame] = []
        for frame in frames:
            batch.append(frame)
            if len(batch) == self.lookahead or (frame.number + 1) % self.segment_frames == 0:
                yield batch
                batch = []
        if batch:
            yield batch

    def make_painter(self, first: Frame) -> Painter:
        """The network, with its exemplars, or where an earlier run left it."""
        plan = self.plan
        colorizer = Colorizer(self.model, self.memory, self.device, self.precision)
        if self.folder.checkpoint is not None:
            colorizer.load_state_dict(self.folder.state())
        else:
            L = plan.info.turn.upright(lightness_of(first.luma, plan.source_planes, torch.device("cpu")))
            show_exemplars(colorizer, plan.exemplars, L, plan.working_size, self.settings.ref_is_first)
        planes = plan.source_planes, plan.output_planes
        return Painter(colorizer, plan.working_size, *planes, self.settings.guided, plan.info.turn)

    def _encode(self, writer: SegmentWriter, item: tuple[list[Frame], ColorPlanes] | Save) -> None:
        """What the encoding thread does with each thing it is handed."""
        if isinstance(item, Save):
            self.folder.save(item.checkpoint, item.state)
            return
        source, target = self.plan.source_planes, self.plan.output_planes
        batch, planes = item
        for frame, (cb, cr) in zip(batch, planes.numpy(), strict=True):
            luma = convert_luma(frame.luma, (source.bits, target.bits), (source.full_range, target.full_range))
            writer.write((luma, cb, cr), frame.pts, frame.duration)

    # Its end

    def join(self) -> None:
        """Segments and the source's other streams → the output, under its own name at once."""
        plan, folder, checkpoint = self.plan, self.folder.path, self.folder.checkpoint
        assert checkpoint is not None
        self.pace.begin(0)
        path = folder / f"muxed{plan.output.suffix}"
        notes = mux_film(
            plan.info,
            plan.encoder,
            plan.streams,
            folder,
            checkpoint.segments,
            path,
            self._window(checkpoint.segments),
            lambda frame: self.pace.report("join", frame, self.frames),
        )
        for note in notes:
            self.warn(note)
        if plan.output.exists() and not self.settings.overwrite:
            raise OutputError(f"{plan.output} has appeared meanwhile: give another name, or --overwrite.")
        os.replace(path, plan.output)
        sync_folder(plan.output.resolve().parent)

    def _window(self, segments: int) -> TimeRange:
        """What of the other streams belongs to the part that was coloured; a part with a `start` begins at zero."""
        plan, folder, unit = self.plan, self.folder.path, self.plan.info.time_base
        begin = end = None
        if plan.start is not None:
            begin = self._first_instant() * unit
        if plan.end is not None or plan.duration is not None:
            end = read_segment(segment_path(folder, segments - 1)).end(plan.info.frame_duration) * unit
        return TimeRange(begin, end, -begin if begin is not None else Fraction(0))

    def _first_instant(self) -> int:
        """Of the part that is coloured, in the film's time base."""
        return read_segment(segment_path(self.folder.path, 0)).pts[0]

    def receipt(self) -> Receipt:
        plan = self.plan
        return Receipt(
            inputs=(FileRecord.of(plan.info.path),),
            references=tuple(FileRecord.of(split_reference(r)[0]) for r in plan.references),
            output=FileRecord.of(plan.output),
            weights={"sha256": self.weights},
            settings=asdict(self.settings),
            memory=asdict(self.memory),
            versions=versions(),
            device=str(self.device),
            precision=self.precision,
            frames=self.frames,
            seconds=self.pace.elapsed,
            fps=self.pace.average,
            resumed_at=self.resumed_at,
            undecodable=self.undecodable,
            peak_memory=peak_memory(self.device),
            streams=tuple({"stream": s.name, "action": s.action, "note": s.note} for s in plan.streams),
            warnings=tuple(self.warnings),
        )

    @contextmanager
    def sentences(self) -> Iterator[None]:
        """Ctrl-C and the disk's errors, in words."""
        try:
            yield
        except KeyboardInterrupt as error:
            total = f" of about {self.plan.frames}" if self.plan.frames else ""
            at = self.folder.checkpoint.frames if self.folder.checkpoint else 0
            where = f"the same command goes on from frame {at}" if at else "nothing was finished yet"
            raise Interrupted(f"Interrupted at frame {self.frames}{total}: {where}.") from error
        except OSError as error:
            if not isinstance(error.errno, int):
                raise
            kept = (
                "; what is done so far is kept, and the same command goes on with it" if self.folder.checkpoint else ""
            )
            raise cannot_write(self.plan.output, error, kept) from error
