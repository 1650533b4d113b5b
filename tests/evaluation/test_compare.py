"""Comparison films: what is where on the grid, at which instant, with which sound."""

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
from colormnet_cli.evaluation.grid import GAP, WIDEST, plan_grid
from colormnet_cli.video.rgb import RgbFilm
from support.films import make_film

RED, BLUE = (200, 40, 30), (30, 60, 200)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with sound and uneven instants; a red and a blue result, one a film, one a folder."""
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


def instants(path: Path, kind: str) -> list[Fraction]:
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
    assert sorted(instants(out, "video")) == sorted(instants(world / "old.mkv", "video"))
    assert instants(out, "audio") == instants(world / "old.mkv", "audio")
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


def test_labels_are_on_the_pictures() -> None:
    """Nobody could tell which result is which."""
    grid = plan_grid(["first", "Ünï 日本"], (120, 200))
    assert grid.labels == ("first", "Uni ??")
    plain = np.full((120, 200, 3), 120, np.uint8)
    drawn = grid.draw(0, [plain, plain])
    for left in (0, 200 + GAP):
        corner = drawn[:24, left : left + 40]
        assert corner.max() > 200
        assert corner.min() < 60
        assert (drawn[60:, left : left + 200] == 120).all()
    assert (plain == 120).all()  # the caller's pictures are not written on


@pytest.mark.parametrize(
    ("count", "columns", "size"), [(1, 1, (1, 1)), (2, 2, (1, 2)), (3, 3, (1, 3)), (4, 2, (2, 2)), (5, 3, (2, 3))]
)
def test_the_grid_has_room_for_all(count: int, columns: int, size: tuple[int, int]) -> None:
    """Pictures would cover each other, or the grid would be a ribbon that no player shows."""
    grid = plan_grid([str(i) for i in range(count)], (48, 64))
    rows, across = size
    assert grid.columns == columns
    assert grid.size == (rows * 48 + (rows - 1) * GAP, across * 64 + (across - 1) * GAP)
    pictures = [np.full((48, 64, 3), 40 + 40 * i, np.uint8) for i in range(count)]
    drawn = grid.draw(0, pictures)
    for i in range(count):
        row, column = divmod(i, columns)
        assert drawn[row * (48 + GAP) + 40, column * (64 + GAP) + 60, 0] == 40 + 40 * i


def test_large_films_are_reduced_to_what_players_take() -> None:
    """Three 4K results would make a film of 11,520 pixels that nothing can play."""
    grid = plan_grid(["a", "b", "c"], (2160, 3840))
    assert grid.size[1] <= WIDEST
    assert all(side % 2 == 0 for side in grid.size)
    assert abs(grid.tile[1] / grid.tile[0] - 16 / 9) < 0.01
    assert plan_grid(["a"], (135, 241)).tile == (136, 240)  # even, for 4:2:0
    assert plan_grid(["a", "b"], (480, 640), width=644).tile == (240, 320)


def test_what_does_not_fit_is_said(world: Path, tmp_path: Path) -> None:
    """A film would be compared with another film's result, or half a grid would be left behind."""
    make_film(tmp_path / "short.mkv", frames=7, width=96, height=64)
    make_film(tmp_path / "square.mkv", frames=10, width=64, height=64)
    out, old = tmp_path / "out.mp4", world / "old.mkv"
    for results, settings, kind, said in (
        ([tmp_path / "short.mkv"], {}, MediaError, r"short\.mkv ends before frame 7"),
        ([tmp_path / "square.mkv"], {}, MediaError, r"square\.mkv is 64×64"),
        ([world / "red"] * 3, {"split": True}, UsageError, "there are 3"),
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


def test_a_damaged_film_is_said_without_an_option_that_is_not_there(world: Path, tmp_path: Path) -> None:
    """`compare` has no --strict to leave out: whoever is told to would look for it in vain."""
    film = bytearray((world / "old.mkv").read_bytes())
    with av.open(str(world / "old.mkv")) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    at = film.index(bytes(packets[4])[:40])
    film[at : at + packets[4].size] = b"\0" * packets[4].size
    (tmp_path / "old.mkv").write_bytes(film)
    with pytest.raises(MediaError, match=r"old\.mkv: .*: give an intact file\.$") as error:
        compare([world / "red"], tmp_path / "old.mkv", tmp_path / "out.mp4")
    assert "--strict" not in str(error.value)


def test_a_folder_that_may_not_be_written_is_one_sentence(world: Path, tmp_path: Path) -> None:
    """It would end in a traceback after everything was drawn."""
    with pytest.raises(OutputError, match="does not exist"):
        compare([world / "red"], world / "old.mkv", tmp_path / "nowhere" / "a.mp4")
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
