"""The verdict: what somebody reads who does not know the metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from colormnet_cli.evaluation.evaluate import evaluate
from colormnet_cli.evaluation.verdict import verdict
from support.clips import faded, picture, write_film, write_frames


def test_identical_clips_are_called_so(tmp_path: Path) -> None:
    """A perfect result would be called wrong, or end in a division by zero."""
    truth = write_frames(tmp_path / "truth", 8)
    assert verdict(evaluate(truth, truth, device="cpu")) == [
        "Accuracy: colors look like the reference (CIEDE2000 0.0 on average).",
        "Strength: colors are as strong as the reference's (100% colorfulness).",
        "Steadiness: colors are as steady as the reference's (they change by 0.0 of 255 more from frame to frame).",
        "Over time: errors do not grow within a clip (CIEDE2000 0.0 in the first quarter, 0.0 in the last).",
        "Worst frame: frame 0 (CIEDE2000 0.000).",
    ]


def test_what_is_wrong_is_described_in_sentences(tmp_path: Path) -> None:
    """A result that fades and flickers would pass for a good one."""
    truth = write_film(tmp_path / "truth.mkv", [picture(i) for i in range(16)])
    frames = [faded(picture(i), 0.4 - 0.02 * i) for i in range(16)]
    frames[13] = np.roll(picture(13), 1, axis=-1)
    found = evaluate(write_film(tmp_path / "a.mkv", frames), truth, device="cpu")
    said = "\n".join(verdict(found))
    assert "other colors than the reference's" in said
    assert "much paler than the reference's (3" in said
    assert "Steadiness: colors flicker (" in said
    assert "errors grow within a clip" in said
    assert f"Worst frame: 0:00:00.542, frame 13 (CIEDE2000 {max(found.clips[0].columns['ciede2000']):.3f})." in said


def test_a_gray_reference_has_no_strength_to_compare_with(tmp_path: Path) -> None:
    """Its colorfulness of zero would end the command with a traceback."""
    gray = write_frames(tmp_path / "gray", 3, lambda rgb: faded(rgb, 0))
    said = verdict(evaluate(write_frames(tmp_path / "a", 3), gray, device="cpu"))
    assert [sentence.split(":")[0] for sentence in said] == ["Accuracy", "Steadiness", "Worst frame"]
