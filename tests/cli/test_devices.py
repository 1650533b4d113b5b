"""`colorize --devices`, with real processes and signals: the same film, no process left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from colormnet_cli.networks.weight_file import save_network
from support.commands import command, start_python, world  # noqa: F401 - fixtures
from support.networks import make_small_model
from support.planned_film import make_planned_film

LENGTHS = (40, 35, 45, 30, 40, 40, 30)
NETWORK = ["--model", "small.pt", "--size", "32", "--preset", "ultrafast"]
COLORIZE = ["colorize", "old.mp4", "--plan", "old-plan", "-o", "out.mp4", *NETWORK, "--progress", "json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices")
    make_planned_film(folder, LENGTHS)
    save_network(make_small_model(), folder / "small.pt")
    return folder


def workers_at(process: subprocess.Popen[str], frames: int) -> list[psutil.Process]:
    """The worker processes, when so many frames are done."""
    assert process.stderr is not None
    for line in process.stderr:
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("note") == "2 workers" and event["done"] >= frames:
            children = psutil.Process(process.pid).children()  # a worker forks for a moment, too
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            assert len(workers) == 2
            return workers
    pytest.fail("no worker began")


def ended(workers: list[psutil.Process]) -> bool:
    """Whether they end within 15 seconds, also where nobody waits for processes without a parent."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_ctrl_c_ends_all_workers_and_another_number_of_them_resumes(folder: Path) -> None:
    """Processes would keep running without their command, on GPUs that others need; or finished shots would be lost."""
    process = start_python([*COLORIZE, "--devices", "cpu:2"], folder)
    workers = workers_at(process, 100)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command resumes with any number of workers" in err
    assert ended(workers)
    assert not (folder / "out.mp4").exists()
    assert list((folder / "old-plan/segments").glob("[0-9a-f]*/end.json"))

    process = start_python([*COLORIZE, "--devices", "cpu:2"], folder)
    workers = workers_at(process, 0)
    process.kill()  # as when memory runs out
    process.wait(10)
    assert ended(workers)

    process = start_python([*COLORIZE, "--devices", "cpu:1", "--json"], folder)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    receipt: dict[str, Any] = json.loads(out)
    assert receipt["frames"] == sum(LENGTHS)
    distributed = (folder / "out.mp4").read_bytes()
    for unit in (folder / "old-plan/segments").iterdir():
        if unit.is_dir():
            (unit / "end.json").unlink()
    process = start_python([*COLORIZE, "--device", "cpu", "--overwrite"], folder)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert (folder / "out.mp4").read_bytes() == distributed


@pytest.mark.slow
def test_wrong_usage_of_devices(command: Any) -> None:  # noqa: F811
    """Minutes would pass until the mistake is found, or it would be taken for something else."""
    for arguments, expected in {
        ("--devices", "gpu"): "'gpu' is unknown: give names such as cuda:0,cuda:1, or cpu:4",
        ("--devices", "cpu:2", "--device", "cpu"): "--device and --devices contradict each other",
        ("--devices", "cpu:2"): "cannot be divided between workers",
        ("--devices", "cpu:2", "--ray"): "Give the devices of this machine (--devices) or a Ray cluster (--ray)",
        ("--ray", "two.mp4"): "'two.mp4' is no address: give auto, local or HOST:PORT",
        ("--split-long", "30"): "--split-long cuts shots of a plan",
    }.items():
        code, _, err = command("colorize", "old.mp4", "--ref", "photo.jpg", "-o", "x.mp4", *arguments)
        assert code == 2, err
        assert expected in err
