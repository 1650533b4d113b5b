"""The finished film out of its segments, with everything of the source but the picture."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
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
from .segments import Segment, read_packets, read_segment, segment_path
from .stream_packets import TimeRange, other_packets
from .stream_plan import StreamPlan, add_streams

__all__ = ["check_header", "check_segments", "mux_film", "writes_rotation"]

_FILE_TAGS = ("major_brand", "minor_version", "compatible_brands", *SOURCE_ONLY_TAGS)


def writes_rotation() -> bool:
    """Whether this PyAV can write how a film is to be turned; older ones cannot."""
    return hasattr(av.video.stream.VideoStream, "set_display_matrix")


def check_header(info: VideoInfo, spec: EncoderSpec, plans: tuple[StreamPlan, ...]) -> None:
    """Make a header as the finished film's will be, in memory: does the container take all this?"""
    try:
        with open_input(info.path) as source, _created(io.BytesIO(), info, spec) as output:
            _set_up(output, source, info, spec, plans, TimeRange())
            output.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        ending = {"matroska": ".mkv"}.get(spec.container, f".{spec.container}")
        raise OutputError(
            f"{ending} does not take {spec.encoder} video ({spec.pix_fmt}): choose another --codec, or .mkv."
        ) from error


def mux_film(
    info: VideoInfo,
    spec: EncoderSpec,
    plans: tuple[StreamPlan, ...],
    folder: Path,
    segments: int,
    path: Path,
    window: TimeRange,
    progress: Callable[[int], None],
) -> list[str]:
    """Write segments 0 … `segments` − 1 of `folder`, and the source's other streams, to `path`; fsync it.

    Returns:
        What was out of the ordinary: a sentence for each stream with damaged packets.
    """
    delay, extradata, whole_ms = check_segments(folder, segments, info.time_base)
    with open_input(info.path) as source, _created(path, info, spec) as output:
        video, tracks = _set_up(output, source, info, spec, plans, window)
        output.start_encoding()
        if (video.codec_context.extradata or b"") != extradata:
            raise OutputError(
                f"{folder} was written by another version of {spec.encoder}: run once more with --no-resume."
            )
        film = _video_packets(info, folder, segments, delay, video, window.shift)
        damaged = dict.fromkeys(tracks, 0)
        done = 0
        for packet in _merged(film, other_packets(source, tracks, window.end)):
            if packet.stream_index == video.index:
                done += 1
                progress(done)
                output.mux(packet)
            elif not _mux_other(output, packet):
                damaged[next(i for i, t in tracks.items() if t.added.index == packet.stream_index)] += 1
        names = {plan.stream.index: plan.name for plan in plans}
        total = {i: n + tracks[i].damaged for i, n in damaged.items()}
        notes = [f"{names[i]}: mended or left out {many(n, 'damaged packet')}." for i, n in total.items() if n]
    if spec.container in ("matroska", "webm") and not whole_ms:
        notes.append(f"{path.suffix} keeps times to the millisecond: frames moved by up to half of one.")
    sync_file(path)
    sync_folder(path.parent)
    return notes


def _mux_other(output: OutputContainer, packet: Any) -> bool:
    """Write a copied packet; False where the muxer refuses it, which a damaged one deserves."""
    try:
        output.mux(packet)
    except (av.error.InvalidDataError, av.error.ArgumentError):
        return False
    return True


@contextmanager
def _created(target: Path | io.BytesIO, info: VideoInfo, spec: EncoderSpec) -> Iterator[OutputContainer]:
    options = {"max_interleave_delta": "1000000"}  # µs; packets come in order, a silent stream holds nothing up
    if spec.container in ("mp4", "mov"):
        # A late start is written in the movie's clock: one in which every stream's first instant is exact.
        clock = lcm(info.time_base.denominator, 1000)
        options["movie_timescale"] = str(clock if clock < 2**31 else info.time_base.denominator)
    else:
        # Audio may begin a little before the film (the encoder's run-up); the film is not to move for that.
        options["avoid_negative_ts"] = "disabled"
    file: Any = target if isinstance(target, io.BytesIO) else str(target.resolve())
    output = av.open(file, "w", format=spec.container, container_options=options)
    try:
        yield output
    except BaseException:
        with suppress(av.error.FFmpegError, OSError, ValueError):  # the first error is the one to tell
            output.close()
        raise
    output.close()


def _set_up(
    output: OutputContainer,
    source: InputContainer,
    info: VideoInfo,
    spec: EncoderSpec,
    plans: tuple[StreamPlan, ...],
    window: TimeRange,
) -> tuple[Any, dict[int, Any]]:
    """All streams, chapters and tags of the output."""
    original = source.streams[info.index]
    video: Any = output.add_stream(spec.encoder, rate=spec.rate)
    open_encoder(spec, video)
    video.time_base = info.time_base
    copy_metadata(video, original, spec.container)
    if info.display_matrix is not None and writes_rotation():  # if not, the plan says so
        video.set_display_matrix(info.display_matrix)
    tracks = add_streams(output, source, info.path, plans, window)
    output.metadata.update({k: v for k, v in source.metadata.items() if not k.lower().startswith(_FILE_TAGS)})
    chapters = _chapters(source, window)
    if chapters:
        output.set_chapters(chapters)
    return video, tracks


def _chapters(source: InputContainer, window: TimeRange) -> list[Any]:
    kept = []
    for chapter in source.chapters():
        unit = chapter["time_base"]
        if unit is None:
            continue
        begin, end = chapter["start"] * unit, chapter["end"] * unit
        if (window.begin is not None and end <= window.begin) or (window.end is not None and begin >= window.end):
            continue
        begin, end = max(begin, window.begin or begin), min(end, window.end or end)
        shift = window.shift
        kept.append({**chapter, "start": round((begin + shift) / unit), "end": round((end + shift) / unit)})
    return kept


def check_segments(folder: Path, segments: int, unit: Fraction) -> tuple[int, bytes, bool]:
    """The longest delay of all segments, their common extradata, and whether every instant is a whole millisecond."""
    delay, extradata, whole = 0, None, True
    for number in range(segments):
        try:
            segment = read_segment(segment_path(folder, number))
        except (OSError, ValueError) as error:
            raise OutputError(f"{segment_path(folder, number)} is damaged: run once more with --no-resume.") from error
        delay = max(delay, segment.delay)
        if extradata is not None and segment.extradata != extradata:
            raise OutputError(f"The segments in {folder} do not belong together: run once more with --no-resume.")
        extradata = segment.extradata
        whole = whole and all(pts * unit.numerator * 1000 % unit.denominator == 0 for pts in segment.pts)
    return delay, extradata or b"", whole


def _video_packets(
    info: VideoInfo, folder: Path, segments: int, delay: int, stream: Any, shift: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    """Packets with their frames' instants; decoding times are the instants in order, `delay` packets earlier."""
    unit = info.time_base
    step = info.frame_duration
    move = round(shift / unit)
    recent: deque[int] = deque(maxlen=delay + 1)  # instants of the last frames, in order
    before = delay  # packets whose decoding time lies before the first instant
    following = (read_segment(segment_path(folder, n)) for n in range(1, segments))
    for number, (segment, after) in enumerate(_with_next(folder, segments, following)):
        ends = [*segment.pts[1:], after if after is not None else segment.end(step)]
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


def _with_next(folder: Path, segments: int, following: Iterator[Segment]) -> Iterator[tuple[Segment, int | None]]:
    """Each segment's index with the first instant of the next."""
    last = read_segment(segment_path(folder, 0)) if segments else None
    for segment in following:
        if last is not None:
            yield last, segment.pts[0]
        last = segment
    if last is not None:
        yield last, None


def _merged(film: Iterator[tuple[Fraction, Any]], others: Iterator[tuple[Fraction, Any]]) -> Iterator[Any]:
    """Both in the order of their decoding times."""
    waiting = next(film, None)
    for instant, packet in others:
        while waiting is not None and waiting[0] <= instant:
            yield waiting[1]
            waiting = next(film, None)
        yield packet
    if waiting is not None:
        yield waiting[1]
    yield from (packet for _, packet in film)
