"""The findings of a colored film as one HTML page with pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

from ..errors import MediaError
from ..film.receipt import Receipt
from ..timecode import Timecode, format_time
from ..video.rgb import frame_at
from ..wording import many
from .html_page import html_page, write_page
from .worst_frames import data_uri, thumbnail

__all__ = ["render_film", "write_film_report"]

_ROUNDED = Fraction(1, 1000)  # containers round the time of a frame
PICTURED = 60  # passages with pictures: each costs a seek in the film

_KINDS = {
    "sudden change": ("Color changes suddenly", "color changes while gray does not", "by {value:.0f} Lab units"),
    "pale": ("Pale", "far less color than in the reference", "{value:.0%} of the chroma of the reference"),
    "unlike": ("Little in common with the references", "colors may be wrong or missing", "match {value:.2f}"),
    "uncertain": ("Uncertain colors", "the network expects them to be wrong", "by {value:.0f} Lab units on average"),
}


def write_film_report(receipt: Receipt, path: str | Path) -> None:
    """Write the page of a film that was colored, whole or not at all. Raises OutputError if it cannot be written."""
    write_page(path, render_film(receipt))


def render_film(receipt: Receipt) -> str:
    """The page as text; pictures are read from the film."""
    film, findings = Path(receipt.output.path), receipt.findings or {"frames": 0, "left_out": 0, "passages": []}
    title = escape(f"Where to look in {film.name}")
    passages = findings["passages"]
    body = [f'<p class="soft">{escape(_summary(receipt, findings))}</p>']
    body += [f'<p class="note">{escape(text)}</p>' for text in receipt.warnings]
    if passages:
        body.append(_table(passages))
    body += [_passage(film, one, pictured=i < PICTURED) for i, one in enumerate(passages)]
    versions = ", ".join(f"{name} {version}" for name, version in receipt.versions.items())
    body.append(f"<footer><p>{escape(versions)}. Times are those of the film, its first frame at 0.</p></footer>")
    return html_page(title, "\n".join(body))


def _summary(receipt: Receipt, findings: Mapping[str, Any]) -> str:
    count, noted = len(findings["passages"]), findings["frames"]
    text = f"{many(count, 'passage')} in {many(receipt.frames, 'frame')}" if count else "Nothing was noticed"
    if findings["left_out"]:
        text += f", and {findings['left_out']:,} more that are less marked"
    if count > PICTURED:
        text += f"; the first {PICTURED} have pictures"
    if noted < receipt.frames:
        text += f"; {many(receipt.frames - noted, 'frame')} were not looked at"
    return text + "."


def _table(passages: Sequence[Mapping[str, Any]]) -> str:
    rows = "\n".join(
        f'<tr><td class="left"><a href="#{_anchor(one)}">{_span(one)}</a></td>'
        f'<td class="left">{_KINDS[one["kind"]][0]}</td><td class="left">{_value(one)}</td></tr>'
        for one in passages
    )
    head = "".join(f'<th class="left">{name}</th>' for name in ("Time", "What", "Worst frame"))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'


def _passage(film: Path, one: Mapping[str, Any], *, pictured: bool) -> str:
    name, about, _ = _KINDS[one["kind"]]
    frames = "frame {}" if one["frames"][0] == one["frames"][1] else "frames {} to {}"
    heading = f"{_span(one)}: {name.lower()}"
    return (
        f'<h3 id="{_anchor(one)}">{heading}</h3>'
        f'<p class="soft">{frames.format(*one["frames"])}: {about}; {_value(one)}, in frame {one["worst_frame"]}</p>'
        + (f'<div class="views small">{_pictures(film, one)}</div>' if pictured else "")
    )


def _pictures(film: Path, one: Mapping[str, Any]) -> str:
    """The worst frame; of a sudden change, also the frame before it."""
    times = {"Worst frame": one["worst_seconds"]}
    if one["kind"] == "sudden change":
        times = {"Frame before": one["seconds_before"], **times}
    shown = []
    for name, seconds in times.items():
        try:
            uri = data_uri(thumbnail(frame_at(film, Timecode(Fraction(seconds) + _ROUNDED))))
        except MediaError:
            continue
        where = escape(f"{name}, {format_time(seconds)}")
        shown.append(f'<figure><img src="{uri}" alt="{where}" loading="lazy"><figcaption>{where}</figcaption></figure>')
    return "".join(shown)


def _span(one: Mapping[str, Any]) -> str:
    return str(one["start"]) if one["start"] == one["end"] else f"{one['start']} to {one['end']}"


def _value(one: Mapping[str, Any]) -> str:
    return escape(_KINDS[one["kind"]][2].format(value=one["value"]))


def _anchor(one: Mapping[str, Any]) -> str:
    return f"{one['kind'].replace(' ', '-')}-{one['frames'][0]}"
