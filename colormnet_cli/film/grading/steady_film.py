"""A colored film without its flicker: steady chroma, and all else from the black-and-white original."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import numpy as np

from ...errors import MediaError, UsageError
from ...settings import ColorizeSettings, ProgressCallback
from ...shots.find import find_shots
from ...shots.folder import read_plan
from ...video.probe import VideoInfo, probe
from ...video.reader import Reader
from ...video.rgb import RgbFilm
from ...wording import many
from ..plan import losses, planned_output
from ..receipt import Receipt
from ..same_film import MIN_CORRELATION, correlation
from .chroma_run import ChromaPlan, ChromaRun
from .chroma_source import ColoredFilm, SteadyChroma
from .color_file import refuse_color_file
from .steadier import check_side

__all__ = ["plan_steady", "steady_film"]

_CHECK_EVERY = 10  # frames


def plan_steady(
    source: str | Path,
    colored: str | Path,
    output: str | Path,
    *,
    plan: str | Path | None = None,
    radius: int = 3,
    settings: ColorizeSettings | None = None,
    progress: ProgressCallback | None = None,
) -> ChromaPlan:
    """Check both films, and find the shots. Nothing is written.

    Args:
        source: the black-and-white film, whose luma and other streams are kept; the colored film itself is possible.
        colored: the same film in color, made by any program: the same size and number of frames.
        plan: a folder made by `colormnet shots`, which says where shots begin; None: they are found.
        radius: of the average, in frames; each frame is averaged with `radius` frames before and after it.
        settings: how the film is written; those of the network and of a part of the film are not used.

    Raises MediaError, OutputError or UsageError.
    """
    settings, source, output = settings or ColorizeSettings(), Path(source), Path(output)
    if any(settings.timecodes):
        raise UsageError("The whole film is made steady: leave `start`, `end` and `duration` out.")
    if radius < 1:
        raise UsageError(f"`radius` is {radius}: give at least 1.")
    info, film = probe(source), RgbFilm(colored)
    refuse_color_file(colored)
    _check_sizes(info, film.info)
    shots = None if plan is None else [row.shot for row in read_plan(plan, source).shots]
    encoder, streams, notes = planned_output(info, output, [source, film.info.path], settings)
    frames = _check_same_film(info, film.info)
    found = find_shots(source, progress).shots if shots is None else shots
    starts = tuple(shot.start_frame for shot in found)
    color = SteadyChroma(ColoredFilm(film), info.layout.bits, starts, radius)
    warnings = (*notes, *losses(info))
    # PyTorch has little to do here: its threads would mostly wait for each other
    return ChromaPlan(info, color, output, encoder, streams, settings, frames, warnings, threads=1)


def _check_sizes(one: VideoInfo, other: VideoInfo) -> None:
    if (one.width, one.height, one.orientation) != (other.width, other.height, other.orientation):
        sizes = [
            f"{info.path} is {info.width}×{info.height}" + (", stored rotated" if info.display_matrix else "")
            for info in (one, other)
        ]
        raise MediaError(f"{sizes[0]}, {sizes[1]}: give two films of the same size and orientation.")
    check_side(one)


def _check_same_film(one: VideoInfo, other: VideoInfo) -> int:
    """The number of frames of both. Raises MediaError where it or the luma differs."""
    counts, likeness = [0, 0], list[float]()
    colored = Reader(other)
    for number, pair in enumerate(zip_longest(Reader(one).frames(), colored.frames())):
        for i, frame in enumerate(pair):
            counts[i] += frame is not None
        if number % _CHECK_EVERY == 0 and None not in pair:
            found = correlation(pair[0].luma, pair[1].luma)
            likeness += [] if found is None else [found]
    if lost := colored.statistics.undecodable:
        raise MediaError(
            f"{other.path}: {many(lost, 'packet')} cannot be decoded, so its frame numbers are "
            "not reliable: give an intact file."
        )
    if counts[0] != counts[1]:
        raise MediaError(
            f"{one.path} has {many(counts[0], 'frame')}, {other.path} has {counts[1]:,}: give the colored film of the "
            "same length."
        )
    if not counts[0]:
        raise MediaError(f"{one.path} has no frame that can be decoded.")
    if likeness and np.median(likeness) < MIN_CORRELATION:
        raise MediaError(
            f"{other.path} does not show the same film as {one.path} (their luma correlates by "
            f"{np.median(likeness):.2f}): give the colored version of that film."
        )
    return counts[0]


def steady_film(plan: ChromaPlan, progress: ProgressCallback | None = None) -> Receipt:
    """Write what `plan_steady` has planned. The same call resumes an interrupted run.

    Raises MediaError, OutputError, UsageError or Interrupted.
    """
    return ChromaRun(plan, progress).run()
