"""A colored film without its flicker: luma, sound and everything else from the gray original, steady chroma."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..color.planes import PlaneFormat
from ..errors import Interrupted, MediaError, UsageError
from ..files import cannot_write, file_identity, place_output
from ..settings import ColorizeSettings, ProgressCallback
from ..shots.find import find_shots
from ..shots.folder import read_plan
from ..video.decode import DecodeStatistics
from ..video.encode import EncoderSpec
from ..video.mux import mux_film
from ..video.pixel_formats import Plane, convert_luma
from ..video.probe import VideoInfo, probe
from ..video.reader import Frame, Reader
from ..video.rgb import RgbFilm
from ..video.segments import SegmentWriter, check_segments
from ..video.stream_packets import TimeRange
from ..video.stream_plan import StreamPlan
from ..wording import many
from .checkpoint import SEGMENT_FRAMES, Checkpoint
from .plan import losses, planned_output
from .progress import ProgressMeter
from .progress_folder import ProgressFolder
from .receipt import FileRecord, Receipt, versions
from .steadier import MIN_SIDE, Chroma, steady_chroma

__all__ = ["SteadyPlan", "plan_steady", "steady_film"]

MIN_CORRELATION = 0.7  # of the luma of two films that are the same one
_CHECK_EVERY = 10  # frames


@dataclass(frozen=True)
class SteadyPlan:
    """A colored film, the gray one from which it was made, and what is written."""

    info: VideoInfo  # of the gray film
    colored: RgbFilm
    output: Path
    encoder: EncoderSpec
    streams: tuple[StreamPlan, ...]
    settings: ColorizeSettings
    frames: int
    starts: tuple[int, ...]  # frames with which shots begin
    radius: int
    warnings: tuple[str, ...]


def plan_steady(
    source: str | Path,
    colored: str | Path,
    output: str | Path,
    *,
    plan: str | Path | None = None,
    radius: int = 3,
    settings: ColorizeSettings | None = None,
    progress: ProgressCallback | None = None,
) -> SteadyPlan:
    """Check both films, and find the shots. Nothing is written.

    Args:
        source: the gray film, whose luma and other streams are kept; the colored film itself is possible.
        colored: the same film in color, made by any program: the same size and number of frames.
        plan: a folder made by `colormnet shots`, which says where shots begin; None: they are found.
        radius: of the average, in frames; each frame is averaged with so many before and behind it.
        settings: how the film is written; those of the network and of a part of the film are not used.

    Raises MediaError, OutputError or UsageError.
    """
    settings, source, output = settings or ColorizeSettings(), Path(source), Path(output)
    if any(settings.timecodes):
        raise UsageError("The whole film is made steady: leave `start`, `end` and `duration` out.")
    if radius < 1:
        raise UsageError(f"`radius` is {radius}: give at least 1.")
    info, film = probe(source), RgbFilm(colored)
    _check_sizes(info, film.info)
    shots = None if plan is None else [row.shot for row in read_plan(plan, source).shots]
    encoder, streams, notes = planned_output(info, output, [source, film.info.path], settings)
    frames = _check_same_film(info, film.info)
    found = find_shots(source, progress).shots if shots is None else shots
    starts = tuple(shot.start_frame for shot in found)
    return SteadyPlan(info, film, output, encoder, streams, settings, frames, starts, radius, (*notes, *losses(info)))


def _check_sizes(one: VideoInfo, other: VideoInfo) -> None:
    if (one.width, one.height, one.orientation) != (other.width, other.height, other.orientation):
        sizes = [
            f"{info.path} is {info.width}×{info.height}" + (", stored rotated" if info.display_matrix else "")
            for info in (one, other)
        ]
        raise MediaError(f"{sizes[0]}, {sizes[1]}: give two films of the same size and orientation.")
    if min(one.width, one.height) < MIN_SIDE:
        raise MediaError(f"{one.path} is {one.width}×{one.height}: motion needs at least {MIN_SIDE}×{MIN_SIDE} pixels.")


def _check_same_film(one: VideoInfo, other: VideoInfo) -> int:
    """The number of frames of both. Raises MediaError where it or the luma differs."""
    counts, likeness = [0, 0], []
    colored = Reader(other)
    for number, pair in enumerate(zip_longest(Reader(one).frames(), colored.frames())):
        for i, frame in enumerate(pair):
            counts[i] += frame is not None
        if number % _CHECK_EVERY == 0 and None not in pair:
            lumas = [frame.luma.ravel()[::7].astype(np.float64) for frame in pair]
            if min(luma.std() for luma in lumas) > 1:
                likeness.append(float(np.corrcoef(lumas[0], lumas[1])[0, 1]))
    if lost := colored.statistics.undecodable:
        raise MediaError(
            f"{other.path}: {many(lost, 'packet')} cannot be decoded, so its frame numbers are "
            "not reliable: give an intact file."
        )
    if counts[0] != counts[1]:
        raise MediaError(
            f"{one.path} has {many(counts[0], 'frame')}, {other.path} has {counts[1]:,}: give the colored film of the "
            "same length."
        )
    if not counts[0]:
        raise MediaError(f"{one.path} has no frame that can be decoded.")
    if likeness and np.median(likeness) < MIN_CORRELATION:
        raise MediaError(
            f"{other.path} does not show the same film as {one.path} (their luma correlates by "
            f"{np.median(likeness):.2f}): give the colored version of that film."
        )
    return counts[0]


def steady_film(plan: SteadyPlan, progress: ProgressCallback | None = None) -> Receipt:
    """Write what `plan_steady` has planned. The same call resumes an interrupted run.

    Raises MediaError, OutputError, UsageError or Interrupted.
    """
    return _SteadyRun(plan, progress).run()


class _SteadyRun:
    """Frames are steadied and encoded in segments, then muxed with the other streams of the gray film."""

    def __init__(self, plan: SteadyPlan, progress: ProgressCallback | None) -> None:
        self.plan, self.frames, self.resumed_at = plan, 0, 0
        self.paths = plan.info, plan.colored.info
        self.meter = ProgressMeter(plan.frames, progress)
        self.statistics = DecodeStatistics()  # of the gray film
        fingerprint = {
            "film": file_identity(plan.info.path),
            "colored film": file_identity(plan.colored.info.path),
            "encoder": asdict(plan.encoder),
            "shots": plan.starts,
            "radius": plan.radius,
        }
        self.folder = ProgressFolder(plan.output, fingerprint, plan.settings.resume)

    def run(self) -> Receipt:
        plan, threads = self.plan, torch.get_num_threads()
        torch.set_num_threads(1)  # PyTorch has little to do here: its threads would mostly wait for each other
        try:
            with self.folder:
                segments = self._encode()
                notes = self._mux(segments)
        except KeyboardInterrupt as error:
            done = self.folder.checkpoint.frames if self.folder.checkpoint else 0
            where = f"resumes at frame {done}" if done else "starts again"
            at = f"frame {self.frames} of {plan.frames}"
            raise Interrupted(f"Interrupted at {at}: the same command {where}.") from error
        except OSError as error:
            raise cannot_write(plan.output, error) from error
        finally:
            torch.set_num_threads(threads)
        return Receipt(
            inputs=tuple(FileRecord.of_input(info.path, info.stamp) for info in self.paths),
            references=(),
            output=FileRecord.of(plan.output),
            weights={},
            settings={**asdict(plan.settings), "radius": plan.radius},
            memory={},
            versions=versions(),
            device="cpu",
            precision="fp32",
            frames=self.frames,
            seconds=self.meter.elapsed,
            fps=self.meter.average,
            resumed_at=self.resumed_at,
            streams=tuple({"stream": s.name, "action": s.action, "note": s.note} for s in plan.streams),
            undecodable=self.statistics.undecodable,
            warnings=(*plan.warnings, *replace(self.statistics, colored=False).warnings(), *notes),
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
        self.meter.begin(self.frames)
        try:
            for frame, planes in self._planes(self.frames):
                writer.write(planes, frame.pts, frame.duration)
                self.frames += 1
                if self.frames % size == 0:
                    self.folder.save(Checkpoint(self.frames, writer.number, (), {}), None)
                self.meter.report("color", self.frames)
            writer.close()
        finally:
            writer.abort()
        if self.frames != plan.frames:
            raise MediaError(f"{plan.info.path} or {plan.colored.info.path} changed while it was read: start again.")
        self.folder.save(Checkpoint(self.frames, writer.number, (), {}, complete=True), None)
        return writer.number

    def _planes(self, begin: int) -> Iterator[tuple[Frame, tuple[Plane, Plane, Plane]]]:
        """The frames from `begin` on, with their planes for the encoder."""
        plan, spec = self.plan, self.plan.encoder
        first = max(0, begin - plan.radius)
        source = PlaneFormat(plan.info.layout.bits, plan.info.full_range)
        reader = Reader(plan.info, strict=plan.settings.strict)
        frames = islice(reader.frames(), first, None)
        chroma = islice(plan.colored.chroma(spec.pix_fmt, spec.matrix, spec.full_range), first, None)
        waiting: list[Frame] = []  # read, but not averaged yet

        def pictures() -> Iterator[tuple[NDArray[np.uint8], Chroma]]:
            for frame, planes in zip(frames, chroma, strict=False):
                waiting.append(frame)
                yield _eight_bits(frame.luma, source.bits), _chroma_of(planes, spec.bits)

        for steady in steady_chroma(pictures(), plan.starts, plan.radius, first):
            frame = waiting.pop(0)
            if frame.number < begin:
                continue
            luma = convert_luma(frame.luma, (source.bits, spec.bits), (source.full_range, spec.full_range))
            cb, cr = _codes(steady, spec.bits)
            yield frame, (luma, cb, cr)
        self.statistics = reader.statistics

    def _mux(self, segments: int) -> list[str]:
        """Mux the segments with the other streams, and give the output its name; returns warnings."""
        plan, path = self.plan, self.folder.path / f"muxed{self.plan.output.suffix}"
        report: Callable[[int], None] = lambda frame: self.meter.report("join", frame, self.frames)  # noqa: E731
        notes = mux_film(
            plan.info, plan.encoder, plan.streams, self.folder.path, segments, path, TimeRange(), report
        )  # fmt: skip
        for info in self.paths:
            if not info.stamp.fits(info.path):
                raise MediaError(f"{info.path} was replaced, changed or removed while it was read: start again.")
        place_output(path, plan.output, plan.settings.overwrite)
        return notes


def _eight_bits(luma: Plane, bits: int) -> NDArray[np.uint8]:
    return luma if bits == 8 else (luma >> (bits - 8)).astype(np.uint8)


def _chroma_of(planes: tuple[Plane, Plane], bits: int) -> Chroma:
    """Codes of Cb and Cr [h, w] to [h, w, 2] around 0."""
    return (np.dstack(planes).astype(np.float32) - 2 ** (bits - 1)) / np.float32(2**bits - 1)


def _codes(chroma: Chroma, bits: int) -> tuple[Plane, Plane]:
    """The inverse of `_chroma_of`, rounded."""
    codes = np.rint(chroma * (2**bits - 1) + 2 ** (bits - 1)).clip(0, 2**bits - 1)
    cb, cr = np.moveaxis(codes.astype(np.uint8 if bits == 8 else np.uint16), -1, 0)
    return np.ascontiguousarray(cb), np.ascontiguousarray(cr)
