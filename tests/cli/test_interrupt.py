"""Ctrl-C in every phase, with real processes and real signals: exit code 130, one sentence, nothing half-written."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from support.commands import make_film, make_world, start
from support.local_hub import COMMIT, Hub

COLORIZE = "colorize film.mp4 --ref photo.jpg -o out.mp4 --model small.pt --device cpu --progress json".split()  # noqa: SIM905

FRAMES = 100  # enough that half a second, between two lines of progress, is not all of the second half

# Slowing a phase down makes sure that the signal lands in it; nothing else is changed.
SLOW_LOAD = """
import time, torch
real = torch.load
torch.load = lambda *a, **k: (time.sleep(3), real(*a, **k))[1]
"""
SLOW_JOIN = """
import time
from colormnet_cli.film import film_run
real = film_run.mux_film
film_run.mux_film = lambda *a: real(*a[:-1], lambda frame: (a[-1](frame), time.sleep(0.1)))
"""


@pytest.fixture
def folder(tmp_path):
    make_world(tmp_path)
    make_film(tmp_path / "film.mp4", frames=FRAMES)
    return tmp_path


def interrupt(process, due) -> tuple[int, str]:
    """Send SIGINT when an event on stderr is `due`; the exit code and the last error's text."""
    for line in process.stderr:
        if line.startswith("{") and due(json.loads(line)):
            break
    else:
        pytest.fail("the phase never came")
    process.send_signal(signal.SIGINT)
    rest, code = process.stderr.read(), process.wait(60)
    assert "Traceback" not in rest, rest
    errors = [json.loads(line) for line in rest.splitlines() if '"interrupted"' in line]
    return code, errors[-1]["text"] if errors else rest


def at_frame(wanted: int, phase: str = "color"):
    return lambda event: event["event"] == "progress" and event["phase"] == phase and event["done"] >= wanted


def step(words: str):
    return lambda event: event["event"] == "step" and words in event["text"]


PHASES = {
    "starting": ("", step("Reading")),
    "load": (SLOW_LOAD, step("Loading the weights")),
    "first frame": ("", at_frame(1)),
    "middle": ("", at_frame(50)),
    "writing": (SLOW_JOIN, at_frame(1, "join")),
}


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(folder, phase):
    """Whoever stops an hour's run must find no half film under its name, and lose next to nothing."""
    patch, due = PHASES[phase]
    code, told = interrupt(start(COLORIZE, folder, patch=patch), due)
    assert code == 130
    assert told.startswith("Interrupted")
    assert not (folder / "out.mp4").exists()
    if phase in ("starting", "load"):
        assert not any(folder.glob("*part*"))
    if phase not in ("middle", "writing"):
        return
    process = start([*COLORIZE, "--json"], folder)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert (folder / "out.mp4").exists()
    receipt = json.loads(out)
    assert receipt["frames"] == FRAMES
    assert f"at frame {receipt['resumed_at']}." in told
    assert receipt["resumed_at"] == FRAMES if phase == "writing" else receipt["resumed_at"] >= 48  # the end of a piece
    assert not any(folder.glob("*part*"))


LOST = """
import os, signal
from colormnet_cli.film import plan
real = plan.plan_video
def broken(*a, **k):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        {instead}
    return real(*a, **k)
plan.plan_video = broken
"""


@pytest.mark.parametrize("instead", ["pass", "raise ImportError('cannot load module more than once per process')"])
def test_ctrl_c_is_not_lost_in_a_library(folder, instead):
    """numpy and torch, interrupted while they are imported, go on or fail with errors of their own."""
    process = start(COLORIZE, folder, patch=LOST.format(instead=instead))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(err.splitlines()[-1]) == {"event": "interrupted", "text": "Interrupted."}
    assert not (folder / "out.mp4").exists()


@pytest.mark.parametrize("kind", ["hub", "url"])
def test_ctrl_c_during_the_download(folder, kind):
    """Half of a download must not be taken for the weights, nor stay behind."""
    content = (folder / "small.pt").read_bytes()
    hub = Hub(content, pause=0.3)
    hub_source = f'hub = "someone/film"\ntype = "space"\ncommit = "{COMMIT}"\npath = "{hub.path}"'
    source = hub_source if kind == "hub" else f'url = "{hub.url}/file"'
    lock = folder / "lock"
    lock.write_text(
        f'[film]\nfile = "w.pt"\nsize = {len(content)}\nsha256 = "{hub.sha256}"\nlicense = "L"\n'
        f"[[film.sources]]\n{source}\n"
    )
    arguments = ["weights", "fetch", "film", "--progress", "json"]
    process = start(arguments, folder, HF_ENDPOINT=hub.url, COLORMNET_LOCK=str(lock))
    while not hub.bodies and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert json.loads(err.splitlines()[-1]) == {"event": "interrupted", "text": "Interrupted."}
    assert big_files(folder / "hf") + big_files(folder / "cache") == []
    hub.pause = 0
    process = start(arguments, folder, HF_ENDPOINT=hub.url, COLORMNET_LOCK=str(lock))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert Path(out.strip()).read_bytes() == content
    hub.close()


def big_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 1000]
