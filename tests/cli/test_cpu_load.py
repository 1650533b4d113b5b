"""The network's threads beside other programs: by the load at the start, or as asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from colormnet_cli.cli import cpu_load
from colormnet_cli.cli.cpu_load import CpuLoad
from support.commands import make_world, result, start_python

COLORIZE = "colorize two.mp4 --ref photo.jpg --model small.pt --device cpu --size 32 --progress none".split()  # noqa: SIM905


def stat(*busy: int) -> str:
    """Like /proc/stat, with so many hundredths of a second of work on each core."""
    rows = [f"cpu{number} {ticks} 0 0 1000 50 0 0 0 9 9" for number, ticks in enumerate(busy)]
    return "\n".join([f"cpu {sum(busy)} 0 0 4000 200 0 0 0 9 9", *rows, "intr 1 2 3", "ctxt 99"])


@pytest.mark.parametrize(
    ("after", "own", "idle"),
    [
        ((0, 0, 0, 0), 0.0, 4),
        ((100, 0, 0, 0), 1.0, 4),  # our own start
        ((30, 10, 0, 0), 0.0, 4),  # a browser
        ((100, 0, 0, 0), 0.0, 3),
        ((100, 100, 0, 100), 1.0, 2),
        ((100, 100, 100, 100), 0.2, 1),
    ],
)
def test_idle_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: tuple, own: float, idle: int) -> None:
    """Other programs are distinguished from our own imports: the network has a thread for each core that is left."""
    now = [0.0, 0.0]
    monkeypatch.setattr(cpu_load.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(cpu_load.time, "process_time", lambda: now[1])
    monkeypatch.setattr(cpu_load, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(cpu_load, "_TICKS", 100)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    (tmp_path / "stat").write_text(stat(0, 0, 0, 0))
    load = CpuLoad()
    (tmp_path / "stat").write_text(stat(*after))
    now[:] = 1.0, own
    assert load.idle_cores() == idle
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    assert load.prepare() == (None if idle == 4 else idle)
    assert os.environ.pop("OMP_WAIT_POLICY", None) == (None if idle == 4 else "PASSIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    load.prepare()
    assert "OMP_WAIT_POLICY" not in os.environ


def test_a_system_without_proc_stat_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows have no /proc/stat."""
    monkeypatch.setattr(cpu_load, "_STAT", tmp_path / "none")
    assert CpuLoad().prepare() is None


LOADED = """
import atexit, os, sys
from colormnet_cli.cli import cpu_load
real = cpu_load.CpuLoad.prepare
cpu_load.CpuLoad.idle_cores = lambda self: 1
os.sched_getaffinity = lambda _: {0, 1}
def prepare(self):
    assert "torch" not in sys.modules
    return real(self)
cpu_load.CpuLoad.prepare = prepare
@atexit.register
def tell():
    import torch
    print(torch.get_num_threads(), os.environ.get("OMP_WAIT_POLICY"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("more", "expected"), [([], "1 PASSIVE"), (["--threads", "3"], "3 PASSIVE")])
def test_beside_a_busy_program(tmp_path: Path, more: list[str], expected: str) -> None:
    """Beside one busy process on two cores, two threads that spin colorized 6 times slower than one."""
    make_world(tmp_path)
    process = start_python([*COLORIZE, *more], tmp_path, patch=LOADED, OMP_NUM_THREADS="2", OMP_DYNAMIC="false")
    code, out, err = result(process)
    assert code == 0, err
    assert out.splitlines()[-1] == expected
