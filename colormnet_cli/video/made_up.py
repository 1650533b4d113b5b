"""Films that nobody shot, for measuring."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from .pixel_formats import build_frame

__all__ = ["write_gray_film"]

_RATE = 24  # frames a second


def write_gray_film(path: Path, lumas: Iterable[NDArray[np.uint8]], size: tuple[int, int]) -> None:
    """H.264, 8 bit, 4:2:0, at video levels; lumas [H, W], `size` (H, W) even."""
    gray = np.full((size[0] // 2, size[1] // 2), 128, np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=_RATE, options={"preset": "fast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        for number, luma in enumerate(lumas):
            frame = build_frame("yuv420p", (luma, gray, gray))
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
