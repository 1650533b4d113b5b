"""What the tests of the command need: a small network, small films and pictures, and ways to run the command."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from colormnet_cli.cli import main
from colormnet_cli.networks.weight_file import save_network
from support.fork_server import Forked, ForkServer
from support.networks import make_small_model

ROOT = Path(__file__).resolve().parents[2]


def make_film(path: Path, frames: int = 6, size: tuple[int, int] = (96, 64)) -> Path:
    """A gray pattern that moves, W×H, 25 frames a second."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(frames):
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = 128 + 80 * np.sin((columns + 3 * i) / 9) * np.cos(rows / 7)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")))
        container.mux(stream.encode())
    return path


def make_world(folder: Path) -> Path:
    """old.mp4, two.mp4, photo.jpg (color), gray.png, scans/ (3 pictures), small.pt, and what is wrong."""
    make_film(folder / "old.mp4")
    make_film(folder / "two.mp4", frames=3)
    noise = np.random.default_rng(0)
    cv2.imwrite(str(folder / "photo.jpg"), cv2.resize(noise.integers(0, 255, (8, 12, 3), np.uint8), (96, 64)))
    cv2.imwrite(str(folder / "gray.png"), noise.integers(0, 255, (64, 96), np.uint8))
    (folder / "scans").mkdir()
    for i in (1, 2, 10):
        cv2.imwrite(str(folder / f"scans/{i}.png"), noise.integers(0, 255, (48, 64), np.uint8))
    (folder / "mixed").mkdir()
    for i, height in ((1, 48), (2, 40)):
        cv2.imwrite(str(folder / f"mixed/{i}.png"), np.zeros((height, 64), np.uint8))
    (folder / "empty").mkdir()
    (folder / "text.mp4").write_text("this is no film\n")
    save_network(make_small_model(), folder / "small.pt")
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment whose caches are empty and which no setting of this machine reaches."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "COLORMNET_", "XDG_"))}
    return {
        **kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "HF_HOME": str(home / "hf"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1", **more,
    }  # fmt: skip


def start(arguments: list[str], folder: Path, *, patch: str = "", **more: str) -> Forked:
    """The command in a process of its own; `patch` is Python that runs in it first (to slow something down)."""
    return fork_server().start(arguments, folder, environment(folder, **more), patch)


def run(arguments: list[str], folder: Path, **more: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command in a process of its own."""
    return result(start(arguments, folder, **more))


def result(process: Forked | subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr, when a command has ended."""
    out, err = process.communicate(timeout=120)
    assert process.returncode is not None
    return process.returncode, out, err


@cache
def fork_server() -> ForkServer:
    return ForkServer(environment(Path.home()))


def start_python(arguments: list[str], folder: Path, *, patch: str = "", **more: str) -> subprocess.Popen[str]:
    """As `start`, in a new Python: for what depends on the environment at its start, or on what it imports."""
    program = f"{patch}\nfrom colormnet_cli.cli import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], cwd=folder, env=environment(folder, **more), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # where it was ignored, unignore
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def command(world, tmp_path, monkeypatch, capsys):
    """Run the command here, offline, beside the world's files; gives exit code, stdout and stderr."""
    for path in world.iterdir():
        os.symlink(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    torch.set_num_threads(1)
    logger = logging.getLogger("colormnet_cli")
    before = logger.handlers, logger.propagate, logger.level
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end, warnings.catch_warnings():
            main(list(arguments))
        out, err = capsys.readouterr()
        return end.value.code, out, err

    yield run
    logger.handlers, logger.propagate, logger.level = before
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.unraisablehook = sys.__unraisablehook__
