"""Comparison films: which result is where in the picture, at which timestamps, with which sound."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from colormnet_cli.cli import main
from colormnet_cli.errors import MediaError, OutputError, UsageError
from colormnet_cli.evaluation.compare import CompareSettings, compare
from colormnet_cli.evaluation.grid import GAP
from colormnet_cli.video.rgb import RgbFilm
from support.films import make_film

RED, BLUE = (200, 40, 30), (30, 60, 200)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with sound and uneven timestamps; a red and a blue result, one a film, one a folder."""
    folder = tmp_path_factory.mktemp("compare")
    pts = [0, 40, 80, 160, 200, 240, 280, 360, 400, 440]
    make_film(
        folder / "old.mkv", frames=10, width=96, height=64, codec="libx264", time_base=Fraction(1, 1000), pts=pts,
        audio=(("aac", "deu"), ("flac", "eng")), metadata={"title": "Old"},
    )  # fmt: skip
    (folder / "red").mkdir()
    for number in range(10):
        cv2.imwrite(str(folder / "red" / f"{number}.png"), np.full((64, 96, 3), RED[::-1], np.uint8))
    with av.open(str(folder / "blue.mkv"), "w") as out:
        video = out.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "bgr0"
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), BLUE, np.uint8), format="rgb24")
            out.mux(video.encode(picture.reformat(format="bgr0")))
        out.mux(video.encode(None))
    return folder


def near(pixel: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - color).max() <= 12)  # of a lossy codec


def timestamps(path: Path, kind: str) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [p.pts * p.time_base for p in container.demux(stream) if p.pts is not None]


def test_side_by_side_with_the_inputs_sound(world: Path, tmp_path: Path) -> None:
    """Results would be mixed up, out of step with the sound, or mute."""
    out = tmp_path / "grid.mkv"
    settings = CompareSettings(with_input=True)
    done = compare([world / "red", world / "blue.mkv"], world / "old.mkv", out, settings=settings)
    assert (done.frames, done.width, done.height) == (10, 3 * 96 + 2 * GAP, 64)
    frames = list(RgbFilm(out))
    assert len(frames) == 10
    for frame in frames:
        gray, red, blue = (frame[50, x] for x in (48, 100 + 48, 200 + 48))
        assert int(gray.max()) - int(gray.min()) <= 10
        assert near(red, RED)
        assert near(blue, BLUE)
    assert sorted(timestamps(out, "video")) == sorted(timestamps(world / "old.mkv", "video"))
    assert timestamps(out, "audio") == timestamps(world / "old.mkv", "audio")
    with av.open(str(out)) as container:
        assert [(s.codec_context.name, s.metadata["language"]) for s in container.streams.audio] == [
            ("aac", "deu"),
            ("flac", "eng"),
        ]
        assert container.metadata["title"] == "Old"
    assert done.output.path == str(out)
    assert [p.name for p in tmp_path.iterdir()] == ["grid.mkv"]


def test_split_by_a_line_that_moves(world: Path, tmp_path: Path) -> None:
    """The line would stand still, or the sides would be exchanged."""
    out = tmp_path / "split.mkv"
    settings = CompareSettings(split=True, seconds=0.4, labels=("A", "B"), codec="ffv1")
    compare([world / "red", world / "blue.mkv"], world / "old.mkv", out, settings=settings)
    frames = list(RgbFilm(out))
    assert frames[0].shape == (64, 96, 3)
    shares = [np.mean([near(pixel, RED) for pixel in frame[50]]) for frame in frames]
    others = [np.mean([near(pixel, BLUE) for pixel in frame[50]]) for frame in frames]
    assert shares[0] == pytest.approx(0.5, abs=0.06)
    assert max(shares) > 0.9
    assert min(shares) < 0.1
    assert all(0.85 < a + b <= 1 for a, b in zip(shares, others, strict=True))  # the rest is the line
    middle = frames[0][50]
    assert near(middle[10], RED)
    assert near(middle[85], BLUE)


def test_what_does_not_fit_is_an_error(world: Path, tmp_path: Path) -> None:
    """A film would be compared with another film's result, or half a grid would be left behind."""
    make_film(tmp_path / "short.mkv", frames=7, width=96, height=64)
    make_film(tmp_path / "square.mkv", frames=10, width=64, height=64)
    out, old = tmp_path / "out.mp4", world / "old.mkv"
    for results, settings, kind, said in (
        ([tmp_path / "short.mkv"], {}, MediaError, r"short\.mkv ends before frame 7"),
        ([tmp_path / "square.mkv"], {}, MediaError, r"square\.mkv is 64×64"),
        ([world / "red"] * 3, {"split": True}, UsageError, "not 3: give two"),
        ([world / "red"], {"labels": ("a", "b")}, UsageError, "2 labels for 1 result:"),
        ([world / "red"] * 2, {"labels": ("a",)}, UsageError, "1 label for 2 results:"),
        ([], {}, UsageError, "at least one"),
    ):
        with pytest.raises(kind, match=said):
            compare(results, old, out, settings=CompareSettings(**settings))
        assert sorted(p.name for p in tmp_path.iterdir()) == ["short.mkv", "square.mkv"]
    with pytest.raises(UsageError, match="extensions"):
        compare([world / "red"], old, tmp_path / "out.txt")
    out.write_bytes(b"mine")
    with pytest.raises(OutputError, match="overwrite=True"):
        compare([world / "red"], old, out)
    assert out.read_bytes() == b"mine"
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="seconds"):
            CompareSettings(seconds=seconds)


def test_the_error_of_a_damaged_film_names_no_option_of_another_command(world: Path, tmp_path: Path) -> None:
    """`compare` has no --strict that could be left out: the advice would be useless."""
    film = bytearray((world / "old.mkv").read_bytes())
    with av.open(str(world / "old.mkv")) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    at = film.index(bytes(packets[4])[:40])
    film[at : at + packets[4].size] = b"\0" * packets[4].size
    (tmp_path / "old.mkv").write_bytes(film)
    with pytest.raises(MediaError, match=r"old\.mkv: .*: give an intact file\.$") as error:
        compare([world / "red"], tmp_path / "old.mkv", tmp_path / "out.mp4")
    assert "--strict" not in str(error.value)


def test_a_folder_that_cannot_be_written_is_an_error(world: Path, tmp_path: Path) -> None:
    """It would end in a traceback after everything was drawn."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        compare([world / "red"], world / "old.mkv", tmp_path / "file" / "a.mp4")
    if os.access("/proc", os.R_OK):
        with pytest.raises(OutputError):
            compare([world / "red"], world / "old.mkv", "/proc/a.mp4")


def test_command(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command would not do what its help says."""
    out = tmp_path / "a.mp4"
    arguments = ["compare", world / "red", world / "blue.mkv", "--input", world / "old.mkv", "-o", out, "--json"]
    with pytest.raises(SystemExit) as ended:
        main(
            [
                str(a)
                for a in (*arguments, "--label", "one", "--label", "two", "--preset", "ultrafast", "--audio", "none")
            ]
        )
    shown = capsys.readouterr()
    assert not ended.value.code, shown.err
    values = json.loads(shown.out)
    assert (values["frames"], values["settings"]["labels"]) == (10, ["one", "two"])
    with av.open(str(out)) as container:
        assert [s.type for s in container.streams] == ["video"]
