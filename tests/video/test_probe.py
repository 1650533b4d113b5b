"""Probing: which stream is the film, and what is refused."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from colormnet_cli.errors import MediaError
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader
from support.films import make_film


def test_the_cover_is_not_the_film(tmp_path: Path) -> None:
    """A cover picture is a video stream too: it would be colored instead of the film."""
    import cv2

    cover = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    path = make_film(tmp_path / "film.mp4", codec="libx264", cover=cover)
    info = probe(path)
    assert info.codec == "h264"
    assert [s.attached_picture for s in info.streams] == [False, True]


def test_hdr_is_refused_and_interlacing_and_color_are_noticed(tmp_path: Path) -> None:
    """PQ read as gamma would give a dark, dull film; the others need a warning."""
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
def test_what_is_not_a_film_is_one_error(tmp_path: Path, content: bytes) -> None:
    """A text file named .mp4, a missing file or a folder ends in one sentence, not a traceback."""
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"film\.mp4"):
        probe(path)
    with pytest.raises(MediaError, match="does not exist"):
        probe(tmp_path / "missing.mp4")
    with pytest.raises(MediaError, match="folder"):
        probe(tmp_path)


def test_audio_alone_is_not_a_film(tmp_path: Path) -> None:
    """An audio file ends in one sentence that says what it holds."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(MediaError, match="only audio"):
        probe(path)


def test_a_file_with_only_a_cover_is_reported_as_such(tmp_path: Path) -> None:
    """ "No video stream, only audio and video" is no help to someone who gave an album instead of a film."""
    picture = av.CodecContext.create("mjpeg", "w")
    picture.width, picture.height, picture.pix_fmt, picture.time_base = 64, 48, "yuvj420p", Fraction(1)
    path = tmp_path / "album.mp4"
    with av.open(str(path), "w") as out:
        sound, cover = out.add_stream("aac", rate=48000), out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        packet = picture.encode(av.VideoFrame(64, 48, "yuvj420p"))[0]
        packet.stream = cover
        out.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        out.mux([*sound.encode(frame), *sound.encode(None)])
    with pytest.raises(MediaError, match="no video stream, only a cover picture and audio"):
        probe(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "film.mp4")
    with pytest.raises(MediaError, match="not a regular file"):
        probe(tmp_path / "film.mp4")


def test_a_playlist_is_refused(tmp_path: Path) -> None:
    """Its permissions, which FFmpeg's error named, are not what is wrong with it."""
    film = make_film(tmp_path / "film.mp4", codec="libx264", frames=2)
    playlist = tmp_path / "list.ffconcat"
    playlist.write_text(f"ffconcat version 1.0\nfile {film}\n")
    with pytest.raises(MediaError, match="refers to other files"):
        probe(playlist)


def test_an_absurd_frame_rate_is_refused(tmp_path: Path) -> None:
    """A frame of 60 years failed while muxing, after all frames were colored."""
    path = tmp_path / "slow.y4m"
    frame = b"FRAME\n" + bytes([100]) * 64 * 48 + bytes([128]) * 64 * 24
    path.write_bytes(b"YUV4MPEG2 W64 H48 F1:2000000000 Ip A1:1 C420jpeg\n" + frame * 3)
    with pytest.raises(MediaError, match="correct its frame rate"):
        probe(path)
