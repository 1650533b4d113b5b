"""Frames of a film as gray pictures, for people to color."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..media.image_file import write_png
from ..settings import Progress, ProgressCallback
from .source import Source

__all__ = ["write_stills"]


def write_stills(source: Source, stills: Mapping[Path, int], progress: ProgressCallback | None = None) -> None:
    """Write frames as PNG: [H, W, 3] of 8 bits, full range, R = G = B, upright, one pixel for each of the film's.

    Args:
        source: the film.
        stills: the number of each file's frame.
        progress: called now and then.

    Raises:
        OutputError: a file cannot be written.
    """
    wanted: dict[int, list[Path]] = {}
    for path, number in stills.items():
        wanted.setdefault(number, []).append(path)
    last, began = max(wanted, default=-1), time.monotonic()
    if last < 0:
        return
    for frame in source.frames():
        for path in wanted.get(frame.number, ()):
            write_png(path, np.repeat(source.picture(frame)[..., None], 3, axis=2))
        if progress is not None and frame.number % 10 == 0:
            done, elapsed = frame.number + 1, time.monotonic() - began
            fps = done / elapsed if elapsed > 0.5 else 0.0
            left = (last + 1 - done) / fps if fps else None
            progress(Progress("stills", done, last + 1, fps, elapsed, left, None))
        if frame.number >= last:
            return
