"""What would be done with a film, and what cannot be: known before the first frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from colormnet_cli import ColorizeSettings, colorize_video, plan_video
from colormnet_cli.errors import ColormnetError, MediaError, OutputError, UsageError
from colormnet_cli.video.probe import probe
from support.films import FULL, make_film

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_plan_says_what_would_be_done_and_does_nothing(tmp_path: Path, photo: Path) -> None:
    """--dry-run."""
    source = make_film(tmp_path / "film.mkv", FULL)  # 64×48, shown turned by 90 degrees
    before = sorted(tmp_path.iterdir())
    plan = plan_video(source, [photo], tmp_path / "out.mp4", settings=ColorizeSettings(size=32))
    assert sorted(tmp_path.iterdir()) == before
    shown = json.loads(json.dumps(plan.to_dict()))
    assert (shown["frames"], shown["codec"], shown["working_height"], shown["working_width"]) == (30, "libx264", 43, 32)
    assert [s["action"] for s in shown["streams"]] == ["copy", "copy", "mov_text", "drop"]


@pytest.mark.parametrize(
    ("output", "settings", "error", "words"),
    [("out.webm", {"codec": "h264"}, OutputError, "webm"), ("out.mp4", {"codec": "prores"}, OutputError, "mp4"),
     ("out.xyz", {}, UsageError, "extensions"), ("out.mp4", {"archive": True}, UsageError, "out.mkv"),
     ("out.mp4", {"codec": "nonsense"}, UsageError, "no encoder"), ("out.mp4", {"codec": "aac"}, UsageError, "audio"),
     ("out.mkv", {"codec": "ffv1", "crf": 3}, UsageError, "`crf`"), ("film.mkv", {}, UsageError, "the input itself"),
     ("film.mkv", {"overwrite": True}, UsageError, "the input itself"), ("there.mp4", {}, OutputError, "overwrite="),
     ("there.mp4/out.mp4", {}, OutputError, "a file, not a folder"), ("out.mp4", {"start": "abc"}, UsageError, "abc"),
     ("out.mp4", {"encoder_options": {"nonsense": "1"}}, UsageError, "nonsense"),
     ("out.mp4", {"pix_fmt": "rgb24"}, UsageError, "pixel format"),
     ("out.mp4", {"preset": "warp"}, OutputError, "preset=warp")],
)  # fmt: skip
def test_impossible_requests_are_reported_before_the_first_frame(
    tmp_path: Path, color: Any, output: str, settings: dict[str, Any], error: type[ColormnetError], words: str
) -> None:
    """One sentence, at once, and nothing left behind; not an error after the night's work."""
    source = make_film(tmp_path / "film.mkv", frames=2)
    (tmp_path / "there.mp4").write_bytes(b"mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(error, match=words):
        color(source, tmp_path / output, **settings)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("codec", "name"), [("libx264", "film.mp4"), ("ffv1", "film.mkv")])
def test_the_last_frame_is_a_valid_start_and_a_later_one_is_refused(
    tmp_path: Path, photo: Path, codec: str, name: str
) -> None:
    """The last frame could not be colored, or weights would be fetched for a film that holds no frame there."""
    source = make_film(tmp_path / name, codec=codec, frames=30)
    rate = probe(source).rate
    for start in ("f29", float(29 / rate)):
        plan_video(source, [photo], tmp_path / "out.mkv", settings=ColorizeSettings(start=start))
    for start in ("60", float(30 / rate)):
        with pytest.raises(MediaError, match="has no frame at or after"):
            plan_video(source, [photo], tmp_path / "out.mkv", settings=ColorizeSettings(start=start))


def test_a_start_beyond_an_unknown_end_is_reported_by_the_run(tmp_path: Path, color: Any) -> None:
    """Only reading all of it can tell; an output without a frame would be written."""
    source = make_film(tmp_path / "film.mkv", frames=4)
    with pytest.raises(MediaError, match="contains no frame"):
        color(source, tmp_path / "out.mkv", start="f4")


def test_the_exemplars_film_is_not_overwritten(tmp_path: Path, small_model: Any) -> None:
    """--overwrite is meant for an earlier result, not for the film that the colors come from."""
    source = make_film(tmp_path / "film.mp4", codec="libx264", frames=2)
    other = make_film(tmp_path / "other.mp4", codec="libx264", frames=2, color=True)
    settings = ColorizeSettings(size=32, overwrite=True)
    with pytest.raises(UsageError, match=r"other\.mp4 is the input itself"):
        colorize_video(source, [f"{other}@0"], other, model=small_model, settings=settings, device="cpu")
