"""Muxes the finished film: the encoded segments, and the other streams, chapters and tags of the source."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
from .encode import EncoderSpec, open_encoder
from .metadata import SOURCE_ONLY_TAGS, copy_metadata
from .probe import VideoInfo, open_input
from .segments import Segment, SegmentsSummary, check_segments, read_packets, read_segment, segment_path
from .stream_packets import CopiedStream, TimeRange, other_packets
from .stream_plan import StreamPlan, add_streams

__all__ = ["check_header", "mux_film", "writes_rotation"]

_FILE_TAGS = ("major_brand", "minor_version", "compatible_brands", *SOURCE_ONLY_TAGS)


def writes_rotation() -> bool:
    """Whether this PyAV can write a display matrix; it can from version 18 on."""
    return hasattr(av.video.stream.VideoStream, "set_display_matrix")


def check_header(info: VideoInfo, spec: EncoderSpec, plans: tuple[StreamPlan, ...]) -> None:
    """Write the finished film's header to memory. Raises OutputError where the container refuses it."""
    try:
        with open_input(info.path) as source, _open_output(io.BytesIO(), info, spec) as output:
            _add_streams(output, source, info, spec, plans, TimeRange())
            output.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        ending = {"matroska": ".mkv"}.get(spec.container, f".{spec.container}")
        raise OutputError(
            f"{ending} does not take {spec.encoder} video ({spec.pix_fmt}): choose another codec, or .mkv."
        ) from error


def mux_film(
    info: VideoInfo,
    spec: EncoderSpec,
    plans: tuple[StreamPlan, ...],
    folder: Path,
    count: int,
    path: Path,
    part: TimeRange,
    progress: Callable[[int], None],
) -> list[str]:
    """Write segments 0 … `count` − 1 of `folder`, and the source's other streams, to `path`; fsync it.

    Args:
        part: what of the other streams belongs to the film.
        progress: called with the number of video packets written so far.

    Returns:
        Warnings: one for each stream with damaged packets, and one where timestamps had to be rounded.
    """
    summary = check_segments(folder, count, info.time_base)
    with open_input(info.path) as source, _open_output(path, info, spec) as output:
        video, copies = _add_streams(output, source, info, spec, plans, part)
        output.start_encoding()
        if (video.codec_context.extradata or b"") != summary.extradata:
            raise OutputError(
                f"{folder} was written by another version of {spec.encoder}: start again (`resume=False`)."
            )
        by_output = {copy.added.index: copy for copy in copies.values()}
        encoded = _video_packets(info, folder, count, summary, video, part.shift)
        done = 0
        for packet in _merged(encoded, other_packets(source, copies, part.end)):
            if packet.stream_index == video.index:
                done += 1
                progress(done)
                output.mux(packet)
            else:
                by_output[packet.stream_index].damaged += not _mux_copied(output, packet)
        names = {plan.stream.index: plan.name for plan in plans}
        warnings = [
            f"{names[index]}: repaired or left out {many(copy.damaged, 'damaged packet')}."
            for index, copy in copies.items()
            if copy.damaged
        ]
    if spec.container in ("matroska", "webm") and not summary.whole_milliseconds:
        warnings.append(f"{path.suffix} stores timestamps in milliseconds: frames moved by up to half a millisecond.")
    sync_file(path)
    sync_folder(path.parent)
    return warnings


def _mux_copied(output: OutputContainer, packet: Any) -> bool:
    """Write a packet of the source; False where the muxer refuses it because it is damaged."""
    try:
        output.mux(packet)
    except (av.error.InvalidDataError, av.error.ArgumentError):
        return False
    return True


@contextmanager
def _open_output(target: Path | io.BytesIO, info: VideoInfo, spec: EncoderSpec) -> Iterator[OutputContainer]:
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
    video.time_base = info.time_base
    copy_metadata(video, source.streams[info.index], spec.container)
    if info.display_matrix is not None and writes_rotation():  # else the film's plan has a warning
        video.set_display_matrix(info.display_matrix)
    copies = add_streams(output, source, info.path, plans, part)
    output.metadata.update({k: v for k, v in source.metadata.items() if not k.lower().startswith(_FILE_TAGS)})
    chapters = _chapters(source, part)
    if chapters:
        output.set_chapters(chapters)
    return video, copies


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


def _video_packets(
    info: VideoInfo, folder: Path, count: int, summary: SegmentsSummary, stream: Any, shift: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    """The encoded packets, each with its decoding time in seconds.

    The PTS are the source frames' timestamps; packet i has the timestamp of frame i − `summary.delay` as its DTS.
    """
    unit, step = info.time_base, info.frame_duration
    move = round(shift / unit)
    recent: deque[int] = deque(maxlen=summary.delay + 1)  # timestamps of the last frames, in order
    before = summary.delay  # packets left whose DTS lies before the first timestamp
    segments = (read_segment(segment_path(folder, number)) for number in range(count))
    pairs: Iterator[tuple[Any, Segment | None]] = pairwise(chain(segments, [None]))
    for number, (segment, following) in enumerate(pairs):
        ends = [*segment.pts[1:], following.pts[0] if following is not None else segment.end(step)]
        data = read_packets(segment_path(folder, number), segment)
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


def _merged(encoded: Iterator[tuple[Fraction, Any]], others: Iterator[tuple[Fraction, Any]]) -> Iterator[Any]:
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
