"""Muxing: what the container refuses is found before the first frame, and colored frames are never lost to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from colormnet_cli.errors import OutputError
from colormnet_cli.settings import ColorizeSettings
from colormnet_cli.video.encode import choose_encoder
from colormnet_cli.video.mux import try_mux
from colormnet_cli.video.probe import open_input, probe
from colormnet_cli.video.stream_packets import CopiedStream
from colormnet_cli.video.stream_plan import StreamPlan, _Planner
from support.films import frames_of, make_film, packets_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """What cameras write: a .mov with a timecode track."""
    timecode = {"timecode": "01:00:00:00"}
    return make_film(tmp_path / "film.mov", codec="libx264", frames=8, metadata=timecode, audio=[("aac", "deu")])


@pytest.mark.parametrize("ending", ["mov", "mp4", "mkv", "webm"])
def test_a_timecode_track_is_kept(camera: Path, tmp_path: Path, color: Any, ending: str) -> None:
    """A camera's film failed while muxing to .mov, after all frames were done; for .mp4 its loss was claimed."""
    with av.open(str(camera)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "data"]
    receipt = color(camera, tmp_path / f"out.{ending}")
    assert not any("left out" in warning for warning in receipt.warnings)
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        tags = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
        assert tags["timecode"] == "01:00:00:00"
        assert len(container.streams.data) == (ending in ("mov", "mp4"))


@pytest.mark.parametrize(("tag", "known"), [("mebx", False), ("camm", False), ("fdsc", False), ("gpmd", True)])
def test_data_of_an_unknown_format_is_left_out(camera: Path, tmp_path: Path, color: Any, tag: str, known: bool) -> None:
    """Phones' and cameras' sensor data came out as a track without a description, which breaks players."""
    source = tmp_path / "phone.mov"
    source.write_bytes(camera.read_bytes().replace(b"tmcd", tag.encode()))
    warnings = color(source, tmp_path / "out.mov").warnings
    assert any("FFmpeg does not know its format" in warning for warning in warnings) != known
    with av.open(str(tmp_path / "out.mov")) as container:
        assert len(container.streams.data) == known


def test_a_stream_that_fails_only_at_the_end_is_left_out(
    camera: Path, tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever planning misses: a data stream that the muxer refuses at the end must not cost the film."""
    monkeypatch.setattr("colormnet_cli.film.plan.try_mux", lambda *_: [])
    monkeypatch.setattr(_Planner, "plan", lambda self, stream: StreamPlan(self.info.streams[stream.index], "copy"))
    warnings = color(camera, tmp_path / "out.mov").warnings
    assert any("data stream 2" in warning and "left out" in warning for warning in warnings)
    assert len(frames_of(tmp_path / "out.mov")) == 8
    assert packets_of(tmp_path / "out.mov", "audio") == packets_of(camera, "audio")


def test_colored_frames_survive_audio_that_cannot_be_muxed(
    camera: Path, tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how to get the film, and then nothing is colored again."""

    def refused(self: CopiedStream) -> Any:
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(CopiedStream, "flush", refused)
    with pytest.raises(OutputError, match=r"frames are kept: run the same command without audio"):
        color(camera, tmp_path / "out.mp4")
    receipt = color(camera, tmp_path / "out.mp4", audio="none")
    assert receipt.resumed_at == receipt.frames == 8
    assert len(frames_of(tmp_path / "out.mp4")) == 8


def test_a_stream_that_only_the_trailer_refuses_is_found_by_planning(camera: Path) -> None:
    """A header is written at once, the rest after a night's work: the first packets are muxed before that."""
    info = probe(camera)
    known = replace(info.streams[2], codec="bin_data")  # a format that .mov has
    with open_input(camera) as container:
        planner = _Planner(container, replace(info, streams=(*info.streams[:2], known)), "mov", "copy")
        planner.timecode = None  # as if only the track had it
        plan = planner.plan(container.streams[2])
    assert plan is not None
    assert plan.action == "drop"
    assert plan.note is not None


def test_a_container_is_not_advised_in_its_own_place(tmp_path: Path) -> None:
    """\".mkv does not take dnxhd: choose another codec, or .mkv" sent users in a circle."""
    source = make_film(tmp_path / "film.mp4", codec="libx264", width=1280, height=720, frames=1)
    spec, _ = choose_encoder(probe(source), tmp_path / "out.mov", ColorizeSettings(codec="dnxhr"))
    with pytest.raises(OutputError, match=r"^\.mkv does not take dnxhd video .*: choose another codec, or \.mov\.$"):
        try_mux(probe(source), replace(spec, container="matroska"), ())


@pytest.mark.parametrize(("ending", "lost"), [("mp4", "camera_operator"), ("mkv", "")])
def test_lost_tags_are_reported(tmp_path: Path, color: Any, ending: str, lost: str) -> None:
    """.mp4 has a fixed list of tags; others were dropped silently."""
    tags = {"title": "Der Film", "camera_operator": "Someone"}
    options = {"movflags": "use_metadata_tags"}
    source = make_film(tmp_path / "film.mp4", codec="libx264", frames=2, metadata=tags, container_options=options)
    warnings = color(source, tmp_path / f"out.{ending}").warnings
    assert [w for w in warnings if "tags" in w] == ([f".mp4 does not store the film's tags {lost}."] if lost else [])
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        assert container.metadata["title"] == "Der Film"


def test_transparency_of_vp9_is_reported_and_not_claimed(tmp_path: Path, color: Any) -> None:
    """The alpha beside VP9 frames is not decoded; the output's header still announced it."""
    source = make_film(tmp_path / "film.webm", codec="libvpx-vp9", pix_fmt="yuva420p", frames=2)
    assert "The film's transparency was left out." in color(source, tmp_path / "out.webm").warnings
    assert not probe(tmp_path / "out.webm").layout.alpha


@pytest.mark.parametrize(("codec", "said"), [("h264", True), ("ffv1", False)])
def test_field_order_that_is_lost_is_reported(tmp_path: Path, color: Any, codec: str, said: bool) -> None:
    """An interlaced film came out flagged progressive: players then do not deinterlace it."""
    source = make_film(tmp_path / "film.mp4", codec="libx264", options={"flags": "+ildct+ilme"}, frames=2)
    warnings = color(source, tmp_path / "out.mkv", codec=codec).warnings
    assert any("marks the interlaced film as progressive" in warning for warning in warnings) == said
