"""Which part of a film's other streams belongs to the part that is colored."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ..settings import RangeSettings
from ..video.probe import VideoInfo
from ..video.segments import read_segment, segment_path
from ..video.stream_packets import TimeRange

__all__ = ["stream_window"]


def stream_window(info: VideoInfo, settings: RangeSettings, folder: Path, segments: int) -> TimeRange:
    """The times that the colored frames cover, by the segments of a folder; with a `start` the output begins at 0."""
    begin = end = None
    start, *ends = settings.timecodes
    if start is not None:
        begin = read_segment(segment_path(folder, 0)).pts[0] * info.time_base
    if any(ends):
        end = read_segment(segment_path(folder, segments - 1)).end(info.frame_duration) * info.time_base
    return TimeRange(begin, end, -begin if begin is not None else Fraction(0))
