# ruff: noqa: F811
"""`colormnet colorize --chroma-out` and `colormnet apply`, as a person or a program gives them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from colormnet_cli.video.rgb import RgbFilm
from support.commands import command, environment, run, world  # noqa: F401 - fixtures
from support.films import make_film

HOW = ["--ref", "photo.jpg", "--model", "small.pt", "--device", "cpu", "--size", "32"]


def chroma(path: str) -> np.ndarray:
    """Cb and Cr of all frames, [N, 2, h, w]."""
    return np.array(list(RgbFilm(path).chroma("yuv420p", "bt709", False))).astype(int)


@pytest.mark.slow
def test_grading_without_the_network(command):
    """Each try at other colors would take hours."""
    code, out, err = command("colorize", "old.mp4", *HOW, "--chroma-out", "color.mkv", "--json")
    assert code == 0, err
    assert json.loads(out)["output"]["path"] == "color.mkv"
    assert not os.path.exists("old-color.mp4")
    code, out, err = command("colorize", "old.mp4", *HOW, "--chroma-out", "color.mkv", "-o", "out.mkv", "--archive")
    assert code == 0, err
    code, out, err = command("apply", "old.mp4", "color.mkv", "-o", "new.mkv", "--archive", "--json")
    assert code == 0, err
    receipt = json.loads(out)
    assert [Path(record["path"]).name for record in receipt["inputs"]] == ["old.mp4", "color.mkv"]
    assert receipt["fps"] > 0
    assert "Wrote new.mkv: 6 frames in " in err
    assert np.array_equal(chroma("out.mkv"), chroma("new.mkv"))
    code, out, err = command("apply", "old.mp4", "color.mkv", "-o", "pale.mkv", "--archive", "--vividness", "0.5")
    assert code == 0, err
    spread = [np.abs(chroma(name) - 128).mean() for name in ("new.mkv", "pale.mkv")]
    assert spread[1] == pytest.approx(spread[0] / 2, rel=0.2)
    make_film("sound.mkv", frames=3, codec="libx264", audio=[("aac", "deu")])
    code, out, err = command("colorize", "sound.mkv", *HOW, "--chroma-out", "new-color.mkv", "--dry-run")
    assert code == 0, err
    assert "libx264" not in out
    assert "audio stream" not in out
    assert [line.split() for line in out.splitlines() if "new-color" in line][1:] == [["color", "new-color.mkv"]]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("apply old.mp4 gone.mkv -o x.mkv", 1, "gone.mkv does not exist"),
        ("apply old.mp4 two.mp4 -o x.mkv", 1, "make a color file with --chroma-out"),
        ("apply old.mp4 two.mp4", 2, "Missing option '--output'"),
        ("colorize old.mp4 --ref photo.jpg --chroma-out x.mp4", 2, "--chroma-out writes FFV1 in Matroska: call it"),
        ("colorize old.mp4 two.mp4 --ref photo.jpg --chroma-out x.mkv", 2, "both would become x.mkv"),
        ("colorize old.mp4 --ref photo.jpg --chroma-out x.mkv -o x.mkv", 2, "cannot be both the film (-o)"),
        ("colorize old.mp4 --ref photo.jpg --chroma-out x.mkv -o here/x.mkv", 2, "cannot be both the film (-o)"),
        ("colorize old.mp4 --ref photo.jpg --chroma-out x.mkv --steady", 2, "Flicker is not removed from colors alone"),
        ("colorize old.mp4 --ref photo.jpg --steady --start 1", 2, "The whole film is made steady: leave --start"),
    ],
)  # fmt: skip
def test_impossible_requests(command, line, code, message):
    """One sentence, and nothing is left behind."""
    Path("here").symlink_to(".")
    got, out, err = command(*line.split(), *(["--model", "small.pt"] if line.startswith("colorize") else []))
    assert (got, out) == (code, "")
    assert message in " ".join(err.split())
    assert not list(Path().glob("x.*"))


@pytest.mark.slow
def test_color_alone_is_no_colored_film(command):
    """Colors that took hours would be replaced by wrong ones, or a film be made of them whose colors are wrong."""
    code, _, err = command("colorize", "old.mp4", *HOW[:-1], "64", "--chroma-out", "color.mkv")
    assert code == 0, err
    before = Path("color.mkv").read_bytes()
    for line in (
        "recolor color.mkv --from f1 --to f3 --ref photo.jpg --model small.pt --device cpu",
        "steady old.mp4 color.mkv -o x.mkv",
        "steady - color.mkv -o x.mkv",
    ):
        code, out, err = command(*line.split(), "--progress", "none")
        assert (code, out) == (1, "")
        assert "color.mkv has the color of a film alone: put it on the film" in " ".join(err.split())
        assert Path("color.mkv").read_bytes() == before
        assert not list(Path().glob("x.*"))
