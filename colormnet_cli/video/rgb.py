"""The frames of a film as 8-bit RGB: for evaluation, comparison, training, and exemplars taken from a film."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import MediaError
from ..timecode import Timecode
from ..wording import many
from .decode import DecodeStatistics, decoded_frames
from .pixel_formats import Plane, samples_of
from .probe import VideoInfo, open_input, probe, seek, video_stream
from .reader import plausible_frames

__all__ = ["RgbFilm", "chroma_of", "frame_at", "rgb_to_planes"]

# swscale: bilinear, full chroma interpolation and input, accurate rounding, bit-exact on every machine
_SCALER = 2 | 0x2000 | 0x40000 | 0x80000
_SWS_MATRIX = {"bt709": 1, "bt601": 5, "bt2020": 9}
_LIMITED, _FULL = 1, 2
_SEEK_MARGIN = 10  # seconds before the wanted position at which decoding begins


class RgbFilm:
    """A film's frames in the order they are shown, each [H, W, 3] uint8; every iteration decodes it again.

    Raises MediaError where it cannot be read. So does a packet that cannot be decoded, at the end of the iteration: a
    frame is missing then, and all frames after it would be compared with the wrong ones.
    """

    def __init__(self, path: str | Path) -> None:
        self.info: VideoInfo = probe(path)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return map(self.rgb, self._decoded())

    def chroma(self, pix_fmt: str, matrix: str, full_range: bool) -> Iterator[tuple[Plane, Plane]]:
        """Cb and Cr of each frame in a planar YUV format; as they are stored where the film has that format already."""
        for frame in self._decoded():
            yield chroma_of(frame, self.info, pix_fmt, matrix, full_range)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        statistics = DecodeStatistics()
        with open_input(self.info.path) as container:
            yield from decoded_frames(container, video_stream(container, self.info.path), statistics)
        if statistics.undecodable:
            raise MediaError(
                f"{self.info.path}: {many(statistics.undecodable, 'packet')} cannot be decoded, so its frame numbers "
                "are not reliable: give an intact file."
            )

    def rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """A decoded frame of this film as RGB [H, W, 3], by the film's matrix and range."""
        rgb = frame.reformat(
            format="rgb24",
            src_colorspace=_SWS_MATRIX[self.info.matrix],
            src_color_range=_FULL if self.info.full_range else _LIMITED,
            dst_color_range=_FULL,
            interpolation=_SCALER,
        )
        return rgb.to_ndarray().astype(np.uint8, copy=False)

    def upright(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """The same, rotated and mirrored as players show it."""
        stored = torch.from_numpy(self.rgb(frame)).movedim(-1, 0)  # [3, H, W]
        upright: NDArray[np.uint8] = self.info.orientation.upright(stored).movedim(0, -1).contiguous().numpy()
        return upright


def chroma_of(
    frame: av.VideoFrame, info: VideoInfo, pix_fmt: str, matrix: str, full_range: bool
) -> tuple[Plane, Plane]:
    """Cb and Cr of a decoded frame of a film in a planar YUV format; as they are stored where the film has that."""
    if (info.matrix, info.full_range) != (matrix, full_range) or frame.format.name != pix_fmt:
        frame = frame.reformat(
            format=pix_fmt,
            src_colorspace=_SWS_MATRIX[info.matrix],
            dst_colorspace=_SWS_MATRIX[matrix],
            src_color_range=_FULL if info.full_range else _LIMITED,
            dst_color_range=_FULL if full_range else _LIMITED,
            interpolation=_SCALER,
        )
    bits = frame.format.components[0].bits
    return samples_of(frame, 1, bits).copy(), samples_of(frame, 2, bits).copy()


def rgb_to_planes(rgb: NDArray[np.uint8], pix_fmt: str, matrix: str, full_range: bool) -> tuple[Plane, Plane, Plane]:
    """RGB [H, W, 3] to the planes (Y′, Cb, Cr) of a planar YUV format, for an encoder."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(
        format=pix_fmt,
        dst_colorspace=_SWS_MATRIX[matrix],
        src_color_range=_FULL,
        dst_color_range=_FULL if full_range else _LIMITED,
        interpolation=_SCALER,
    )
    bits = frame.format.components[0].bits
    y, cb, cr = (samples_of(frame, index, bits).copy() for index in range(3))
    return y, cb, cr


def frame_at(path: str | Path, time: Timecode) -> NDArray[np.uint8]:
    """The frame that is on screen at `time`, RGB [H, W, 3], upright.

    Raises MediaError: the film cannot be read, or ends before that time.
    """
    film = RgbFilm(path)
    found = _seek(film.info, time.seconds) if time.seconds is not None else None
    if found is None:
        found = _count(film.info, time)
    return film.upright(found)


def _seek(info: VideoInfo, wanted: Fraction) -> av.VideoFrame | None:
    """The frame shown `wanted` seconds after the first, by seeking; None where that does not find it."""
    if wanted <= _SEEK_MARGIN:
        return None
    shown = None
    for seconds, frame in _frames(info, wanted - _SEEK_MARGIN):
        if seconds > wanted:
            return shown
        shown = frame
    return None  # after the end, or the seek went wrong: decoding from the start will tell


def _count(info: VideoInfo, time: Timecode) -> av.VideoFrame:
    """The frame at that time, by decoding from the start."""
    shown, last, number = None, Fraction(0), -1
    for number, (seconds, frame) in enumerate(_frames(info)):
        if time.frame == number:
            return frame
        if time.seconds is not None and seconds > time.seconds:
            return shown or frame
        shown, last = frame, seconds
    if shown is not None and time.seconds is not None and time.seconds < last + 1 / info.rate:
        return shown  # the last frame, within its duration
    end = f"{float(last + 1 / info.rate):.2f} s, {many(number + 1, 'frame')}"
    raise MediaError(f"{info.path} has no frame at {time}: it ends after {end}.")


def _frames(info: VideoInfo, near: Fraction | None = None) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """(seconds since the film's first frame, frame) of all frames, or of those from about `near` seconds on."""
    with open_input(info.path) as container:
        stream = video_stream(container, info.path)
        if near is not None and not seek(container, stream, info.first_time + near):
            return
        for number, frame in enumerate(plausible_frames(decoded_frames(container, stream), info)):
            pts = info.timestamp(frame)
            if pts is not None:
                yield pts * info.time_base - info.first_time, frame
            elif near is None:
                yield number / info.rate, frame
