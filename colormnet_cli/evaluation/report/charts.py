"""Curves over time as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Curve", "chart"]

WIDTH, HEIGHT = 640, 210  # of the drawing, which the page scales
LEFT, RIGHT, TOP, BOTTOM = 68, 10, 12, 26  # margins
POINTS = 400  # a curve has no more; longer clips show the mean and the range of neighbouring frames

Scale = Callable[[float], float]  # a frame or a value → where it is drawn


@dataclass(frozen=True)
class Curve:
    label: str
    values: Sequence[float]  # one a frame; what is not finite leaves a gap
    style: str = "result"  # a class of the page's style sheet: "result" or "reference"


@dataclass(frozen=True)
class _Bucket:
    """Some neighbouring frames; a single one in short clips."""

    frame: int  # the first
    low: float
    mean: float
    high: float


def chart(title: str, curves: Sequence[Curve], digits: int) -> str:
    """One drawing with an axis, for people who see, and a title, for those who listen."""
    series = [_buckets(curve.values) for curve in curves]
    known = [value for buckets in series for b in buckets for value in (b.low, b.high)]
    if not known:
        return f'<p class="none">{escape(title)}: no frame has a value.</p>'
    ticks = _ticks(min(known), max(known))
    low, high = min(ticks[0], *known), max(ticks[-1], *known)
    frames = max(len(curve.values) for curve in curves)

    def x(frame: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * frame / max(frames - 1, 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [_axes(ticks, frames, x, y)]
    for curve, buckets in reversed(list(zip(curves, series, strict=True))):  # the first one on top
        parts += _drawn(curve.style, buckets, frames, x, y)
    name = escape(", ".join([title, *(curve.label for curve in curves[1:])]))
    data = " ".join(
        f'data-{curve.style}="{_data(buckets, digits)}"' for curve, buckets in zip(curves, series, strict=True)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name} over time" class="chart" {data} '
        f'data-frames="{frames}" data-left="{LEFT}" data-right="{WIDTH - RIGHT}">{"".join(parts)}'
        f'<line class="cross" y1="{TOP}" y2="{HEIGHT - BOTTOM}" x1="0" x2="0" visibility="hidden"/></svg>'
    )


def _buckets(values: Sequence[float]) -> list[_Bucket]:
    """Finite values in order, at most POINTS groups of them."""
    step = max(1, math.ceil(len(values) / POINTS))
    found = []
    for first in range(0, len(values), step):
        group = [v for v in values[first : first + step] if math.isfinite(v)]
        if group:
            found.append(_Bucket(first, min(group), math.fsum(group) / len(group), max(group)))
    return found


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that enclose the values."""
    span = (high - low) or abs(high) or 1.0
    raw = span / 4
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def _axes(ticks: list[float], frames: int, x: Scale, y: Scale) -> str:
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) + (
        1 if 2.4 < step / 10 ** math.floor(math.log10(step)) < 2.6 else 0
    )
    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y(t) + 4:.1f}" text-anchor="end">{t:.{decimals}f}</text>'
        for t in ticks
    ]
    marks = sorted({round((frames - 1) * share) for share in (0, 0.25, 0.5, 0.75, 1)})
    for i, frame in enumerate(marks):
        anchor = "start" if i == 0 else "end" if i == len(marks) - 1 else "middle"
        lines.append(f'<text class="tick" x="{x(frame):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{frame:,}</text>')
    return "".join(lines)


def _drawn(style: str, buckets: list[_Bucket], frames: int, x: Scale, y: Scale) -> list[str]:
    """The curve, broken where frames have no value, with its range behind it."""
    step = max(1, math.ceil(frames / POINTS))
    runs: list[list[_Bucket]] = []
    for bucket in buckets:
        if runs and bucket.frame - runs[-1][-1].frame == step:
            runs[-1].append(bucket)
        else:
            runs.append([bucket])
    parts = []
    for run in runs:
        if step > 1 and len(run) > 1:
            edge = [(b.frame, b.high) for b in run] + [(b.frame, b.low) for b in reversed(run)]
            parts.append(f'<polygon class="range {style}" points="{_points(edge, x, y)}"/>')
        if len(run) == 1:
            parts.append(f'<circle class="dot {style}" r="2" cx="{x(run[0].frame):.1f}" cy="{y(run[0].mean):.1f}"/>')
        else:
            line = [(b.frame, b.mean) for b in run]
            parts.append(f'<polyline class="line {style}" points="{_points(line, x, y)}"/>')
    return parts


def _points(pairs: list[tuple[int, float]], x: Scale, y: Scale) -> str:
    return " ".join(f"{x(frame):.1f},{y(value):.1f}" for frame, value in pairs)


def _data(buckets: list[_Bucket], digits: int) -> str:
    """frame:mean, for the pointer."""
    return " ".join(f"{b.frame}:{b.mean:.{digits}f}" for b in buckets)
