"""The shape of the pixels: PAL and NTSC films would come out too narrow or too wide."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from colormnet_cli.errors import OutputError
from colormnet_cli.video import mux
from colormnet_cli.video.matroska import write_shape
from colormnet_cli.video.probe import probe
from support.films import frames_of, make_film, packets_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("shape", [Fraction(16, 15), Fraction(12, 11), Fraction(1, 2)])
@pytest.mark.parametrize(
    ("output", "codec"),
    [("out.mkv", "ffv1"), ("out.mkv", "h264"), ("out.mkv", "vp9"), ("out.mkv", "av1"), ("out.mkv", "prores"),
     ("out.webm", "vp9"), ("out.mov", "prores"), ("out.mp4", "h264")],
)  # fmt: skip
def test_the_shape_of_the_pixels_is_kept(tmp_path: Path, color: Any, output: str, codec: str, shape: Fraction) -> None:
    """Every PAL and NTSC film was misshapen after `--archive`, and in .mkv with most codecs."""
    source = make_film(tmp_path / "film.mp4", codec="libx264", frames=2, sar=shape, audio=[("aac", "deu")])
    receipt = color(source, tmp_path / output, codec=codec)
    assert not any("shape" in warning for warning in receipt.warnings)
    assert probe(tmp_path / output).sample_aspect_ratio == shape
    assert len(frames_of(tmp_path / output)) == 2


def test_nothing_but_the_shape_changes(tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header is rewritten in the finished file: title, packets and the other streams must survive that."""
    source = make_film(tmp_path / "film.mkv", codec="libx264", sar=Fraction(16, 15), audio=[("flac", "deu")])
    titled = tmp_path / "titled.mkv"
    with av.open(str(source)) as film, av.open(str(titled), "w") as out:
        streams = [out.add_stream_from_template(stream, opaque=True) for stream in film.streams]
        streams[0].metadata["title"], streams[1].metadata["language"] = "Der Film", "deu"
        for packet in (p for p in film.demux() if p.size):
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    color(titled, tmp_path / "out.mkv")
    monkeypatch.setattr(mux, "_writes_shape", lambda spec: False)
    color(titled, tmp_path / "plain.mkv")
    for kind in ("video", "audio"):
        assert packets_of(tmp_path / "out.mkv", kind) == packets_of(tmp_path / "plain.mkv", kind)
    with av.open(str(tmp_path / "out.mkv")) as out:
        assert out.streams.video[0].metadata["title"] == "Der Film"
        assert out.streams.audio[0].metadata["language"] == "deu"


def test_a_file_without_room_is_an_error(tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape that cannot be kept is refused before the first frame, not lost."""
    source = make_film(tmp_path / "film.mkv", codec="libx264", frames=2, sar=Fraction(16, 15))
    with pytest.raises(ValueError, match="room"):
        write_shape(io.BytesIO(make_film(tmp_path / "titled.mkv", frames=1).read_bytes()), 64, 48, Fraction(2))
    monkeypatch.setattr(mux, "reserve_shape", lambda video: None)
    with pytest.raises(OutputError, match="cannot store the shape"):
        color(source, tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()
