"""Muxes the finished film: the encoded segments, and the other streams, chapters and tags of the source."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from fractions import Fraction
from itertools import chain, pairwise
from math import lcm
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from ..errors import OutputError
from ..files import sync_file, sync_folder
from ..wording import many
from .demux import first_packets
from .encode import EncoderSpec, gray_frame, open_encoder
from .matroska import reserve_shape, write_shape
from .metadata import SOURCE_ONLY_TAGS, copy_metadata
from .priority import kept_priority
from .probe import VideoInfo, open_input
from .segments import Segment, check_segments, read_packets, read_segment, segment_path
from .stream_packets import CopiedStream, TimeRange, mux_copied, other_packets
from .stream_plan import StreamPlan, add_streams

__all__ = ["add_rest", "merged", "mux_film", "open_output", "try_mux", "writes_rotation"]

_FILE_TAGS = ("major_brand", "minor_version", "compatible_brands", *SOURCE_ONLY_TAGS)


def writes_rotation() -> bool:
    """Whether this PyAV can write a display matrix; it can from version 18 on."""
    return hasattr(av.video.stream.VideoStream, "set_display_matrix")


def try_mux(info: VideoInfo, spec: EncoderSpec, plans: tuple[StreamPlan, ...]) -> list[str]:
    """Mux the first packets of the finished film to memory, and read it.

    Returns warnings about tags that are lost. Raises OutputError where the container refuses the packets.
    """
    ending = {"matroska": ".mkv"}.get(spec.container, f".{spec.container}")
    trial = io.BytesIO()
    try:
        with open_input(info.path) as source, open_output(trial, info, spec) as output:
            video, copies = _add_streams(output, source, info, spec, plans, TimeRange())
            tags = list(output.metadata)
            with kept_priority():
                output.start_encoding()
            for number, packet in enumerate([*video.encode(gray_frame(spec)), *video.encode(None)]):
                packet.pts = packet.dts = number  # x265 gives a random DTS to a film of one frame
                output.mux(packet)
            for packet in first_packets(source):
                if packet.stream.index in copies:
                    for _, copied in copies[packet.stream.index].packets(packet):
                        mux_copied(output, copied)
    except (av.error.FFmpegError, ValueError) as error:
        other = ".mov" if ending == ".mkv" else ".mkv"
        raise OutputError(
            f"{ending} does not take {spec.encoder} video ({spec.pix_fmt}): choose another codec, or {other}."
        ) from error
    trial.seek(0)
    lost = []
    with suppress(av.error.FFmpegError), av.open(trial, metadata_errors="replace") as result:
        kept = {tag.lower() for tag in result.metadata}
        lost = [tag for tag in tags if tag.lower() not in kept]
    return [f"{ending} does not store the film's tags {', '.join(lost)}."] if lost else []


def mux_film(
    info: VideoInfo,
    spec: EncoderSpec,
    plans: tuple[StreamPlan, ...],
    folder: Path,
    count: int,
    path: Path,
    part: TimeRange,
    progress: Callable[[int], None],
    tags: Mapping[str, str] = {},
) -> list[str]:
    """Write segments 0 … `count` − 1 of `folder`, and the source's other streams, to `path`; fsync it.

    Args:
        part: what of the other streams belongs to the film.
        progress: called with the number of video packets written so far.
        tags: of the file, besides those of the source.

    Returns:
        Warnings: one for each stream with damaged packets, and one where timestamps had to be rounded.
    """
    muxer = _Muxer(info, spec, folder, count, part, progress, tags)
    warnings = muxer.write(path, plans)
    if spec.container in ("matroska", "webm") and not muxer.summary.whole_milliseconds:
        warnings.append(f"{path.suffix} stores timestamps in milliseconds: frames moved by up to half a millisecond.")
    sync_file(path)
    sync_folder(path.parent)
    return warnings


class _Muxer:
    """Writes the output from the segments in a folder."""

    def __init__(
        self,
        info: VideoInfo,
        spec: EncoderSpec,
        folder: Path,
        count: int,
        part: TimeRange,
        progress: Callable[[int], None],
        tags: Mapping[str, str],
    ) -> None:
        self.info, self.spec, self.folder, self.count, self.part = info, spec, folder, count, part
        self.progress, self.tags = progress, tags
        self.summary = check_segments(folder, count, info.time_base)

    def write(self, path: Path, plans: tuple[StreamPlan, ...]) -> list[str]:
        """Write `path` with these of the source's other streams; returns warnings.

        Where that fails, it is written with the audio alone. Raises OutputError where that fails too.
        """
        try:
            copies = self._write(path, plans)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):  # the disk, not the muxer
                raise
            audio = tuple(plan for plan in plans if plan.stream.kind == "audio")
            if audio == plans:
                silent = all(plan.action == "drop" for plan in audio)
                how = "" if silent else "run the same command without audio to write them, or "
                raise OutputError(
                    f"{path.suffix} cannot be written{'' if silent else ' with the audio'} ({error.strerror}). "
                    f"The colored frames are kept: {how}choose another container."
                ) from error
            others = ", ".join(plan.name for plan in plans if plan not in audio)
            note = f"{others}: left out, since {path.suffix} cannot be written with it ({error.strerror})."
            return [*self.write(path, audio), note]
        names = {plan.stream.index: plan.name for plan in plans}
        return [
            f"{names[index]}: repaired or left out {many(copy.damaged, 'damaged packet')}."
            for index, copy in copies.items()
            if copy.damaged
        ]

    def _write(self, path: Path, plans: tuple[StreamPlan, ...]) -> dict[int, CopiedStream]:
        with open_input(self.info.path) as source, open_output(path, self.info, self.spec) as output:
            video, copies = _add_streams(output, source, self.info, self.spec, plans, self.part)
            output.metadata.update(self.tags)
            with kept_priority():
                output.start_encoding()
            if (video.codec_context.extradata or b"") != self.summary.extradata:
                raise OutputError(
                    f"{self.folder} was written by another version of {self.spec.encoder}: run again without resuming."
                )
            by_output = {copy.added.index: copy for copy in copies.values()}
            done = 0
            others = other_packets(source, copies, self.part.end, source.streams[self.info.index])
            for packet in merged(self._video_packets(video), others):
                if packet.stream_index == video.index:
                    done += 1
                    self.progress(done)
                    output.mux(packet)
                else:
                    by_output[packet.stream_index].damaged += not mux_copied(output, packet)
        return copies

    def _video_packets(self, stream: Any) -> Iterator[tuple[Fraction, Any]]:
        """The encoded packets, each with its decoding time in seconds.

        The PTS are the source frames' timestamps; the DTS of packet i is the timestamp of frame i − delay.
        """
        unit, step = self.info.time_base, self.info.frame_duration
        move = round(self.part.shift / unit)
        recent: deque[int] = deque(maxlen=self.summary.delay + 1)  # timestamps of the last frames, in order
        before = self.summary.delay  # packets left whose DTS lies before the first timestamp
        segments = (read_segment(segment_path(self.folder, number)) for number in range(self.count))
        pairs: Iterator[tuple[Any, Segment | None]] = pairwise(chain(segments, [None]))
        for number, (segment, following) in enumerate(pairs):
            ends = [*segment.pts[1:], following.pts[0] if following is not None else segment.end(step)]
            data = read_packets(segment_path(self.folder, number), segment)
            for place, (record, content) in enumerate(zip(segment.packets, data, strict=True)):
                recent.append(segment.pts[place])
                packet: Any = av.Packet(content)
                packet.stream, packet.time_base = stream, unit
                packet.pts = segment.pts[record.frame] + move
                packet.dts = (recent[0] if not before else recent[0] - before * step) + move
                packet.duration = ends[record.frame] - segment.pts[record.frame]
                packet.is_keyframe = record.key
                before = max(0, before - 1)
                yield packet.dts * unit, packet


@contextmanager
def open_output(target: Path | io.BytesIO, info: VideoInfo, spec: EncoderSpec) -> Iterator[OutputContainer]:
    """A file to write, with the settings that keep a film's timestamps; complete when this ends without an error."""
    # µs. Packets come in order: the muxer need not wait for a stream that has none for long.
    options = {"max_interleave_delta": "1000000"}
    if spec.container in ("mp4", "mov"):
        # A stream's late start is stored in the movie's time scale: one in which every stream's start is exact.
        scale = lcm(info.time_base.denominator, 1000)
        options["movie_timescale"] = str(scale if scale < 2**31 else info.time_base.denominator)
    else:
        # Audio may start a little before the film (encoder delay); the film is not to be moved for that.
        options["avoid_negative_ts"] = "disabled"
    file: Any = target if isinstance(target, io.BytesIO) else str(target.resolve())
    output = av.open(file, "w", format=spec.container, container_options=options)
    try:
        yield output
    except BaseException:
        with suppress(av.error.FFmpegError, OSError, ValueError):  # the first error is the one to report
            output.close()
        raise
    output.close()
    if _writes_shape(spec):
        with nullcontext(target) if isinstance(target, io.BytesIO) else target.open("r+b") as header:
            try:
                header.seek(0)
                write_shape(header, spec.width, spec.height, spec.sample_aspect_ratio or Fraction(1))
            except ValueError as error:
                shape = f"the shape of the film's pixels ({spec.sample_aspect_ratio})"
                raise OutputError(f"{spec.container} cannot store {shape}, {error}: choose .mp4 or .mov.") from error


def _writes_shape(spec: EncoderSpec) -> bool:
    """Whether the shape of the pixels has to be written with `write_shape`; others have it from PyAV."""
    return spec.container in ("matroska", "webm") and spec.sample_aspect_ratio not in (None, 1)


def _add_streams(
    output: OutputContainer,
    source: InputContainer,
    info: VideoInfo,
    spec: EncoderSpec,
    plans: tuple[StreamPlan, ...],
    part: TimeRange,
) -> tuple[Any, dict[int, CopiedStream]]:
    """Set up the output's streams, chapters and tags: the video stream, and the copied ones by source index."""
    video: Any = output.add_stream(spec.encoder, rate=spec.rate)
    open_encoder(spec, video)
    if info.display_matrix is not None and writes_rotation():  # else the film's plan has a warning
        video.set_display_matrix(info.display_matrix)
    return video, add_rest(output, source, video, info, spec, plans, part)


def add_rest(
    output: OutputContainer,
    source: InputContainer,
    video: Any,
    info: VideoInfo,
    spec: EncoderSpec,
    plans: tuple[StreamPlan, ...],
    part: TimeRange,
) -> dict[int, CopiedStream]:
    """Describe the video stream, and add the other streams, chapters and tags; returns the streams by source index."""
    video.time_base = info.time_base
    copy_metadata(video, source.streams[info.index], spec.container)
    if _writes_shape(spec):
        reserve_shape(video)
    copies = add_streams(output, source, info.path, plans, part)
    output.metadata.update({k: v for k, v in source.metadata.items() if not k.lower().startswith(_FILE_TAGS)})
    chapters = _chapters(source, part)
    if chapters:
        output.set_chapters(chapters)
    return copies


def _chapters(source: InputContainer, part: TimeRange) -> list[Any]:
    """The chapters within the part, cut to it."""
    kept = []
    for chapter in source.chapters():
        unit = chapter["time_base"]
        if unit is None:
            continue
        begin, end = chapter["start"] * unit, chapter["end"] * unit
        if (part.begin is not None and end <= part.begin) or (part.end is not None and begin >= part.end):
            continue
        begin, end = max(begin, part.begin or begin), min(end, part.end or end)
        kept.append({**chapter, "start": round((begin + part.shift) / unit), "end": round((end + part.shift) / unit)})
    return kept


def merged(encoded: Iterator[tuple[Fraction, Any]], others: Iterator[tuple[Fraction, Any]]) -> Iterator[Any]:
    """Both in the order of their decoding times."""
    waiting = next(encoded, None)
    for seconds, packet in others:
        while waiting is not None and waiting[0] <= seconds:
            yield waiting[1]
            waiting = next(encoded, None)
        yield packet
    if waiting is not None:
        yield waiting[1]
    yield from (packet for _, packet in encoded)
