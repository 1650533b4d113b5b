"""One frame of a film as a picture: an exemplar given as ``film.mp4@00:01:02.5``."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..timecode import Timecode
from ..wording import many
from .decode import decoded_frames
from .probe import VideoInfo, open_input, video_stream
from .rgb import RgbFilm

__all__ = ["frame_at"]

_SEEK_MARGIN = 10  # seconds before the wanted moment at which decoding begins


def frame_at(path: str | Path, moment: Timecode) -> NDArray[np.uint8]:
    """The frame that is on the screen at `moment`, [H,W,3] RGB, upright as players show it.

    Raises:
        MediaError: the film cannot be read, or ends before that moment.
    """
    film = RgbFilm(path)
    found = _seek(film.info, moment.seconds) if moment.seconds is not None else None
    if found is None:
        found = _count(film.info, moment)
    return film.shown(found)


def _seek(info: VideoInfo, wanted: Fraction) -> av.VideoFrame | None:
    """The frame shown `wanted` seconds after the first, by seeking; None where only counting helps."""
    if wanted <= _SEEK_MARGIN:
        return None
    shown = None
    for seconds, frame in _frames(info, wanted - _SEEK_MARGIN):
        if seconds > wanted:
            return shown
        shown = frame
    return None  # behind the end, or the seek went wrong: the slow way knows


def _count(info: VideoInfo, moment: Timecode) -> av.VideoFrame:
    """The frame at that moment, decoding from the beginning."""
    shown, last, number = None, Fraction(0), -1
    for number, (seconds, frame) in enumerate(_frames(info)):
        if moment.frame == number:
            return frame
        if moment.seconds is not None and seconds > moment.seconds:
            return shown or frame
        shown, last = frame, seconds
    if shown is not None and moment.seconds is not None and moment.seconds < last + 1 / info.rate:
        return shown  # while the last frame stands
    end = f"{float(last + 1 / info.rate):.2f} s, {many(number + 1, 'frame')}"
    raise MediaError(f"{info.path} has no frame at {moment}: it ends after {end}.")


def _frames(info: VideoInfo, near: Fraction | None = None) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """(seconds since the film's first frame, frame), from shortly before `near` on, or all."""
    with open_input(info.path) as container:
        stream = video_stream(container, info.path)
        if near is not None:
            try:
                container.seek(int((info.first_time + near) / info.time_base), stream=stream)
            except av.error.FFmpegError:
                return
        for number, frame in enumerate(decoded_frames(container, stream)):
            pts = info.instant(frame)
            if pts is not None:
                yield pts * info.time_base - info.first_time, frame
            elif near is None:
                yield number / info.rate, frame
