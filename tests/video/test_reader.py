"""Reading films: what comes out is every frame, at its own instant, its luma untouched."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from colormnet_cli.errors import MediaError
from colormnet_cli.timecode import parse_time
from colormnet_cli.video.pixel_formats import build_frame, convert_luma, luma_plane, pixel_layout
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader
from colormnet_cli.video.rgb import frame_at
from support.films import Film, frames_of, make_film, picture

PLANAR = [
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuv420p10le",
    "yuv422p10le",
    "yuv444p10le",
    "gray",
    "gray10le",
    "yuv420p12le",
]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", PLANAR)
def test_luma_comes_out_bit_for_bit(tmp_path: Path, pix_fmt: str, full: bool) -> None:
    """A luma that the decoder's wrapper rounds or rescales would darken every film."""
    path = make_film(tmp_path / "film.mkv", pix_fmt=pix_fmt, full_range=full, frames=3)
    info = probe(path)
    assert info.full_range == full
    for number, (_, luma) in enumerate(frames_of(path)):
        assert np.array_equal(luma, picture(number, 48, 64, info.layout.bits, full))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("film.nut", "rawvideo", "rgb24"), ("film.mov", "png", "pal8"), ("film.avi", "rawvideo", "yuyv422"),
     ("film.mov", "png", "rgb24"), ("film.nut", "rawvideo", "nv12"), ("film.nut", "rawvideo", "yuv420p10be"),
     ("film.nut", "rawvideo", "gray16be")],
)  # fmt: skip
def test_odd_formats_give_the_luma_they_hold(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    """Gray in RGB, palettes, packed or big-endian formats is the same gray afterwards."""
    path = tmp_path / name
    layout = pixel_layout(pix_fmt)
    planar = {16: "gray16le", 10: "yuv420p10le"}.get(layout.bits, "yuv422p" if pix_fmt == "yuyv422" else "yuv420p")
    luma = picture(5, 48, 64, layout.bits, layout.kind != "yuv")
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        if pix_fmt == "pal8":
            palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, 1)
            palette[:, 0] = 255  # opaque
            frame = av.VideoFrame.from_ndarray((luma, palette), "pal8")
        elif layout.kind == "rgb":
            frame = av.VideoFrame.from_ndarray(np.repeat(luma[..., None], 3, -1), "rgb24")
        else:
            frame = av.VideoFrame(64, 48, planar)
            for i, plane in enumerate(frame.planes):
                rows = np.frombuffer(plane, luma.dtype).reshape(plane.height, -1)
                rows[:, : plane.width] = luma if i == 0 else 1 << (layout.bits - 1)
        out.mux(stream.encode(frame if pix_fmt == "pal8" else frame.reformat(format=pix_fmt)))
        out.mux(stream.encode(None))
    assert np.array_equal(frames_of(path)[0][1], luma)


def test_interleaved_planes_are_taken_apart_exactly() -> None:
    """What hardware decoders give: 10 bits in the upper end of 16."""
    luma = picture(1, 48, 64, 10)
    frame = build_frame("yuv420p10le", (luma, *[np.full((24, 32), 512, np.uint16)] * 2)).reformat(format="p010le")
    assert np.array_equal(luma_plane(frame, pixel_layout("p010le"), "bt709"), luma)


def test_luma_of_colour_is_that_of_the_matrix(tmp_path: Path) -> None:
    """Green weighs more than blue; a wrong matrix would shift every gray of a scanned RGB film."""
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    path = tmp_path / "red.nut"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(red, "rgb24")))
    info = probe(path)
    reader = Reader(info)
    assert [int(f.luma[0, 0]) for f in reader.frames()] == [round(0.299 * 200)]
    assert reader.statistics.colored


VFR = [0, 3000, 7000, 7500, 20000, 20010, 40000, 50000, 51000, 60000, 60001, 90000]


@pytest.mark.parametrize(
    "film",
    [Film(codec="libx264", time_base=Fraction(1, 90000), pts=VFR),
     Film(codec="libx264", time_base=Fraction(1, 90000), pts=[288000 + i * 3600 for i in range(12)]),
     Film(codec="libx264", rate=Fraction(30000, 1001), frames=40, options={"bf": "3"}),
     Film(codec="mpeg4", frames=20, options={"bf": "2"})],
    ids=["variable", "starts at 3.2 s", "30000/1001 with B-frames", "mpeg4"],
)  # fmt: skip
def test_instants_are_those_of_the_film(tmp_path: Path, film: Film) -> None:
    """A frame shown at another time takes picture and sound apart."""
    path = make_film(tmp_path / "film.mp4", film)
    unit = film.time_base or 1 / film.rate
    wanted = [(film.pts[i] if film.pts else i) * unit for i in range(film.frames)]
    assert [t for t, _ in frames_of(path)] == wanted


def test_what_an_edit_list_cuts_away_stays_away(tmp_path: Path) -> None:
    """Frames before the edit's beginning are in the file, and are not shown."""
    path = make_film(tmp_path / "film.mp4", codec="libx264", frames=24, pts=range(-4, 20), options={"bf": "2"})
    with av.open(str(path)) as container:
        assert sum(bool(p.size) for p in container.demux(video=0)) == 24
    reader = Reader(probe(path))
    assert [f.pts * reader.info.time_base for f in reader.frames()] == [Fraction(i, 25) for i in range(20)]
    assert reader.statistics == type(reader.statistics)()


def test_an_instant_that_comes_again_moves_no_other_frame(tmp_path: Path) -> None:
    """A capture card that stamps frames twice made the picture lag behind the sound, more with every such frame."""
    instants = [0, 40, 40, 80, 120, 120, 160]
    once = make_film(tmp_path / "once.mkv", codec="mjpeg", pix_fmt="yuvj420p", full_range=True, frames=7)
    with av.open(str(once)) as source, av.open(str(tmp_path / "film.mkv"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet, instant in zip(source.demux(video=0), instants, strict=False):
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = instant
            out.mux(packet)
    reader = Reader(probe(tmp_path / "film.mkv"))
    assert [frame.pts for frame in reader.frames()] == [0, 40, 41, 80, 120, 121, 160]
    assert reader.statistics.retimed == 2


def test_b_frames_in_an_avi_stay_one_step_apart(tmp_path: Path) -> None:
    """An AVI stores instants of decoding only; FFmpeg's guesses at the others made the picture lag behind the sound."""
    film = make_film(tmp_path / "film.avi", codec="libx264", frames=40)
    reader = Reader(probe(film))
    shown = [frame.pts for frame in reader.frames()]
    assert shown == [*range(shown[0], shown[0] + 40)]
    assert list(reader.statistics.warnings()) == []


def test_a_raw_stream_runs_at_its_rate(tmp_path: Path) -> None:
    """What a camera writes without a container has no instants at all: it was refused."""
    film = make_film(tmp_path / "film.h264", codec="libx264", frames=40)
    info = probe(film)
    for start, first in ((None, 0), ("1", 25), ("f30", 30)):
        reader = Reader(info, parse_time(start) if start else None)
        frames = list(reader.frames())
        assert [round((f.pts - frames[0].pts) * info.time_base * 25, 3) for f in frames] == [*range(40 - first)]
        assert np.abs(frames[0].luma.astype(int) - picture(first, 48, 64)).mean() < 8
        assert reader.statistics.retimed == len(frames)
    assert np.abs(frame_at(film, parse_time("1.2"))[..., 0] / 255 * 219 + 16 - picture(30, 48, 64)).mean() < 8


def test_frames_before_the_first_instant_are_counted_back_from_it(tmp_path: Path) -> None:
    """A broadcast that is joined late says no instants at first: its picture came too late by as many frames."""
    film = make_film(tmp_path / "film.ts", codec="libx264", frames=20, options={"bf": "0"})
    whole = [instant for instant, _ in frames_of(film)]
    data, at = bytearray(film.read_bytes()), 0
    for _ in range(8):
        at = data.index(b"\0\0\1\xe0", at + 1)  # a packet of video
        data[at + 7] &= 0x3F  # it has no instant
        data[at + 9 : at + 9 + data[at + 8]] = b"\xff" * data[at + 8]
    film.write_bytes(data)
    assert [instant for instant, _ in frames_of(film)] == whole


def test_a_damaged_last_packet_costs_no_other_frame(tmp_path: Path) -> None:
    """Frame threads drop what follows an error while they are emptied; those frames are fetched again."""
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


def test_a_cut_film_is_noticed(tmp_path: Path) -> None:
    """Half a film that passes for a whole one is found out when it is too late."""
    for name, options in (("film.mkv", {}), ("film.mp4", {"movflags": "faststart"})):
        path = make_film(tmp_path / name, codec="mpeg4", frames=40, container_options=options)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        reader = Reader(probe(path))
        frames = list(reader.frames())
        assert 3 < len(frames) < 39
        assert reader.statistics.missing + reader.statistics.undecodable == 40 - len(frames)
        with pytest.raises(MediaError, match="switch strict reading off"):
            list(Reader(probe(path), strict=True).frames())


@pytest.mark.parametrize("pts", [None, [*range(0, 120, 40), *range(500, 860, 40)]], ids=["even", "with a pause"])
def test_a_whole_film_with_a_fine_clock_is_not_called_cut(tmp_path: Path, pts: list[int] | None) -> None:
    """An AVI of a thousand ticks a second, forty a frame: the last frame's forty are not forty lost frames."""
    film = make_film(tmp_path / "film.avi", codec="mjpeg", pix_fmt="yuvj420p", time_base=Fraction(1, 1000), pts=pts)
    reader = Reader(probe(film))
    assert len(list(reader.frames())) == 12
    assert reader.statistics.missing == 0


def test_the_cover_is_not_the_film(tmp_path: Path) -> None:
    """A cover picture is a video stream too."""
    import cv2

    cover = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    path = make_film(tmp_path / "film.mp4", codec="libx264", cover=cover)
    info = probe(path)
    assert info.codec == "h264"
    assert [s.attached_picture for s in info.streams] == [False, True]


def test_hdr_is_refused_and_interlace_and_colour_are_noticed(tmp_path: Path) -> None:
    """PQ read as gamma would give a dark, dull film."""
    for transfer, name in ((16, "PQ"), (18, "HLG")):
        with pytest.raises(MediaError, match=name):
            probe(make_film(tmp_path / "hdr.mkv", codec="libx265", pix_fmt="yuv420p10le", transfer=transfer, frames=2))
    reader = Reader(probe(make_film(tmp_path / "color.mkv", color=True, frames=2)))
    list(reader.frames())
    assert reader.statistics.colored
    reader = Reader(
        probe(make_film(tmp_path / "fields.mp4", codec="libx264", options={"flags": "+ildct+ilme"}, frames=2))
    )
    list(reader.frames())
    assert reader.statistics.interlaced
    assert not reader.statistics.colored


@pytest.mark.parametrize("content", [b"", b"not a film\n" * 100])
def test_what_is_no_film_is_said(tmp_path: Path, content: bytes) -> None:
    """A text file named .mp4 ends in a sentence."""
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"film\.mp4"):
        probe(path)
    with pytest.raises(MediaError, match="does not exist"):
        probe(tmp_path / "missing.mp4")
    with pytest.raises(MediaError, match="folder"):
        probe(tmp_path)


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    """An audio file has nothing to colour."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(MediaError, match="only audio"):
        probe(path)


def test_depth_and_range_change_by_rounding() -> None:
    """Eight bits in ten: black stays black, white white, and nothing is lost."""
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(convert_luma(codes, (8, 10), (False, False)), codes.astype(np.uint16) * 4)
    full = convert_luma(codes, (8, 8), (True, False))
    assert (full.min(), full.max()) == (16, 235)
    assert convert_luma(codes, (8, 8), (True, True)) is codes
