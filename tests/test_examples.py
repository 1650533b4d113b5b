"""The bundled clip, and one example script for each use of the Python API."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import cv2
import pytest

from support.clips import write_frames

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other

EXAMPLES = Path(__file__).parent.parent / "examples"
FILM, IMAGE = EXAMPLES / "street.mp4", EXAMPLES / "street.jpg"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a script in an empty folder; returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def script(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return script


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A film of the first ten frames of street.mp4, to be fast."""
    import av

    path = tmp_path_factory.mktemp("short") / "short.mp4"
    with av.open(str(FILM)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number == 10:
                break
            target.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")))
        target.mux(stream.encode(None))
    return path


def saturation(path):
    film = cv2.VideoCapture(str(path))
    frame = film.read()[1]
    return cv2.cvtColor(frame, cv2.COLOR_BGR2HSV)[..., 1].mean()


@pytest.mark.slow
def test_film(run, short):
    """The shortest script, which everybody tries first, would fail."""
    assert "10 frames" in run("film.py", short, IMAGE, "out.mp4")
    assert saturation("out.mp4") > 40 > saturation(short)


def test_frame_by_frame(run):
    """Someone who uses the network alone would have no working example."""
    lines = run("frame_by_frame.py", 3).splitlines()
    assert len(lines) == 3
    assert Path("street.state").exists()


@pytest.mark.slow
def test_own_decoder(run, short):
    """Someone who has their own decoder would have no working example, or one that writes gray frames."""
    assert "10 frames" in run("own_decoder.py", short, IMAGE, "out.mp4")
    assert saturation("out.mp4") > 40


@pytest.mark.slow
def test_several_references(run, short):
    """Several reference images would be refused, or have no effect."""
    run("several_references.py", short, "out.mp4", IMAGE, IMAGE)
    assert saturation("out.mp4") > 40


@pytest.mark.parametrize("name", ["film.py", "own_decoder.py", "several_references.py", "train_on_a_film.py"])
def test_missing_arguments(run, name):
    """A script started without its arguments would end in a traceback instead of its usage."""
    with pytest.raises(SystemExit, match=f"python examples/{name} "):
        run(name, "one")


@pytest.mark.slow
def test_training(run, tmp_path):
    """Fine-tuning from Python would fail, or leave no weights."""
    film = write_frames(tmp_path / "film", 10)
    assert "best validation" in run("train_on_a_film.py", "run", 1, film)
    assert (tmp_path / "run" / "best.pt").exists()


@pytest.mark.slow
def test_clip_can_be_drawn_again(run, tmp_path):
    """The origin of the clip in the repository could not be shown."""
    run("make_clip.py", tmp_path)
    assert FILM.stat().st_size < 500_000
    ours, theirs = (cv2.imread(str(folder / "street.jpg")) for folder in (tmp_path, EXAMPLES))
    assert cv2.absdiff(ours, theirs).mean() < 1
