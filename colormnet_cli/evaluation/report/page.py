"""The page: figures, tables, curves, worst frames. Everything it shows is inside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path

from ...errors import OutputError
from ...files import write_whole
from ...wording import many
from ..clip_metrics import ClipMetrics
from ..evaluate import Evaluation
from ..tables import DIGITS, METRICS, NOTE, PUBLISHED, Metric, figure_text
from .charts import Curve, chart
from .pictures import TOP_OF_SCALE, scale_colors, views

__all__ = ["render", "write_report"]

CURVES = (  # measure, and the one that belongs into the same drawing
    ("psnr", None),
    ("ssim", None),
    ("ciede2000", None),
    ("ab_psnr", None),
    ("lpips", None),
    ("warp_error", "warp_error_reference"),
    ("colourfulness", "colourfulness_reference"),
)
OPEN = 3  # clips whose curves are shown at once; the others open when asked


def write_report(evaluation: Evaluation, path: str | Path, *, with_published: bool = False) -> None:
    """Write the page, whole or not at all. Raises OutputError where it cannot be written."""
    try:
        write_whole(Path(path), render(evaluation, with_published=with_published).encode())
    except OSError as error:
        raise OutputError(f"The report {path} cannot be written ({error.strerror or error}).") from error


def render(evaluation: Evaluation, *, with_published: bool = False) -> str:
    """The page as text."""
    asset = files(__package__)
    css, js = (asset.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    title = f"{_name(evaluation.result)} against {_name(evaluation.reference)}"
    sections = [
        _head(evaluation, title),
        _table(evaluation),
        _published(evaluation) if with_published else "",
        _curves(evaluation),
        _worst(evaluation),
        _footer(evaluation),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n'
        "<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n</main>\n<script>\n{js}</script>\n</body>\n</html>\n"
    )


def _name(path: str) -> str:
    return Path(path).name or path


def _head(evaluation: Evaluation, title: str) -> str:
    count = len(evaluation.clips)
    what = many(evaluation.frames, "frame") + (f" in {count} clips" if count > 1 else "")
    notes = "".join(f'<p class="note">{escape(text)}</p>' for text in evaluation.warnings)
    boxes = "".join(
        _box(METRICS[k], evaluation.overall[k]) for k in evaluation.measures if not k.endswith("_reference")
    )
    mean = "Means over the clips, each counting once." if count > 1 else ""
    return (
        f"<h1>{escape(title)}</h1>"
        f'<p class="soft paths">{escape(what)} · result {escape(evaluation.result)} · reference '
        f"{escape(evaluation.reference)}</p>{notes}"
        f'<div class="figures">{boxes}</div><p class="about">{mean}</p>'
    )


def _box(measure: Metric, value: float) -> str:
    better = f"; {measure.better} is better" if measure.better else ""
    return (
        f'<div class="figure"><small>{escape(measure.label)}</small><b>{figure_text(value, measure.digits)}</b>'
        f"<small>{escape(measure.about + better)}</small></div>"
    )


def _label(measure: Metric) -> str:
    if measure.key.endswith("_reference"):
        return f"{METRICS[measure.key.removesuffix('_reference')].label}, reference"
    return measure.label


def _table(evaluation: Evaluation) -> str:
    heads = [(_label(METRICS[key]), _arrow(METRICS[key])) for key in evaluation.measures]
    rows = [_row(clip.name, clip.frames, clip.means(), evaluation.measures) for clip in evaluation.clips]
    if len(rows) > 1 or "fid" in evaluation.overall:
        rows.insert(0, _row("Overall", evaluation.frames, evaluation.overall, evaluation.measures, "overall"))
    return "<h2>Clips</h2>" + _grid(["Clip", "Frames", *(f"{label} {arrow}".strip() for label, arrow in heads)], rows)


def _arrow(measure: Metric) -> str:
    return {"higher": "↑", "lower": "↓", "": ""}[measure.better]


def _row(name: str, frames: int, figures: Mapping[str, float], keys: Iterable[str], style: str = "") -> str:
    cells = "".join(f"<td>{figure_text(figures.get(key, math.nan), METRICS[key].digits)}</td>" for key in keys)
    return f'<tr class="{style}"><td>{escape(name)}</td><td>{frames:,}</td>{cells}</tr>'


def _grid(heads: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(text).replace("orful", "or&shy;ful")}</th>' for text in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _published(evaluation: Evaluation) -> str:
    ours = "".join(
        f"<td>{figure_text(evaluation.overall.get(key, math.nan), digits)}</td>" for key, digits in DIGITS.items()
    )
    rows = [f'<tr class="overall"><td>Yours</td><td>{escape(_name(evaluation.reference))}</td>{ours}</tr>']
    for row in PUBLISHED:
        cells = "".join(f"<td>{row.figures[key]:.{digits}f}</td>" for key, digits in DIGITS.items())
        rows.append(f"<tr><td>{escape(row.method)}</td><td>{escape(row.dataset)}</td>{cells}</tr>")
    heads = ["Method", "Data set", *(f"{METRICS[key].label} {_arrow(METRICS[key])}" for key in DIGITS)]
    return f'<h2>Published figures</h2>{_grid(heads, rows)}<p class="about">{escape(NOTE)}</p>'


def _curves(evaluation: Evaluation) -> str:
    parts = ["<h2>Over time</h2>"]
    for i, clip in enumerate(evaluation.clips):
        panels = f'<div class="charts">{"".join(_panels(clip))}</div>'
        if len(evaluation.clips) == 1:
            parts.append(panels)
        else:
            opened = " open" if i < OPEN else ""
            parts.append(f"<details{opened}><summary>{escape(clip.name)}</summary>{panels}</details>")
    return "\n".join(parts)


def _panels(clip: ClipMetrics) -> Iterable[str]:
    for key, other in CURVES:
        if key not in clip.columns:
            continue
        measure = METRICS[key]
        curves = [Curve("result", clip.columns[key])]
        legend = ""
        if other is not None:
            curves.append(Curve("reference", clip.columns[other], "reference"))
            legend = '<span class="key"><i></i>result<i class="reference"></i>reference</span>'
        yield (
            f'<section class="panel"><header><h3>{escape(measure.label)} {_arrow(measure)}</h3>{legend}</header>'
            f'<div class="about">{escape(measure.about)}</div>{chart(measure.label, curves, measure.digits)}'
            '<div class="readout" aria-live="polite"></div></section>'
        )


def _worst(evaluation: Evaluation) -> str:
    if not evaluation.worst:
        return ""
    key = (
        '<div class="scale"><span>no error</span>'
        f'<i style="background:linear-gradient(90deg,{",".join(scale_colors())})"></i>'
        f"<span>CIEDE2000 ≥ {TOP_OF_SCALE:.0f}</span></div>"
    )
    blocks = []
    for worst in evaluation.worst:
        where = f"{worst.clip}, frame {worst.frame:,}" if len(evaluation.clips) > 1 else f"Frame {worst.frame:,}"
        figures = "".join(
            f'<figure><img src="{uri}" alt="{escape(caption)}, {escape(where)}" loading="lazy">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
            for caption, uri in views(worst)
        )
        blocks.append(
            f'<section class="worst"><h3>{escape(where)}</h3><p class="about">mean CIEDE2000 {worst.ciede2000:.2f}</p>'
            f'<div class="views">{figures}</div></section>'
        )
    return f"<h2>Worst frames</h2>{key}{''.join(blocks)}"


def _footer(evaluation: Evaluation) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in evaluation.versions.items())
    settings = ", ".join(f"{name} {value}" for name, value in evaluation.settings.items() if value is not None)
    return (
        f"<footer><p>Measured on {escape(evaluation.device)} in {evaluation.seconds:.1f} s. {escape(versions)}.</p>"
        f"<p>Settings: {escape(settings)}.</p></footer>"
    )
