"""The results as one HTML page that needs nothing else: no network, no files beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from ..timecode import format_time
from ..wording import many
from .clip_metrics import ClipMetrics
from .evaluate import Evaluation
from .html_page import html_page, write_page
from .tables import METRICS, Table, clip_table, overall_table, published_table, shot_table
from .verdict import verdict
from .worst_frames import ERROR_MAP_MAXIMUM, SPACING, error_colors, views

__all__ = ["render", "write_report"]

CHARTS = (
    "psnr", "ssim", "ciede2000", "ab_psnr", "lpips", "color_warp_error", "warp_error", "warp_error_long",
    "colourfulness",
)  # fmt: skip
OPEN = 3  # clips whose charts are shown at once; the others unfold
POINTS = 400  # parts of a long clip; of each a chart shows the lowest and the highest value
TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)  # seconds between ticks


def write_report(found: Evaluation, path: str | Path, *, with_published: bool = False) -> None:
    """Write the page, whole or not at all. Raises OutputError if it cannot be written."""
    write_page(path, render(found, with_published=with_published))


def render(found: Evaluation, *, with_published: bool = False) -> str:
    """The page as text."""
    title = escape(f"{_name(found.result)} against {_name(found.reference)}")
    count = many(found.frames, "frame") + (f" in {len(found.clips)} clips" if len(found.clips) > 1 else "")
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    settings = ", ".join(f"{name} {value}" for name, value in found.settings.items() if value is not None)
    js = files(__package__).joinpath("report.js").read_text(encoding="utf-8")
    return html_page(
        title,
        f"""<p class="soft">{count} · result: {escape(found.result)} · reference: {escape(found.reference)}</p>
<ul class="verdict">{"".join(f"<li>{escape(sentence)}</li>" for sentence in verdict(found))}</ul>
{"".join(f'<p class="note">{escape(text)}</p>' for text in found.warnings)}
{_table(overall_table(found))}
{_table(clip_table(found))}
{_table(shot_table(found)) if found.shots else ""}
{_table(published_table(found)) if with_published else ""}
<h2>Over time</h2>
{"".join(_clip(clip, is_open=i < OPEN) for i, clip in enumerate(found.clips))}
{_worst(found)}
<footer>
<p>Measured on {escape(found.device)} in {found.seconds:.1f} s. {escape(versions)}. Settings: {escape(settings)}.</p>
<p>The time of a frame is its number divided by the frame rate of its clip; the first frame is number 0.</p>
</footer>""",
        js,
    )


def _name(path: str) -> str:
    return Path(path).name or path


def _table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        kinds = ("left" if i in table.left else "right" for i in range(len(cells)))
        return "<tr>" + "".join(f'<{tag} class="{k}">{escape(c)}</{tag}>' for k, c in zip(kinds, cells, strict=True))

    body = "\n".join(row(cells, "td") for cells in table.rows)
    return (
        f'<h2>{table.title}</h2>\n<div class="scroll"><table><thead>{row(table.heads, "th")}</thead>\n'
        f'<tbody>{body}</tbody></table></div>\n<p class="soft">{escape(table.note)}</p>'
    )


def _clip(clip: ClipMetrics, is_open: bool) -> str:
    charts = "\n".join(_chart(clip, key) for key in CHARTS if key in clip.columns)
    opened = " open" if is_open else ""
    return f'<details{opened}><summary>{escape(clip.name)}</summary>\n<div class="charts">{charts}</div></details>\n'


def _chart(clip: ClipMetrics, key: str) -> str:
    """A chart of one metric of result and reference over time.

    The SVG's coordinates are the data: x is a frame number, y a value (upside down, as SVG counts). The page stretches
    it to the size of its place; ticks are text on top of it, placed in percent.
    """
    metric = METRICS[key]
    names = [name for name in (f"{key}_reference", key) if name in clip.columns]
    lines = [(name.removeprefix(key)[1:] or "result", line) for name in names for line in _lines(clip.columns[name])]
    values = [value for _, line in lines for _, value in line]
    if not values:
        return f"<figure><figcaption><b>{metric.title}</b></figcaption><p>No frame has a value.</p></figure>"
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    low, high, last = low - margin, high + margin, max(clip.frames - 1, 1)
    grid, labels = [], []
    for tick, text in _ticks(low, high):
        grid.append(f'<line x1="0" x2="{last}" y1="{-tick:.7g}" y2="{-tick:.7g}"/>')
        labels.append(f'<span class="y" style="top:{100 * (high - tick) / (high - low):.2f}%">{text}</span>')
    for frame, text in _frame_ticks(last, clip.rate):
        labels.append(f'<span class="x" style="left:{100 * frame / last:.2f}%">{text}</span>')
    curves = [
        f'<polyline class="{name}" points="{" ".join(f"{frame},{-value:.7g}" for frame, value in line)}"/>'
        for name, line in lines
    ]
    better = f"{metric.better} is better" if metric.better else metric.about
    legend = '<i></i>result <i class="reference"></i>reference' if len(names) > 1 else ""
    axis = "frame" if clip.rate is None else "time (h:mm:ss)"
    return (
        f'<figure><figcaption><b>{metric.title}</b> <span class="soft">{better}</span> {legend}</figcaption>'
        f'<div class="plot" data-rate="{clip.rate or ""}" data-digits="{metric.digits}">'
        f'<svg role="img" aria-label="{metric.title} over time" preserveAspectRatio="none" '
        f'viewBox="0 {-high:.7g} {last} {high - low:.7g}">{"".join(grid + curves)}</svg>{"".join(labels)}</div>'
        f'<div class="soft axis">{axis}<output></output></div></figure>'
    )


def _lines(values: Sequence[float]) -> Iterator[list[tuple[int, float]]]:
    """A column as lines of (frame, value), broken where values are not finite.

    Of a long clip they keep the lowest and the highest value of every POINTS-th part, so that no peak is lost.
    """
    line: list[tuple[int, float]] = []
    step = math.ceil(len(values) / POINTS)
    for first in range(0, len(values), step):
        known = [(v, n) for n, v in enumerate(values[first : first + step], first) if math.isfinite(v)]
        line += sorted({pair[::-1] for pair in (min(known), max(known))} if known else ())
        if line and (not known or first + step >= len(values)):
            yield line if len(line) > 1 else line * 2  # a point is drawn as a line of no length
            line = []


def _ticks(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Two to five round numbers from `low` to `high`."""
    unit = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(m * unit for m in (1, 2, 5, 10) if (high - low) / (m * unit) < 5)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    for i in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield i * step, f"{i * step:.{decimals}f}"


def _frame_ticks(last: int, rate: float | None) -> Iterator[tuple[float, str]]:
    """Frame numbers from 0 to `last` and their labels: round times, or round numbers where there is no frame rate."""
    if rate is None:
        yield from ((tick, f"{tick:.0f}") for tick, _ in _ticks(0, last) if tick.is_integer())
        return
    step = next((s for s in TIME_STEPS if last / rate / s < 6), TIME_STEPS[-1])
    for i in range(math.floor(last / rate / step) + 1):
        yield i * step * rate, format_time(i * step, digits=1 if step < 1 else 0)


def _worst(found: Evaluation) -> str:
    if not found.worst:
        return ""
    by = METRICS[found.worst_by]
    blocks = []
    for worst in found.worst:
        clip = next(clip for clip in found.clips if clip.name == worst.clip)
        where = escape(f"{worst.clip}, {clip.time_of(worst.frame)}")
        pictures = "".join(
            f'<figure><img src="{uri}" alt="{name}, {where}" loading="lazy"><figcaption>{name}</figcaption></figure>'
            for name, uri in views(worst)
        )
        rank = f"rank {found.rank(worst):,} of {many(found.frames, 'frame')}"
        blocks.append(f'<h3>{where}: {by.label} {by.text(worst.value)}, {rank}</h3><div class="views">{pictures}</div>')
    scale = f"background:linear-gradient(90deg,{','.join(error_colors())})"
    return f"""<h2>Worst frames by {by.label}</h2>
<p class="soft">The worst frame first, then the worst of those at least {SPACING} frames away from it, and so on. Error
maps: CIEDE2000 from 0 <span class="scale" style="{scale}"></span> to {ERROR_MAP_MAXIMUM:.0f} and more.</p>
{"".join(blocks)}"""
