"""Worst frames: what a restorer looks at first."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from colormnet_cli.evaluation.tables import METRICS
from colormnet_cli.evaluation.worst_frames import SPACING, WIDTH, WorstFrame, WorstFrames, views

TINY = np.zeros((4, 4, 3), np.uint8)


def chosen(clips: dict[str, np.ndarray], keep: int, metric: str = "ciede2000") -> list[tuple[str, int, float]]:
    worst = WorstFrames(keep, METRICS[metric])
    for clip, values in clips.items():
        for frame, value in enumerate(values):
            worst.offer(clip, frame, float(value), TINY, TINY)
            assert len(worst._candidates) <= max(1, keep) * 4 * SPACING  # whatever the length of the film
    return [(found.clip, found.frame, found.value) for found in worst.frames()]


def expected(clips: dict[str, np.ndarray], keep: int, sign: int = 1) -> list[tuple[str, int, float]]:
    """The same from a list of all frames: the worst one, then the worst of those not close to it, and so on."""
    rest = [(clip, frame, float(v)) for clip, values in clips.items() for frame, v in enumerate(values) if v == v]
    found = []
    while rest and len(found) < keep:
        clip, frame, value = max(rest, key=lambda one: sign * one[2])
        found.append((clip, frame, value))
        rest = [one for one in rest if one[0] != clip or abs(one[1] - frame) >= SPACING]
    return found


@pytest.mark.parametrize("shape", ["noise", "rising", "falling", "waves", "plateaus", "constant"])
@pytest.mark.parametrize("keep", [0, 1, 6])
def test_the_worst_frames_of_a_stream_are_those_of_all_frames(shape: str, keep: int) -> None:
    """The report would show other frames than the worst ones of the CSV, or hold a whole film in memory."""
    rng, n = np.random.default_rng(3), np.arange(900)
    values = {
        "noise": rng.uniform(0, 9, 900),
        "rising": n + rng.uniform(0, 9, 900),
        "falling": 900 - n + rng.uniform(0, 9, 900),
        "waves": np.sin(n / 17) + 0.01 * n + rng.uniform(0, 0.1, 900),
        "plateaus": np.repeat(rng.integers(0, 4, 30), 30),
        "constant": np.ones(900),
    }[shape]
    clips = {"one": values[:500], "two": values[500:505], "three": values[505:]}
    assert chosen(clips, keep) == expected(clips, keep)


def test_where_higher_is_better_the_lowest_are_worst() -> None:
    """By PSNR the best frames would be shown; a first frame without a flow would hide the others."""
    values = np.random.default_rng(0).uniform(20, 40, 200)
    values[7] = np.inf  # identical to its reference
    assert chosen({"a": values}, 4, "psnr") == expected({"a": values}, 4, sign=-1)
    values[0] = np.nan
    assert chosen({"a": values[:7]}, 2, "warp_error") == expected({"a": values[:7]}, 2)


def test_frames_are_kept_small() -> None:
    """The report of a 4K film could not be opened."""
    worst = WorstFrames(1, METRICS["ciede2000"])
    worst.offer("clip", 0, 1.0, np.zeros((540, 960, 3), np.uint8), np.zeros((540, 960, 3), np.uint8))
    assert decoded(worst.frames()[0].result).shape == (270, WIDTH, 3)


def test_views_of_a_worst_frame() -> None:
    """The error map would be of something else, or the input would show color."""
    reference = np.zeros((60, 80, 3), np.uint8)
    reference[:, 40:] = (200, 60, 30)
    pictures = dict(views(worst_frame(np.full_like(reference, 90), reference)))
    gray, truth, error = (decoded_uri(pictures[name]) for name in ("Input", "Reference", "Error (CIEDE2000)"))
    assert (gray.max(-1).astype(int) - gray.min(-1)).max() < 6
    assert truth[30, 70, 0] > 180
    left, right = (error[:, part].astype(float).mean() for part in (slice(5, 30), slice(50, 75)))
    assert right > left + 20  # gray 90 is nearer to black than to red
    assert decoded_uri(dict(views(worst_frame(TINY, TINY)))["Error (CIEDE2000)"]).max() < 12


def worst_frame(result: np.ndarray, reference: np.ndarray) -> WorstFrame:
    worst = WorstFrames(1, METRICS["ciede2000"])
    worst.offer("clip", 0, 1.0, result, reference)
    return worst.frames()[0]


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def decoded_uri(uri: str) -> np.ndarray:
    assert uri.startswith("data:image/jpeg;base64,")
    return decoded(base64.b64decode(uri.split(",", 1)[1]))
