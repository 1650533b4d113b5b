# ruff: noqa: F811
"""Defaults from a file and from the environment, and messages in a file."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from support.commands import command, world  # noqa: F401 - fixtures

FILM = ["colorize", "old.mp4", "--ref", "photo.jpg", "--dry-run", "--json"]


@pytest.fixture
def configure(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "config" / "colormnet" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.mark.slow
def test_defaults_come_from_the_file_the_environment_and_the_command_line(command, configure, monkeypatch):
    """Someone who always works with one model and size had to type them every time."""
    configure(
        'model = "gone.pt"\nsize = 48\nbilinear = true\nencoder-option = ["threads=1"]\ncrf = 20\n'
        '[colorize]\ncrf = 21\ndevice = "mps"\nend = "f2"\n[bench]\nsize = "96x64"\n'
        '[weights.fetch]\nprogress = "none"\n'
    )
    monkeypatch.setenv("COLORMNET_MODEL", "small.pt")
    monkeypatch.setenv("COLORMNET_DEVICE", "cpu")
    code, out, err = command(*FILM, "--end", "f3")
    assert code == 0, err
    plan = json.loads(out)
    assert (plan["working_height"], plan["encoder_options"]["crf"], plan["frames"]) == (48, "21", 3)
    assert plan["encoder_options"]["threads"] == "1"
    assert plan["estimate"]["device"].startswith("cpu")
    assert plan["estimate"]["weights"] == "small.pt"
    assert command(*FILM, "--model", "gone.pt")[0] == 1
    assert json.loads(command(*FILM, "--size", "32")[1])["working_height"] == 32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('devise = "cpu"', r"config\.toml: unknown key 'devise'; did you mean 'device'"),
        ("[colorise]", r"config\.toml: unknown key 'colorise'; did you mean 'colorize'"),
        ("[colorize]\nsise = 3", r"config\.toml: unknown key 'sise' in \[colorize\]; did you mean 'size'"),
        ("[weights.fetch]\nsize = 3", r"config\.toml: unknown key 'size' in \[weights\.fetch\]"),
        ("films = 3", r"config\.toml: unknown key 'films'; did you mean 'film'"),
        ("overwrite = 1", r"config\.toml: 'overwrite'.* is 1: give true or false"),
        ("size = [1]", r"config\.toml: 'size'.* is \[1\]: give a number or a string"),
        ("size = 5", r"'--size': 5 is no size: .* \(set in .*config\.toml\)"),
        ("size =", r"config\.toml is not valid TOML"),
    ],
)
def test_mistakes_in_the_file_are_reported(command, configure, text, message):
    """A default that is not applied would be noticed after the film was done."""
    configure(text)
    code, out, err = command(*FILM)
    assert re.search(message, err), err
    assert (code, out) == (2, "")


def test_doctor_shows_the_configuration(command, configure, monkeypatch):
    """Nobody remembers a file that was written last year; and it must not stop the command that finds it."""
    assert re.search(r"^config +.*config\.toml does not exist$", command("doctor")[1], re.MULTILINE)
    configure('device = "cpu"\n[bench]\nframes = 3\n')
    monkeypatch.setenv("COLORMNET_MODEL", "preview")
    out = command("doctor")[1]
    assert re.search(r"^config +.*config\.toml sets device, bench$", out, re.MULTILINE)
    assert re.search(r"^config +COLORMNET_MODEL=preview in the environment$", out, re.MULTILINE)
    configure("devise = 3")
    code, out, err = command("doctor")
    assert code == 1
    assert "unknown key 'devise'" in err


def test_a_log_file(command):
    """What a run of last night said is gone with its terminal."""
    line = ["--model", "small.pt", "--device", "cpu", "--log-file", "logs/night.log", "-q"]
    assert command("colorize", "old.mp4", "--ref", "photo.jpg", "-o", "out.mp4", *line) == (0, "", "")
    assert command("colorize", "gone.mp4", "--ref", "photo.jpg", *line)[0] == 1
    text = Path("logs/night.log").read_text()
    assert len(re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d note: colormnet \d.*:", text, re.MULTILINE)) == 2
    assert re.search(r"note: Wrote out\.mp4: 6 frames", text)
    assert re.search(r"error: gone\.mp4 does not exist", text)
    assert "Traceback" in text
    assert text.count("Wrote out.mp4") == 1
    code, _, err = command("doctor", "--log-file", "logs")
    assert (code, "'--log-file': logs cannot be written: Is a directory" in err) == (2, True)
    assert not os.path.exists("logs/logs")
