"""What the figures of an evaluation mean, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .clip_metrics import mean_of
from .tables import METRICS

if TYPE_CHECKING:
    from .evaluate import Evaluation

__all__ = ["verdict"]

# Upper limits and words. The limits of CIEDE2000 follow Mokrzycki and Tatol (2011), "Color difference Delta E".
DIFFERENCES = (  # mean CIEDE2000
    (1.0, "look like the reference"),
    (2.0, "differ from the reference, but only an experienced eye sees it"),
    (3.5, "differ from the reference, visibly side by side"),
    (5.0, "clearly differ from the reference"),
    (math.inf, "are other colors than the reference's"),
)
STRENGTHS = (  # colorfulness of the result / colorfulness of the reference
    (0.5, "much paler than"),
    (0.9, "paler than"),
    (1.1, "as strong as"),
    (1.5, "stronger than"),
    (math.inf, "much stronger than"),
)
FLICKER = (  # of color alone, more than the reference's: root mean square, in values of 0..255
    (-1.5, "are steadier than the reference's, as pale colors are"),
    (1.5, "are as steady as the reference's"),
    (4.0, "are slightly less steady than the reference's"),
    (math.inf, "flicker"),
)
GRAY = 2.0  # colorfulness below which a reference has no colors to compare with


def verdict(found: Evaluation) -> list[str]:
    """Sentences on accuracy, strength, steadiness and change over time, and the worst frame."""
    figures, sentences = found.overall, []
    difference, reference = figures["ciede2000"], figures["colourfulness_reference"]
    sentences.append(f"Accuracy: colors {_word(DIFFERENCES, difference)} (CIEDE2000 {difference:.1f} on average).")
    if reference >= GRAY:
        share = figures["colourfulness"] / reference
        sentences.append(f"Strength: colors are {_word(STRENGTHS, share)} the reference's ({share:.0%} colorfulness).")
    more = figures["color_warp_error"] - figures["color_warp_error_reference"]
    if not math.isnan(more):
        levels = math.copysign(255 * math.sqrt(abs(more)), more)
        than = "more" if levels >= 0 else "less"
        change = f"they change by {abs(levels):.1f} of 255 {than} from frame to frame"
        sentences.append(f"Steadiness: colors {_word(FLICKER, levels)} ({change}).")
    columns = [clip.columns["ciede2000"] for clip in found.clips if clip.frames >= 4]
    if columns:
        first = mean_of(mean_of(column[: len(column) // 4]) for column in columns)
        last = mean_of(mean_of(column[-(len(column) // 4) :]) for column in columns)
        grow = "grow" if last > 1.5 * first and last > first + 0.5 else "do not grow"
        both = f"CIEDE2000 {first:.1f} in the first quarter, {last:.1f} in the last"
        sentences.append(f"Over time: errors {grow} within a clip ({both}).")
    if worst := found.worst_frame():
        clip, frame = worst
        by, name = METRICS[found.worst_by], f"{clip.name}, " if len(found.clips) > 1 else ""
        value = by.text(clip.columns[by.key][frame])
        sentences.append(f"Worst frame: {name}{clip.time_of(frame)} ({by.label} {value}).")
    return sentences


def _word(limits: tuple[tuple[float, str], ...], value: float) -> str:
    return next(word for limit, word in limits if value <= limit or math.isinf(limit))
