"""Headers of two encoders in one film: what can be told to a decoder together, and what cannot."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from colormnet_cli.video.packet_table import PacketTable, read_packet_table
from colormnet_cli.video.parameter_sets import H264Sets, free_id, is_independent, merged_sets, same_decoder, used_ids
from colormnet_cli.video.probe import probe
from support.films import make_film


def extradata(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.extradata or b""


@pytest.fixture(scope="module")
def h264(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The extradata of films from x264 with other settings."""
    folder = tmp_path_factory.mktemp("h264")
    options = {
        "one": {"crf": "16"},
        "other": {"crf": "30"},
        "numbered": {"crf": "30", "x264-params": "sps-id=3"},
        "far": {"x264-params": "sps-id=17"},
        "baseline": {"profile": "baseline", "x264-params": "sps-id=1"},
    }
    return {
        name: extradata(make_film(folder / f"{name}.mp4", codec="libx264", options=more, frames=2))
        for name, more in options.items()
    }


def test_headers_are_distinguished(h264: dict[str, bytes]) -> None:
    """Packets would be decoded by the header of another encoder: into noise, without any error."""
    assert same_decoder("h264", h264["one"], h264["one"])
    assert not same_decoder("h264", h264["one"], h264["other"])
    assert not same_decoder("hevc", b"\1abc", b"\1abd")
    assert not same_decoder("ffv1", b"abc", b"abd")
    assert same_decoder("vp9", b"abc", b"")
    assert [used_ids(h264[name]) for name in ("one", "numbered", "far")] == [[0], [3], [17]]
    assert [free_id(h264[name]) for name in ("one", "numbered")] == [1, 0]
    assert used_ids(b"something else") == []


def test_headers_are_joined(h264: dict[str, bytes]) -> None:
    """A film with passages of other settings could not be decoded."""
    assert H264Sets.read(h264["one"]).write() == h264["one"]
    both = merged_sets(h264["one"], h264["numbered"])
    assert both is not None
    assert used_ids(both) == [0, 3]
    assert same_decoder("h264", both, h264["one"])
    assert same_decoder("h264", both, h264["numbered"])
    assert merged_sets(h264["one"], h264["other"]) is None  # the same id
    assert merged_sets(h264["one"], h264["baseline"]) is None
    assert merged_sets(h264["one"], b"something else") is None


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"x264-params": "open-gop=1:scenecut=0:keyint=8"}),
        ("libx265", {"x265-params": "keyint=8:scenecut=0"}),
    ],
)
def test_keyframes_that_are_no_cuts(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    """Frames behind an open group of pictures refer to frames before it: replacing these would break them."""
    path = make_film(tmp_path / "film.mp4", codec=codec, options=options, frames=30)
    with av.open(str(path)) as container:
        keys = [packet.pts for packet in container.demux(video=0) if packet.size and packet.is_keyframe]
    assert len(keys) > 2
    assert read_packet_table(probe(path)).cuts == (0, 30)


def test_start_codes() -> None:
    """Packets that are not in MP4's format would all count as dependent."""
    assert is_independent("h264", b"\0\0\0\1\x06abc\0\0\1\x65abc", 0)
    assert not is_independent("h264", b"\0\0\0\1\x06abc\0\0\1\x41abc", 0)
    assert not is_independent("h264", b"", 4)


def test_cuts_between_reordered_frames() -> None:
    """A passage would be one frame too long or too short."""
    pts = (0, 4, 2, 1, 3, 5, 8, 6, 7, 9, 12, 10, 11)
    keys = tuple(number in (0, 5, 9) for number in range(len(pts)))
    table = PacketTable(pts, pts, (1,) * len(pts), keys)
    assert table.cuts == (0, 5, 9, 13)
    assert table.delay == 2
    assert table.around(6, 7) == (5, 9)
    assert table.around(5, 9) == (5, 9)
    assert table.around(4, 10) == (0, 13)
    leading = (0, 2, 1, 5, 3, 4, 6)  # 3 and 4 are shown before the keyframe 5 and refer to 2
    assert PacketTable(leading, leading, (1,) * 7, tuple(n in (0, 3) for n in range(7))).cuts == (0, 7)
