"""The frames of a film as 8-bit RGB, one at a time: what evaluation and comparison look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import MediaError
from ..wording import many
from .counts import Counts
from .decode import decoded_frames
from .pixel_formats import Plane, samples_of
from .probe import VideoInfo, open_input, probe, video_stream

__all__ = ["RgbFilm", "planes_of"]

# swscale: bilinear, chroma at every pixel, rounded properly, the same on every machine
_SCALER = 2 | 0x2000 | 0x40000 | 0x80000
_SWS_MATRIX = {"bt709": 1, "bt601": 5, "bt2020": 9}
_LIMITED, _FULL = 1, 2


class RgbFilm:
    """A film's frames in the order they are shown, each [H, W, 3] uint8; iterating decodes it anew.

    Raises MediaError where it cannot be read. A packet that cannot be decoded is an error too, at the end: a frame is
    missing then, and all behind it would be compared with the wrong one.
    """

    def __init__(self, path: str | Path) -> None:
        self.info: VideoInfo = probe(path)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        counts = Counts()
        with open_input(self.info.path) as container:
            for frame in decoded_frames(container, video_stream(container, self.info.path), counts):
                yield self.rgb(frame)
        if counts.undecodable:
            raise MediaError(
                f"{self.info.path}: {many(counts.undecodable, 'packet')} cannot be decoded, so its frames cannot be "
                "told apart by number: give an intact file."
            )

    def rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """A decoded frame of this film → RGB [H, W, 3], by the film's matrix and range."""
        rgb = frame.reformat(
            format="rgb24",
            src_colorspace=_SWS_MATRIX[self.info.matrix],
            src_color_range=_FULL if self.info.full_range else _LIMITED,
            dst_color_range=_FULL,
            interpolation=_SCALER,
        )
        return rgb.to_ndarray().astype(np.uint8, copy=False)

    def shown(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """The same, upright as players show it."""
        stored = torch.from_numpy(self.rgb(frame)).movedim(-1, 0)  # [3, H, W]
        upright: NDArray[np.uint8] = self.info.turn.upright(stored).movedim(0, -1).contiguous().numpy()
        return upright


def planes_of(rgb: NDArray[np.uint8], pix_fmt: str, matrix: str, full_range: bool) -> tuple[Plane, Plane, Plane]:
    """RGB [H, W, 3] → the planes (Y′, Cb, Cr) of a planar YUV format, for an encoder."""
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
