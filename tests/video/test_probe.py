"""Probing: which stream is the film, and what is refused."""

from __future__ import annotations

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
