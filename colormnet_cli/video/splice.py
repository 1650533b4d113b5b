"""Replaces a passage of a finished film: every packet outside it is copied as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..files import sync_file, sync_folder
from .decode import DecodeStatistics, decoded_frames
from .demux import demuxed
from .encode import EncoderSpec
from .mux import add_rest, merged, open_output
from .packet_table import PacketTable, reorder_delay
from .probe import VideoInfo, open_input, seek, video_stream
from .stream_packets import TimeRange, mux_copied, other_packets
from .stream_plan import StreamPlan

__all__ = ["Splice", "check_plays", "splice_film"]


@dataclass(frozen=True)
class Splice:
    """A film, and the passage of it that is replaced."""

    info: VideoInfo  # of the film
    table: PacketTable
    streams: tuple[StreamPlan, ...]  # the film's other streams
    encoder: EncoderSpec  # of the passage
    extradata: bytes | None  # of the film with the passage
    begin: int  # packets and frames from here …
    end: int  # … to here are replaced; both are cuts of the table


def splice_film(splice: Splice, passage: Path, path: Path, progress: Callable[[int], None]) -> list[str]:
    """Write the film with another passage to `path`, and fsync it.

    Args:
        passage: a file of the same container with the new packets.
        progress: called with the number of video packets written so far.

    Returns:
        Warnings: one for each other stream with damaged packets.

    Raises OutputError: the passage does not fit in.
    """
    info, part = splice.info, TimeRange()
    spec = replace(splice.encoder, sample_aspect_ratio=info.sample_aspect_ratio)
    with open_input(info.path) as source, open_output(path, info, spec) as output:
        original: Any = source.streams[info.index]
        video: Any = output.add_stream_from_template(original, opaque=True)
        context = video.codec_context
        context.framerate = info.rate
        if info.sample_aspect_ratio is not None:
            context.sample_aspect_ratio = info.sample_aspect_ratio
        if spec.container in ("mp4", "mov"):
            context.codec_tag = original.codec_context.codec_tag
        if splice.extradata is not None:
            context.extradata = splice.extradata
        copies = add_rest(output, source, video, info, spec, splice.streams, part)
        output.start_encoding()
        by_output = {copy.added.index: copy for copy in copies.values()}
        done = 0
        for packet in merged(_video_packets(splice, passage, video), other_packets(source, copies, None, original)):
            if packet.stream_index == video.index:
                done += 1
                progress(done)
                output.mux(packet)
            else:
                by_output[packet.stream_index].damaged += not mux_copied(output, packet)
    sync_file(path)
    sync_folder(path.parent)
    names = {plan.stream.index: plan.name for plan in splice.streams}
    return [
        f"{names[index]} has damaged packets: repaired or left out." for index, copy in copies.items() if copy.damaged
    ]


def check_plays(splice: Splice, path: Path) -> None:
    """Decode the passage of the finished film, and what is before and after it up to the next keyframes.

    Raises OutputError: not every frame comes out.
    """
    info, table = splice.info, splice.table
    first = max((cut for cut in table.cuts if cut < splice.begin), default=0)
    last = min((cut for cut in table.cuts if cut > splice.end), default=len(table.pts))
    expected, found = table.frames[first:last], []
    statistics = DecodeStatistics()
    with open_input(path) as container:
        stream = video_stream(container, path)
        if first and not seek(container, stream, expected[0] * info.time_base):
            raise OutputError(f"{path} has no index: {info.path} was left as it was.")
        for frame in decoded_frames(container, stream, statistics):
            pts = frame.pts
            if pts is not None and expected[0] <= pts <= expected[-1]:
                found.append(pts)
                statistics.damaged += bool(frame.is_corrupt)
            if pts is not None and pts >= expected[-1]:
                break
    if tuple(found) != expected or statistics.undecodable or statistics.damaged:
        raise OutputError(
            f"A passage encoded by {splice.encoder.encoder} does not play within {info.path}, which was left as it "
            "was: color the whole film again."
        )


def _video_packets(splice: Splice, passage: Path, stream: Any) -> Iterator[tuple[Fraction, Any]]:
    """The film's packets with those of the passage, each with its decoding time in seconds."""
    info, table, begin, end = splice.info, splice.table, splice.begin, splice.end
    pts = [*table.pts[:begin], *_timestamps(splice, passage), *table.pts[end:]]
    dts = decoding_times(table, pts, begin, end)
    with open_input(passage) as made, open_input(info.path) as film:
        fresh = _packets(made, made.streams.video[0])
        for number, copied in enumerate(_packets(film, film.streams[info.index])):
            packet = next(fresh) if begin <= number < end else copied
            packet.stream, packet.time_base = stream, info.time_base
            packet.pts, packet.dts, packet.duration = pts[number], dts[number], table.durations[number]
            yield dts[number] * info.time_base, packet


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    return (packet for packet in demuxed(container, [stream]) if packet.size)


def _timestamps(splice: Splice, passage: Path) -> list[int]:
    """PTS of the passage's packets, in decoding order: its frames get those of the film's."""
    with open_input(passage) as made:
        order = [packet.pts for packet in _packets(made, made.streams.video[0])]
    ranks = {pts: rank for rank, pts in enumerate(sorted(order))}
    if len(ranks) != splice.end - splice.begin:
        raise OutputError(f"{splice.encoder.encoder} made {len(ranks)} packets of {splice.end - splice.begin} frames.")
    return [splice.table.frames[splice.begin + ranks[pts]] for pts in order]


def decoding_times(table: PacketTable, pts: Sequence[int], begin: int, end: int) -> list[int]:
    """DTS for packets with these PTS, of which those from `begin` to `end` are new: the others keep theirs.

    Raises OutputError: the new ones have to be decoded before there is room for them.
    """
    dts = [at for at in table.dts if at is not None]
    if len(dts) < len(pts):  # Matroska stores none: that of packet i is the timestamp of frame i − delay
        delay, frames = reorder_delay(pts), table.frames
        step = frames[1] - frames[0] if len(frames) > 1 else 1
        return [frames[i - delay] if i >= delay else frames[0] - (delay - i) * step for i in range(len(pts))]
    latest = None  # for the packet before
    for number in reversed(range(begin, end)):
        at = min(dts[number], pts[number])
        dts[number] = at if latest is None else min(at, latest)
        latest = dts[number] - 1
    first = dts[begin - 1] + 1 if begin else table.dts[0] or 0
    if begin < end and dts[begin] < first:
        raise OutputError(
            "The encoder reorders the frames of the passage further than those of the film: encode it without B-frames "
            "(`encoder_options` bf=0)."
        )
    return dts
