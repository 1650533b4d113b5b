"""The shots of a film: one pass over its frames, in a stream."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import MediaError
from ..settings import Progress, ProgressCallback
from .detect import Boundary, detect
from .looks import Look, look_at
from .samples import Samples
from .shot import Shot, Transition
from .source import GrayFrame, Source, open_source

__all__ = ["FilmShots", "FilmTimes", "find_shots", "read_shots"]


@dataclass(frozen=True)
class FilmTimes:
    """When the frames of a film are shown, whether at a constant rate or not."""

    source: Source
    pts: array[int]
    duration: int  # of the last frame, in the time base

    @property
    def frames(self) -> int:
        return len(self.pts)

    def seconds(self, frame: int) -> float:
        """Since the first frame; of the number of frames itself, the film's end."""
        if not 0 <= frame <= self.frames:
            raise ValueError(f"frame {frame} of a film of {self.frames} frames")
        pts = self.pts[frame] if frame < self.frames else self.pts[-1] + self.duration
        return float((pts - self.pts[0]) * self.source.time_base)


@dataclass(frozen=True)
class FilmShots:
    """What one pass over a film gives."""

    times: FilmTimes
    shots: tuple[Shot, ...]
    stills: tuple[int, ...]  # of each shot, the frame that shows it best


def find_shots(film: str | Path, progress: ProgressCallback | None = None) -> FilmShots:
    """Find all shots of a film, and the most telling frame of each.

    Raises:
        MediaError: it cannot be read.
    """
    film_pass = _Pass(film, progress)
    rate = float(film_pass.source.rate)
    boundaries = [Boundary(0, Transition("start"))]
    stills: list[int] = []
    for boundary in detect(film_pass.looks(), rate):
        stills.append(film_pass.samples.best(*_clear(boundaries[-1], boundary)))
        film_pass.samples.forget(boundary.frame)
        boundaries.append(boundary)
    times = film_pass.times()
    stills.append(film_pass.samples.best(*_clear(boundaries[-1], Boundary(times.frames, Transition("cut")))))
    shots = _shots_between(boundaries, times)
    return FilmShots(times, tuple(shots), tuple(stills))


def read_shots(film: str | Path, boundaries: Sequence[Boundary], progress: ProgressCallback | None = None) -> FilmShots:
    """The same for boundaries that are known, the first of them at frame 0.

    Raises:
        MediaError: the film cannot be read, or ends before a shot begins.
    """
    film_pass = _Pass(film, progress)
    for _ in film_pass.looks():
        pass
    times = film_pass.times()
    if boundaries[-1].frame >= times.frames:
        raise MediaError(
            f"{film} has {times.frames:,} frames, but a shot begins at frame {boundaries[-1].frame:,}: the list "
            "belongs to another film, or to another version of it."
        )
    ends = [*boundaries[1:], Boundary(times.frames, Transition("cut"))]
    stills = [film_pass.samples.best(*_clear(one, other)) for one, other in zip(boundaries, ends, strict=True)]
    return FilmShots(times, tuple(_shots_between(boundaries, times)), tuple(stills))


def _shots_between(boundaries: Sequence[Boundary], times: FilmTimes) -> Iterator[Shot]:
    """Shots that fill the film, each from its boundary to the next."""
    ends = [boundary.frame for boundary in boundaries[1:]] + [times.frames]
    for boundary, end in zip(boundaries, ends, strict=True):
        yield Shot(boundary.frame, end, times.seconds(boundary.frame), times.seconds(end), boundary.transition)


def _clear(one: Boundary, other: Boundary) -> tuple[int, int, int, int]:
    """A shot [first, last), and the part of it that is in no transition."""
    first = one.frame if one.transition.last is None else one.transition.last
    last = other.frame if other.transition.first is None else other.transition.first
    return one.frame, other.frame, first, last


class _Pass:
    """One pass over the frames of a film, which notes their timestamps and samples."""

    def __init__(self, film: str | Path, progress: ProgressCallback | None) -> None:
        self.source = open_source(Path(film))
        self.samples = Samples()
        self._pts = array("q")
        self._duration = 0
        self._progress = progress or (lambda _: None)
        self._began = time.monotonic()

    def looks(self) -> Iterator[Look]:
        for frame in self.source.frames():
            look = look_at(frame.luma, self.source.bits)
            self._note(frame)
            self.samples.add(frame.number, look)
            yield look
        if not self._pts:
            raise MediaError(f"{self.source.path} has no frame that can be decoded.")

    def times(self) -> FilmTimes:
        return FilmTimes(self.source, self._pts, self._duration)

    def _note(self, frame: GrayFrame) -> None:
        self._pts.append(frame.pts)
        self._duration = frame.duration
        done, total, elapsed = frame.number + 1, self.source.count, time.monotonic() - self._began
        if done % 10 == 0 or done == total:
            fps = done / elapsed if elapsed > 0.5 else 0.0
            left = max(0, total - done) / fps if total and fps else None
            self._progress(Progress("shots", done, total, fps, elapsed, left, None))
