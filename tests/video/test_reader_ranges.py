"""Parts of a film, and resuming: the same frames, timestamps and statistics as when reading all of it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from colormnet_cli.errors import MediaError
from colormnet_cli.timecode import parse_time
from colormnet_cli.video import reader as reader_module
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Frame, Reader
from support.films import make_film


def test_a_part_has_the_same_frames_whether_or_not_it_is_seeked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--start` that seeks must not begin a frame late."""
    monkeypatch.setattr(reader_module, "SEEK_MARGIN", 0.4)
    path = make_film(tmp_path / "film.mp4", codec="libx264", frames=60, options={"g": "10", "bf": "2"})
    info = probe(path)
    whole = list(Reader(info).frames())
    for start, end, first, last in [("1.0", "1.6", 25, 40), ("f25", "f40", 25, 40), ("1.01", None, 26, 60)]:
        part = list(Reader(info, parse_time(start), None if end is None else parse_time(end)).frames())
        assert [f.pts for f in part] == [f.pts for f in whole[first:last]]
        assert [f.number for f in part] == list(range(last - first))
        assert all(np.array_equal(a.luma, b.luma) for a, b in zip(part, whole[first:last], strict=True))
    part = list(Reader(info, parse_time("f10"), duration=parse_time("0.4")).frames())
    assert [f.pts for f in part] == [f.pts for f in whole[10:20]]


@pytest.mark.parametrize("seek", [True, False])
def test_resuming_gives_the_following_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seek: bool) -> None:
    """A resumed run that misses or repeats a frame shifts the colors of the rest."""
    monkeypatch.setattr(reader_module, "SEEK_MARGIN", 0.4)
    monkeypatch.setattr(reader_module, "MIN_SEEK_FRAMES", 5)
    path = make_film(tmp_path / "film.mp4", codec="libx264", frames=60, options={"g": "10", "bf": "2"})
    info = probe(path)
    whole = list(Reader(info).frames())
    skipped: list[int] = []
    checksums = [f.checksum() for f in whole[36:40]]
    if not seek:
        checksums[-1] = type(checksums[-1])(
            checksums[-1].pts, checksums[-1].crc ^ 1
        )  # another film: decode it from the start
    rest = list(Reader(info, on_skip=skipped.append).frames(40, checksums, whole[39].statistics))
    assert [(f.number, f.pts) for f in rest] == [(f.number, f.pts) for f in whole[40:]]
    assert all(np.array_equal(a.luma, b.luma) for a, b in zip(rest, whole[40:], strict=True))
    assert (max(skipped) < 40) == seek


@pytest.fixture
def seeks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seek in short films too, with a margin of a second."""
    monkeypatch.setattr(reader_module, "SEEK_MARGIN", 1.0)
    monkeypatch.setattr(reader_module, "MIN_SEEK_FRAMES", 5)


def resumed(reader: Reader, whole: list[Frame], done: int) -> list[Frame]:
    """The frames from number `done` on, found by seeking; fails where the film was decoded from its start instead."""
    skipped: list[int] = []
    reader.on_skip = skipped.append
    checksums = [f.checksum() for f in whole[done - 4 : done]]
    rest = list(reader.frames(done, checksums, whole[done - 1].statistics, whole[0].pts))
    assert max(skipped) < done - 1, "not found by seeking"
    return rest


@pytest.mark.usefixtures("seeks")
def test_damage_after_the_resumed_position_is_counted(tmp_path: Path) -> None:
    """A resumed run skipped damaged packets silently, even with --strict; those before are counted once."""
    path = make_film(tmp_path / "film.mov", codec="png", pix_fmt="rgb24", frames=80)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(video=0) if p.size]
    for number in (30, 50, 60):
        place = data.find(packets[number])
        data[place : place + 200] = bytes(200)
    path.write_bytes(data)
    info, uninterrupted = probe(path), Reader(probe(path))
    whole = list(uninterrupted.frames())
    reader = Reader(info)
    rest = resumed(reader, whole, 45)
    assert [f.pts for f in rest] == [f.pts for f in whole[45:]]
    assert reader.statistics == uninterrupted.statistics
    assert reader.statistics.undecodable == 3
    with pytest.raises(MediaError, match="switch strict reading off"):
        resumed(Reader(info, strict=True), whole, 28)


@pytest.mark.usefixtures("seeks")
@pytest.mark.parametrize("start", [None, "1.2"])
@pytest.mark.parametrize("duration", ["2.0", "f50"])
def test_a_duration_counts_from_the_start_of_the_part(tmp_path: Path, start: str | None, duration: str) -> None:
    """A --duration of a minute, interrupted after 50 seconds and resumed, became 110 seconds."""
    info = probe(make_film(tmp_path / "film.mp4", codec="libx264", frames=100, options={"g": "10", "bf": "2"}))
    asked = {"start": start and parse_time(start), "duration": parse_time(duration)}
    whole = list(Reader(info, **asked).frames())
    assert len(whole) == 50
    rest = resumed(Reader(info, **asked), whole, 45)
    assert [(f.number, f.pts) for f in rest] == [(f.number, f.pts) for f in whole[45:]]


def test_a_part_of_a_raw_stream_ends_at_its_end(tmp_path: Path) -> None:
    """Timestamps of a part of a raw stream began at zero, so its `--end` came too late."""
    info = probe(make_film(tmp_path / "film.h264", codec="libx264", frames=40))
    part = list(Reader(info, parse_time("0.4"), parse_time("1.2")).frames())
    assert [f.pts for f in part] == [f.pts for f in list(Reader(info).frames())[10:30]]


@pytest.mark.usefixtures("seeks")
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_a_truncated_film_is_noticed_after_seeking(tmp_path: Path, name: str) -> None:
    """A resumed run, or a part, of a truncated film ended early without a warning."""
    options = {"movflags": "faststart"} if name == "film.mp4" else {}
    path = make_film(tmp_path / name, codec="mpeg4", frames=100, container_options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    uninterrupted = Reader(probe(path))
    whole = list(uninterrupted.frames())
    assert uninterrupted.statistics.missing > 20
    reader = Reader(probe(path))
    assert resumed(reader, whole, 40)
    assert reader.statistics.missing == uninterrupted.statistics.missing
    part = Reader(probe(path), parse_time("1.4"))
    assert list(part.frames())
    assert part.statistics.missing == uninterrupted.statistics.missing


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts"])
@pytest.mark.parametrize("start", ["999999999999999", "f999999999999999"])
def test_a_start_beyond_all_numbers_gives_no_frame(tmp_path: Path, name: str, start: str) -> None:
    """Seeking there was an OverflowError."""
    info = probe(make_film(tmp_path / name, codec="libx264", frames=5))
    assert list(Reader(info, parse_time(start)).frames()) == []
