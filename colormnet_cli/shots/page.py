"""index.html: all shots of a plan at a glance. Everything it shows is inside it."""

from __future__ import annotations

import base64
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..media.image_file import read_image
from ..opencv import cv2
from ..timecode import format_time
from ..wording import many

if TYPE_CHECKING:
    from .folder import Plan, Reference
    from .table import PlannedShot

__all__ = ["contact_sheet"]

THUMBNAIL = 280  # pixels across
QUALITY = 80  # of JPEG


def contact_sheet(plan: Plan) -> str:
    """The page as text."""
    css = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    name = escape(str(plan.film["name"]))
    done = len(plan.shots) - len(plan.missing)
    cards = "\n".join(_card(plan, row) for row in plan.shots)
    share = 100 * done // max(1, len(plan.shots))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>Shots of {name}</title>\n<style>\n{css}</style>\n</head>\n<body>\n'
        f'<input type="checkbox" id="only"><main>\n<header><h1>{name}</h1>\n'
        f"<p>{many(len(plan.shots), 'shot')}, {many(plan.film['frames'], 'frame')}. "
        f"{done:,} of {len(plan.shots):,} have a colored picture.</p>\n"
        f'<div class="bar" role="img" aria-label="{share}% colored"><i style="width:{share}%"></i></div>\n'
        '<label for="only" class="switch">Show only shots without a colored picture</label></header>\n'
        f'<div class="sheet">\n{cards}\n</div>\n'
        "<footer>Color a still and put it into <code>colored/</code> under the same name. Run "
        "<code>colormnet shots</code> again to refresh this page.</footer>\n</main>\n</body>\n</html>\n"
    )


def _card(plan: Plan, row: PlannedShot) -> str:
    references = plan.references.get(row.number, ())
    still = plan.folder / "stills" / f"{row.name}.png"
    pictures = [_figure(still, f"Still, frame {plan.stills[row.number]:,}")] if row.number in plan.stills else []
    pictures += [_figure(reference.path, _caption(reference)) for reference in references]
    if row.number in plan.masks:
        pictures.append(_figure(plan.masks[row.number], "Mask: white stays neutral"))
    if not references:
        borrowed = f"borrows from {escape(row.borrowed_from)}" if row.borrowed_from else "no colored picture"
        pictures.append(f'<figure class="none"><div>{borrowed}</div></figure>')
    shot = row.shot
    way = shot.transition.kind
    note = f'<p class="note">{escape(row.note)}</p>' if row.note else ""
    state = "done" if references else "missing"
    return (
        f'<section class="{state}" id="shot{row.number}"><h2>{row.number}'
        f'<span class="kind">{way}</span></h2>'
        f'<p class="where">{format_time(shot.start)} – {format_time(shot.end)}<br>'
        f"frames {shot.start_frame:,} – {shot.end_frame - 1:,} ({shot.frames:,})</p>"
        f'<div class="pair">{"".join(pictures)}</div>{note}</section>'
    )


def _caption(reference: Reference) -> str:
    return reference.path.name if reference.frame is None else f"{reference.path.name}, frame {reference.frame:,}"


def _figure(path: Path, caption: str) -> str:
    text = escape(caption)
    return f'<figure><img src="{_thumbnail(path)}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _thumbnail(path: Path) -> str:
    """A picture's small copy as a data URI."""
    pixels = read_image(path)
    if pixels.dtype != np.uint8:
        pixels = (pixels >> 8).astype(np.uint8)
    height, width = pixels.shape[:2]
    size = (min(THUMBNAIL, width), max(1, round(height * min(THUMBNAIL, width) / width)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
