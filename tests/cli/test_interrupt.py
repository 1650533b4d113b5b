"""Ctrl-C, SIGTERM and SIGHUP in every phase, with real processes and signals: one sentence, nothing half-written."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from support.commands import environment, make_film, make_world, start
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


def interrupt(process, due, sent=signal.SIGINT, times=1) -> tuple[int, str]:
    """Send a signal, some times, when an event on stderr is `due`; the exit code and the last error's text."""
    for line in process.stderr:
        if line.startswith("{") and due(json.loads(line)):
            break
    else:
        pytest.fail("the phase never came")
    for number in range(times):
        if number:
            time.sleep(0.15)
        process.send_signal(sent)  # nothing where it has ended
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


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_ends_cleanly_and_the_same_command_resumes(folder, phase):
    """Whoever stops an hour's run must find no half film under its name, and lose next to nothing."""
    patch, due = PHASES[phase]
    code, message = interrupt(start(COLORIZE, folder, patch=patch), due)
    assert code == 130
    assert message.startswith("Interrupted")
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
    assert f"at frame {receipt['resumed_at']}." in message
    assert receipt["resumed_at"] == FRAMES if phase == "writing" else receipt["resumed_at"] >= 48  # a whole segment
    assert not any(folder.glob("*part*"))


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "expected"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_save_the_progress_too(folder, sent, expected):
    """`kill`, a shutdown and a closed terminal lost up to a minute of work, and said nothing."""
    code, message = interrupt(start(COLORIZE, folder), at_frame(50), sent)
    assert code == expected
    assert "the same command resumes at frame" in message
    assert not (folder / "out.mp4").exists()
    assert list((folder / "out.mp4.colormnet-part").glob("state-*"))


@pytest.mark.slow
def test_a_closed_terminal_saves_the_progress(folder):
    """The terminal is gone when its signal comes: no message can be shown any more."""
    terminal, other = pty.openpty()
    program = "from colormnet_cli.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *COLORIZE[:-1], "bar"], cwd=folder, env=environment(folder),
        stdin=other, stdout=other, stderr=other, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(other)
    progress = folder / "out.mp4.colormnet-part"
    while process.poll() is None and not (progress / "segment-000000").exists():
        os.read(terminal, 1000)
    os.close(terminal)
    assert process.wait(60) == 129
    assert list(progress.glob("state-*"))


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_more_ctrl_c_change_nothing(folder, phase):
    """Whoever presses it four times got tracebacks, and progress that was being saved was lost."""
    patch, due = PHASES[phase]
    code, message = interrupt(start(COLORIZE, folder, patch=patch), due, times=4)
    assert code == 130
    assert message.startswith("Interrupted")
    if phase in ("middle", "writing"):
        assert "resumes at frame" in message
        assert (folder / "out.mp4.colormnet-part/progress.json").exists()


STUCK = """
import time
from colormnet_cli.cli import session
from colormnet_cli.film import film_run
session.PATIENCE = 0.5
film_run.CheckpointSaver.save_latest = lambda *_: time.sleep(60)
"""


@pytest.mark.slow
def test_ctrl_c_ends_a_command_that_does_not_end_itself(folder):
    """A network drive that does not answer while progress is saved must not hold the terminal."""
    process = start(COLORIZE, folder, patch=STUCK)
    code, _ = interrupt(process, at_frame(50), times=8)
    assert code == 130


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


@pytest.mark.slow
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
