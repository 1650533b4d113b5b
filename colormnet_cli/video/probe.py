"""Probes a film: format and timing of its video stream, color tags, and its other streams."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from ..color.orientation import Orientation
from ..errors import MediaError
from ..files import FileStamp, not_found
from .decode import decoded_frames
from .pixel_formats import PixelLayout, pixel_layout

__all__ = ["StreamInfo", "VideoInfo", "is_cover", "open_input", "probe", "seek", "video_stream"]

_MATRICES = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020", 10: "bt2020"}
_LIMITED_GRAY = ("h264", "hevc", "av1", "libdav1d", "vvc", "vp9")  # gray of these has limited range unless tagged
_MAX_UNTIMED = 250  # frames without a timestamp at the start, before the first one with a timestamp
_HDR = {16: "PQ (HDR10)", 18: "HLG"}


@dataclass(frozen=True)
class StreamInfo:
    """One stream of the file."""

    index: int
    kind: str  # "video", "audio", "subtitle", "attachment", "data"
    codec: str
    language: str | None
    title: str | None
    attached_picture: bool = False


@dataclass(frozen=True)
class VideoInfo:
    """A film, as its container and its first frame describe it."""

    path: Path
    stamp: FileStamp = field(repr=False)
    container: str
    index: int  # of the video stream that is colored
    codec: str
    width: int
    height: int
    pix_fmt: str
    layout: PixelLayout
    full_range: bool
    matrix: str  # "bt601", "bt709" or "bt2020"
    range_tag: int  # this and the next three as FFmpeg numbers them; 0 (range) or 2 is "unspecified"
    matrix_tag: int
    primaries_tag: int
    transfer_tag: int
    sample_aspect_ratio: Fraction | None
    display_matrix: tuple[int, ...] | None
    field_order: int
    rate: Fraction
    constant_rate: bool  # False where the header does not say whether all frames come at that rate
    time_base: Fraction
    dts_only: bool  # the container stores no presentation timestamps
    first_pts: int
    duration: float | None  # seconds
    frames: int | None  # exact where the container has the number, else an estimate
    packets: int | None  # of this stream, where a Matroska file says so
    has_index: bool  # the container lists every packet
    end: Fraction | None  # seconds: when the last frame ends, where the container says so for this stream
    interlaced: bool
    chapters: int
    streams: tuple[StreamInfo, ...]

    @property
    def first_time(self) -> Fraction:
        """Seconds."""
        return self.first_pts * self.time_base

    @property
    def orientation(self) -> Orientation:
        """What players do with its pictures before they show them."""
        return Orientation.of(self.display_matrix)

    @property
    def upright_size(self) -> tuple[int, int]:
        """H, W of the frames as they are shown."""
        return (self.width, self.height) if self.orientation.transposed else (self.height, self.width)

    def timestamp(self, frame: av.VideoFrame) -> int | None:
        """When a frame is shown, in `time_base`; None where the film does not say."""
        return _timestamp(frame, self.dts_only)

    @property
    def frame_duration(self) -> int:
        """At the film's nominal rate, in `time_base`; at least 1."""
        return max(1, round(1 / self.rate / self.time_base))


@contextmanager
def open_input(path: str | Path) -> Iterator[InputContainer]:
    """Open a file for demuxing. Raises MediaError where that fails."""
    path = Path(path)
    if not path.exists():
        raise MediaError(not_found(path))
    if path.is_dir():
        raise MediaError(f"{path} is a folder: give a video file; `colormnet frames` colors folders of images.")
    if not path.is_file():  # reading a pipe would wait for it
        raise MediaError(f"{path} is not a regular file: save the video to a file first.")
    try:
        container = av.open(str(path.resolve()), "r", metadata_errors="replace")
    except PermissionError as error:
        if os.access(path, os.R_OK):  # FFmpeg's own: a playlist
            raise MediaError(f"{path} refers to other files, which is not supported: join them first.") from error
        raise MediaError(f"{path} cannot be read: check its permissions.") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        size = os.path.getsize(path)
        why = "it is empty" if size == 0 else "FFmpeg does not know its format, or its header is damaged"
        raise MediaError(f"{path} cannot be opened: {why}.") from error
    with container:
        yield container


def video_stream(container: InputContainer, path: Path) -> Any:
    """The first video stream that is not a cover picture."""
    for stream in container.streams.video:
        if not is_cover(stream):
            if stream.codec_context is None:
                raise MediaError(f"{path}: this FFmpeg has no decoder for its video stream.")
            return stream
    kinds = sorted({"a cover picture" if stream.type == "video" else stream.type for stream in container.streams})
    raise MediaError(f"{path} has no video stream{', only ' + ' and '.join(kinds) if kinds else ''}.")


def seek(container: InputContainer, stream: Any, seconds: Fraction) -> bool:
    """Go to a keyframe at or before this time; False where that fails."""
    try:
        container.seek(int(seconds / stream.time_base), stream=stream)
    except (av.error.FFmpegError, OverflowError):
        return False
    return True


def probe(path: str | Path) -> VideoInfo:
    """Read a film's header and decode its first frame.

    Raises MediaError: it cannot be read or decoded, or is HDR video.
    """
    path = Path(path)
    with open_input(path) as container:
        stream = video_stream(container, path)
        frames = decoded_frames(container, stream)
        frame = next(frames, None)
        if frame is None:
            raise MediaError(f"{path}: none of its frames can be decoded.")
        info = _describe(path, container, stream, frame)
        if info.timestamp(frame) is not None:
            return info
        # A raw stream has no timestamps at all; a broadcast recording may begin with frames that have none.
        timestamps = map(info.timestamp, islice(frames, _MAX_UNTIMED))
        first = next((t - n * info.frame_duration for n, t in enumerate(timestamps, 1) if t is not None), 0)
        return replace(info, first_pts=first)


def _describe(path: Path, container: InputContainer, stream: Any, frame: av.VideoFrame) -> VideoInfo:
    context = stream.codec_context
    transfer = int(frame.color_trc or context.color_trc)
    if transfer in _HDR:
        raise MediaError(f"{path} is {_HDR[transfer]} video, which is not supported: convert it to SDR (BT.709) first.")
    try:
        layout = pixel_layout(frame.format.name)
    except (ValueError, KeyError) as error:
        raise MediaError(f"{path}: pixel format {frame.format.name} is not supported.") from error
    if stream.metadata.get("alpha_mode") == "1":  # of VP8 and VP9, beside the frames that are decoded
        layout = replace(layout, alpha=True)
    matrix_tag = _tag(context.colorspace, frame.colorspace)
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    rate = Fraction(rate) if rate and Fraction(1, 1000) <= rate <= 1000 else Fraction(25)
    dts_only = container.format.name == "avi"  # FFmpeg guesses a PTS for these, wrongly with B-frames
    pts = _timestamp(frame, dts_only) or 0
    if stream.time_base > 1000:
        raise MediaError(f"{path} has frames of {float(stream.time_base):g} seconds: correct its frame rate first.")
    duration = _duration(container, stream, float(pts * stream.time_base))
    counted = stream.frames or None
    sar = stream.sample_aspect_ratio
    return VideoInfo(
        path=path,
        stamp=FileStamp.of(path),
        container=container.format.name,
        index=stream.index,
        codec=context.name,
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        layout=layout,
        full_range=_is_full_range(frame, context, layout),
        matrix=_MATRICES.get(matrix_tag, "bt709" if frame.height >= 720 else "bt601"),
        range_tag=_tag(context.color_range, frame.color_range, nothing=0),
        matrix_tag=matrix_tag,
        primaries_tag=_tag(context.color_primaries, frame.color_primaries),
        transfer_tag=_tag(context.color_trc, frame.color_trc),
        sample_aspect_ratio=Fraction(sar) if sar else None,
        display_matrix=_display_matrix(frame),
        field_order=int(getattr(context, "field_order", 0)),
        rate=rate,
        # The average rate is that of all frames, the base rate that of the first ones. Only MP4 has the former exactly.
        constant_rate="mp4" in container.format.name and stream.average_rate == stream.base_rate == rate,
        time_base=Fraction(stream.time_base),
        dts_only=dts_only,
        first_pts=pts,
        duration=duration,
        frames=counted or (max(1, round(duration * rate)) if duration else None),
        packets=_packets(container, stream),
        has_index="mp4" in container.format.name,
        end=_end(container, stream, pts),
        interlaced=frame.interlaced_frame,
        chapters=len(container.chapters()),
        streams=tuple(_stream_info(s) for s in container.streams),
    )


def _timestamp(frame: av.VideoFrame, dts_only: bool) -> int | None:
    first, second = (frame.dts, frame.pts) if dts_only else (frame.pts, frame.dts)
    return second if first is None else first


def _tag(*values: int, nothing: int = 2) -> int:
    """The first value that is neither unspecified (2 for most tags) nor 0; else `nothing`."""
    return next((int(v) for v in values if int(v) not in (nothing, 0)), nothing)


def _is_full_range(frame: av.VideoFrame, context: Any, layout: PixelLayout) -> bool:
    if layout.kind == "rgb" or frame.format.name.startswith("yuvj"):
        return True
    tag = int(frame.color_range) or int(context.color_range)
    if tag:
        return tag == 2
    return layout.kind == "gray" and context.name not in _LIMITED_GRAY


def _display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """Rotation and mirroring, nine numbers, as stored in the container."""
    try:
        side_data: Any = frame.side_data
        data = side_data["DISPLAYMATRIX"]
    except KeyError:
        return None
    return struct.unpack("=9i", bytes(data)[:36])


def _duration(container: InputContainer, stream: Any, first: float) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if container.duration:
        seconds = container.duration / 1_000_000
        return seconds - first if seconds > first else seconds  # Matroska stores the end's timestamp
    return None


def _end(container: InputContainer, stream: Any, first: int) -> Fraction | None:
    tag = next((v for k, v in stream.metadata.items() if k.upper().startswith("DURATION")), None)
    if tag is not None and (clock := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", tag)):  # Matroska: the end's timestamp
        return int(clock[1]) * 3600 + int(clock[2]) * 60 + Fraction(clock[3])
    if container.format.name == "avi" and stream.duration:
        return Fraction((first + stream.duration) * stream.time_base)
    return None


def _packets(container: InputContainer, stream: Any) -> int | None:
    count = next((v for k, v in stream.metadata.items() if k.upper().startswith("NUMBER_OF_FRAMES")), "")
    # FFmpeg copies this tag of mkvmerge's to other files, of which it is no longer true.
    stale = container.metadata.get("ENCODER", "Lavf").startswith("Lavf")
    return int(count) if count.isdecimal() and not stale else None


def _stream_info(stream: Any) -> StreamInfo:
    context = stream.codec_context
    name = context.name if context is not None else (getattr(stream, "name", None) or "unknown")
    language, title = stream.metadata.get("language"), stream.metadata.get("title")
    return StreamInfo(stream.index, stream.type, name, language, title, is_cover(stream))


def is_cover(stream: Any) -> bool:
    """Whether a video stream is a picture, as of a cover."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)
