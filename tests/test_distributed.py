"""Several processes, one run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import torch
import torch.distributed as dist

from colormnet_cli.train.distributed import Crew, crew


def test_processes_wait_while_one_unpacks_films(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes, PyTorch's own patience with GPUs, a run on a long film ended with a time-out."""
    asked: dict[str, Any] = {}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **more: asked.update(more))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    with crew(torch.device("cpu")) as ours:
        assert ours == Crew(1, 2, 0)
    assert asked["timeout"] >= timedelta(hours=12)
