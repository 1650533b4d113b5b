"""One training run in several processes."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from colormnet_cli.errors import UsageError
from colormnet_cli.train.distributed import Distributed, init_distributed, is_main_process


def test_processes_wait_while_one_unpacks_films(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes, PyTorch's default for GPUs, a run on a long video ended with a timeout."""
    arguments: dict[str, Any] = {}
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **given: arguments.update(given))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    with init_distributed(torch.device("cpu")) as processes:
        assert processes == Distributed(1, 2, 0)
    assert arguments["timeout"] >= timedelta(hours=12)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2, .* no RANK, MASTER_ADDR, MASTER_PORT: start them with torchrun"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "no MASTER_ADDR, MASTER_PORT"),
        ({"WORLD_SIZE": "two", "RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, "WORLD_SIZE=two"),
        ({"WORLD_SIZE": "2", "RANK": "", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, "RANK="),
    ],
)
def test_an_incomplete_environment_is_reported(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    """A cluster that sets WORLD_SIZE alone ended every run with "KeyError: 'RANK'"."""
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert is_main_process()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        is_main_process()
    with pytest.raises(UsageError, match=message), init_distributed(torch.device("cpu")):
        pass


_TWO = """
import os, signal, torch
from colormnet_cli.errors import TrainingError
from colormnet_cli.train.distributed import init_distributed
os.environ["RANK"] = "0" if os.fork() else "1"
try:
    with init_distributed(torch.device("cpu")) as processes:
        processes.barrier()
        if processes.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        processes.mean(torch.zeros(()))
except TrainingError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="two processes with one import")
def test_a_process_that_dies_ends_the_others_with_one_sentence() -> None:
    """They would wait for a day, or report "Connection closed by peer ... GLHF!"."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", _TWO], env={**os.environ, **shared}, capture_output=True, text=True, timeout=300
    )
    assert "Another process of this run has ended" in run.stdout
    assert run.returncode == 0


_ONE = """
import sys
import torch
import torch.distributed as dist
from pathlib import Path
from colormnet_cli.networks.preview import new_network
from colormnet_cli.train.data import batches, training_data
from colormnet_cli.train.distributed import Distributed
from colormnet_cli.train.trainer import Trainer
from support.training import SMALL
device, backend, folder = torch.device(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
dist.init_process_group(backend, rank=0, world_size=1)
processes = Distributed(0, 2, 0)  # as one of two, which sends everything through the backend
processes.barrier()
print(processes.mean(torch.ones((), device=device)))
trainer = Trainer(new_network(SMALL.network), SMALL, device, processes)
loader = batches(training_data(SMALL, folder).training, SMALL, step=0)
print(*(trainer.step(step, [next(loader)]).loss for step in range(2)))
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), pytest.param("cuda", "nccl", marks=pytest.mark.gpu)])
def test_steps_through_the_backend(tmp_path: Path, device: str, backend: str) -> None:
    """Training on several GPUs would end at the first barrier, mean or step."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", _ONE, device, backend, str(tmp_path)], env={**os.environ, **shared, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    mean, *losses = map(float, run.stdout.split())
    assert mean == 0.5  # of its 1 and no other
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
