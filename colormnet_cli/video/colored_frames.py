"""The frames of a passage of a colored film, as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import MediaError
from .decode import decoded_frames
from .encode import EncoderSpec
from .packet_table import PacketTable
from .pixel_formats import Plane, luma_plane, pixel_layout
from .probe import VideoInfo, open_input, seek, video_stream
from .rgb import chroma_of

__all__ = ["ColoredFrame", "colored_frames"]


@dataclass(frozen=True)
class ColoredFrame:
    """Its planes, at the depth, range and subsampling of an encoder."""

    luma: Plane
    cb: Plane
    cr: Plane


def colored_frames(
    info: VideoInfo, table: PacketTable, spec: EncoderSpec, begin: int, end: int
) -> Iterator[ColoredFrame]:
    """The frames [begin, end) for an encoder of the film's own format; `begin` is a cut of the table.

    Raises MediaError where one cannot be decoded.
    """
    expected = iter(range(begin, end))
    with open_input(info.path) as container:
        stream = video_stream(container, info.path)
        if begin:
            seek(container, stream, table.frames[begin] * info.time_base)
        for frame in decoded_frames(container, stream):
            if frame.pts is not None and frame.pts < table.frames[begin]:
                continue
            number = next(expected, None)
            if number is None:
                return
            if frame.pts != table.frames[number]:
                raise _undecodable(info, number)
            cb, cr = chroma_of(frame, info, spec.pix_fmt, spec.matrix, spec.full_range)
            yield ColoredFrame(luma_plane(frame, pixel_layout(frame.format.name), info.matrix), cb, cr)
    if (number := next(expected, None)) is not None:
        raise _undecodable(info, number)


def _undecodable(info: VideoInfo, number: int) -> MediaError:
    return MediaError(f"{info.path}: frame {number} cannot be decoded: color the whole film again.")
