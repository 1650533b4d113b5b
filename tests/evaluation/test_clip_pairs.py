"""Clip pairs: which result is measured against which reference, and that they fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from colormnet_cli.errors import MediaError
from colormnet_cli.evaluation.clip_pairs import pair_clips
from colormnet_cli.evaluation.evaluate import evaluate
from support.clips import picture, write_film, write_frames


def test_errors_name_what_does_not_fit(tmp_path: Path) -> None:
    """Clips that do not belong together would be measured, or end in a traceback."""
    a, shorter = write_frames(tmp_path / "a", 4), write_frames(tmp_path / "b", 3)
    larger = write_frames(tmp_path / "c", 4, size=(48, 80))
    other = write_frames(tmp_path / "d", 4)
    (other / "3.png").rename(other / "4.png")
    with pytest.raises(MediaError, match=r"has 4 frames, .* has 3"):
        pair_clips(a, shorter)
    with pytest.raises(MediaError, match=r"64×48, .* 80×48"):
        pair_clips(a, larger)
    with pytest.raises(MediaError, match=r"3\.png .* 4\.png"):
        pair_clips(a, other)
    with pytest.raises(MediaError, match="no such file"):
        pair_clips(a, tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="neither pictures nor clips"):
        pair_clips(tmp_path / "empty", a)


def test_folders_of_clips_are_paired_by_name(tmp_path: Path) -> None:
    """A clip would be measured against another one, or left out silently."""
    for side in ("result", "truth"):
        for name in ("clip10", "clip2"):
            write_frames(tmp_path / side / name, 2)
    assert [pair.name for pair in pair_clips(tmp_path / "result", tmp_path / "truth")] == ["clip2", "clip10"]
    write_film(tmp_path / "truth" / "clip3.mkv", [picture(0)])
    with pytest.raises(MediaError, match="result lacks clip3"):
        pair_clips(tmp_path / "result", tmp_path / "truth")
    with pytest.raises(MediaError, match="result lacks clip3"):
        pair_clips(tmp_path / "truth", tmp_path / "result")
    with pytest.raises(MediaError, match="one clip"):
        pair_clips(tmp_path / "result", tmp_path / "truth" / "clip2")
    write_film(tmp_path / "result" / "clip3.mp4.mkv", [picture(0)])
    write_frames(tmp_path / "result" / "clip3.mp4", 1)
    with pytest.raises(MediaError, match="two clips named"):
        pair_clips(tmp_path / "result", tmp_path / "truth")


@pytest.mark.parametrize("longer", ["result", "reference"])
def test_films_of_different_length_are_found_at_the_end(tmp_path: Path, longer: str) -> None:
    """A film without its last frames would pass as complete: containers may not say how many frames there are."""
    frames = [picture(i) for i in range(5)]
    counts = {"result": 5, "reference": 5, longer: 3 + 2}
    counts["reference" if longer == "result" else "result"] = 3
    a = write_film(tmp_path / "a.mkv", frames[: counts["result"]])
    b = write_film(tmp_path / "b.mkv", frames[: counts["reference"]])
    with pytest.raises(MediaError, match=f"has {counts['result']} frames, .* has {counts['reference']}"):
        evaluate(a, b, device="cpu")
