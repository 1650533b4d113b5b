"""Reading: every frame, at its own timestamp."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from colormnet_cli.errors import MediaError
from colormnet_cli.timecode import parse_time
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader
from colormnet_cli.video.rgb import frame_at
from support.films import Film, frames_of, make_film, picture

VFR = [0, 3000, 7000, 7500, 20000, 20010, 40000, 50000, 51000, 60000, 60001, 90000]


@pytest.mark.parametrize(
    "film",
    [Film(codec="libx264", time_base=Fraction(1, 90000), pts=VFR),
     Film(codec="libx264", time_base=Fraction(1, 90000), pts=[288000 + i * 3600 for i in range(12)]),
     Film(codec="libx264", rate=Fraction(30000, 1001), frames=40, options={"bf": "3"}),
     Film(codec="mpeg4", frames=20, options={"bf": "2"})],
    ids=["variable", "starts at 3.2 s", "30000/1001 with B-frames", "mpeg4"],
)  # fmt: skip
def test_timestamps_are_those_of_the_film(tmp_path: Path, film: Film) -> None:
    """A frame shown at another time puts picture and audio out of sync."""
    path = make_film(tmp_path / "film.mp4", film)
    unit = film.time_base or 1 / film.rate
    wanted = [(film.pts[i] if film.pts else i) * unit for i in range(film.frames)]
    assert [t for t, _ in frames_of(path)] == wanted


def test_frames_hidden_by_an_edit_list_are_skipped(tmp_path: Path) -> None:
    """Frames before the edit's start are in the file, but players do not show them."""
    path = make_film(tmp_path / "film.mp4", codec="libx264", frames=24, pts=range(-4, 20), options={"bf": "2"})
    with av.open(str(path)) as container:
        assert sum(bool(p.size) for p in container.demux(video=0)) == 24
    reader = Reader(probe(path))
    assert [f.pts * reader.info.time_base for f in reader.frames()] == [Fraction(i, 25) for i in range(20)]
    assert reader.statistics == type(reader.statistics)()


def restamped(film: Path, output: Path, timestamps: list[int]) -> Path:
    """The film with these timestamps, in milliseconds."""
    with av.open(str(film)) as source, av.open(str(output), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet, timestamp in zip(source.demux(video=0), timestamps, strict=False):
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = timestamp
            packet.dts = min(timestamp, *timestamps[timestamps.index(timestamp) :])  # the muxer wants these in order
            out.mux(packet)
    return output


def test_a_repeated_timestamp_moves_no_other_frame(tmp_path: Path) -> None:
    """A capture card that repeats timestamps made the picture lag behind the audio, more with every such frame."""
    once = make_film(tmp_path / "once.mkv", codec="mjpeg", pix_fmt="yuvj420p", full_range=True, frames=7)
    reader = Reader(probe(restamped(once, tmp_path / "film.mkv", [0, 40, 40, 80, 120, 120, 160])))
    assert [frame.pts for frame in reader.frames()] == [0, 40, 41, 80, 120, 121, 160]
    assert reader.statistics.retimed == 2


@pytest.mark.parametrize("late", [{20: 600_000}, {20: 600_000, 21: 600_040}, {20: 1500}, {20: 600_000, 60: 100}])
def test_a_late_timestamp_moves_no_other_frame(tmp_path: Path, late: dict[int, int]) -> None:
    """One frame stamped ten minutes late took all frames after it along, and the picture out of sync."""
    stamps = [number * 40 for number in range(100)]
    film = make_film(tmp_path / "film.mkv", codec="mjpeg", pix_fmt="yuvj420p", full_range=True, frames=100)
    damaged = restamped(film, tmp_path / "damaged.mkv", [late.get(n, t) for n, t in enumerate(stamps)])
    reader = Reader(probe(damaged))
    shown = [frame.pts for frame in reader.frames()]
    assert [t for n, t in enumerate(shown) if n not in late] == [t for n, t in enumerate(stamps) if n not in late]
    assert shown == sorted(set(shown))
    assert (reader.statistics.retimed, reader.statistics.missing) == (len(late), 0)
    assert np.array_equal(frame_at(damaged, parse_time("2")), frame_at(film, parse_time("2")))


def test_b_frames_in_an_avi_stay_one_step_apart(tmp_path: Path) -> None:
    """AVI stores decoding timestamps only; FFmpeg's guesses of the others made the picture lag behind the audio."""
    film = make_film(tmp_path / "film.avi", codec="libx264", frames=40)
    reader = Reader(probe(film))
    shown = [frame.pts for frame in reader.frames()]
    assert shown == [*range(shown[0], shown[0] + 40)]
    assert list(reader.statistics.warnings()) == []


def test_a_raw_stream_runs_at_its_rate(tmp_path: Path) -> None:
    """A raw H.264 stream has no timestamps at all: it was refused."""
    film = make_film(tmp_path / "film.h264", codec="libx264", frames=40)
    info = probe(film)
    for start, first in ((None, 0), ("1", 25), ("f30", 30)):
        reader = Reader(info, parse_time(start) if start else None)
        frames = list(reader.frames())
        assert [round((f.pts - frames[0].pts) * info.time_base * 25, 3) for f in frames] == [*range(40 - first)]
        assert np.abs(frames[0].luma.astype(int) - picture(first, 48, 64)).mean() < 8
        assert reader.statistics.retimed == len(frames)
    assert np.abs(frame_at(film, parse_time("1.2"))[..., 0] / 255 * 219 + 16 - picture(30, 48, 64)).mean() < 8


def test_frames_before_the_first_timestamp_are_placed_before_it(tmp_path: Path) -> None:
    """A broadcast recording may begin without timestamps: its picture came too late by as many frames."""
    film = make_film(tmp_path / "film.ts", codec="libx264", frames=20, options={"bf": "0"})
    whole = [seconds for seconds, _ in frames_of(film)]
    data, at = bytearray(film.read_bytes()), 0
    for _ in range(8):
        at = data.index(b"\0\0\1\xe0", at + 1)  # a packet of video
        data[at + 7] &= 0x3F  # it has no timestamp
        data[at + 9 : at + 9 + data[at + 8]] = b"\xff" * data[at + 8]
    film.write_bytes(data)
    assert [seconds for seconds, _ in frames_of(film)] == whole


def test_a_damaged_last_packet_costs_no_other_frame(tmp_path: Path) -> None:
    """Frame threads drop frames after an error while they are flushed: a film would lose its last frames."""
    path = make_film(tmp_path / "film.mov", codec="png", pix_fmt="rgb24", frames=12)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    place = data.find(bytes(packets[-3]))
    data[place : place + 200] = bytes(200)
    path.write_bytes(data)
    reader = Reader(probe(path))
    shown = [f.pts * reader.info.time_base for f in reader.frames()]
    assert shown == [Fraction(i, 25) for i in range(12) if i != 9]
    assert reader.statistics.undecodable == 1


def test_a_truncated_film_is_noticed(tmp_path: Path) -> None:
    """Half a film that passes for a whole one would be noticed too late."""
    for name, options in (("film.mkv", {}), ("film.mp4", {"movflags": "faststart"})):
        path = make_film(tmp_path / name, codec="mpeg4", frames=40, container_options=options)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        reader = Reader(probe(path))
        frames = list(reader.frames())
        assert 3 < len(frames) < 39
        assert reader.statistics.missing + reader.statistics.undecodable == 40 - len(frames)
        with pytest.raises(MediaError, match="switch strict reading off"):
            list(Reader(probe(path), strict=True).frames())


def without_clusters(film: Path, numbers: Iterable[int]) -> Path:
    """The Matroska film with these of its clusters overwritten by zeros."""
    data = bytearray(film.read_bytes())
    starts = [match.start() for match in re.finditer(re.escape(b"\x1f\x43\xb6\x75"), data)]
    for number in numbers:
        begin, end = starts[number : number + 2]
        data[begin:end] = bytes(end - begin)
    film.write_bytes(data)
    return film


SHORT_CLUSTERS = {"cluster_time_limit": "400"}  # milliseconds


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_frames_lost_in_the_middle_are_noticed(tmp_path: Path, rate: Fraction) -> None:
    """A quarter of the frames was lost in two holes of a file, and even `--strict` said nothing."""
    film = Film(codec="mpeg4", frames=100, rate=rate, container_options=SHORT_CLUSTERS)
    damaged = without_clusters(make_film(tmp_path / "film.mkv", film), (2, 5))
    reader = Reader(probe(damaged))
    lost = 100 - len(list(reader.frames()))
    assert lost > 10
    counts = reader.statistics
    assert abs(counts.missing_between + counts.undecodable - lost) <= 1
    assert any("has gaps: about" in warning for warning in counts.warnings())
    with pytest.raises(MediaError, match=r"are missing before|cannot be decoded"):
        list(Reader(probe(damaged), strict=True).frames())


def test_the_container_s_count_of_frames_is_compared(tmp_path: Path) -> None:
    """A film without a rhythm has no gaps to see; mkvmerge writes how many frames there are."""
    film = make_film(
        tmp_path / "film.mkv", codec="mpeg4", frames=60, time_base=Fraction(1, 1000), options={"g": "5"},
        pts=[40 * n + n * n % 19 for n in range(60)], container_options=SHORT_CLUSTERS,
    )  # fmt: skip
    tagged = tmp_path / "tagged.mkv"
    with av.open(str(film)) as source, av.open(str(tagged), "w", container_options=SHORT_CLUSTERS) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.metadata["NUMBER_OF_FRAMES"] = "60"
        for packet in (p for p in source.demux(video=0) if p.size):
            packet.stream = stream
            out.mux(packet)
    reader = Reader(probe(without_clusters(tagged, [2])))
    kept = len(list(reader.frames()))
    assert kept < 60
    assert reader.statistics.missing_between == 0, "FFmpeg's files keep this tag when they are cut"
    tagged.write_bytes(tagged.read_bytes().replace(b"Lavf", b"mkvm"))
    reader = Reader(probe(tagged))
    assert len(list(reader.frames())) == kept
    assert reader.statistics.missing_between + reader.statistics.undecodable == 60 - kept


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4"])
def test_pauses_are_not_lost_frames(tmp_path: Path, name: str) -> None:
    """Screen recordings and phones leave frames out: a warning at each such film would be ignored."""
    uneven = [number * 40 + sum(number > pause for pause in range(0, 100, 9)) * 200 for number in range(100)]
    once = [number * 40 + (number > 50) * 1000 for number in range(100)]
    for stamps in (uneven, once if name == "film.mp4" else uneven):
        film = make_film(tmp_path / name, codec="mpeg4", frames=100, time_base=Fraction(1, 1000), pts=stamps)
        reader = Reader(probe(film), strict=True)
        assert len(list(reader.frames())) == 100
        assert list(reader.statistics.warnings()) == []


@pytest.mark.parametrize("pts", [None, [*range(0, 120, 40), *range(500, 860, 40)]], ids=["even", "with a pause"])
def test_a_film_with_a_fine_time_base_is_not_called_truncated(tmp_path: Path, pts: list[int] | None) -> None:
    """An AVI with 1000 ticks a second has 40 a frame: at its end they would count as 40 missing frames."""
    film = make_film(tmp_path / "film.avi", codec="mjpeg", pix_fmt="yuvj420p", time_base=Fraction(1, 1000), pts=pts)
    reader = Reader(probe(film))
    assert len(list(reader.frames())) == 12
    assert reader.statistics.missing == 0
