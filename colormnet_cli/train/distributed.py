"""One process, or several started by torchrun: ranks, barriers, and means over all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import DeviceError, TrainingError, UsageError

__all__ = ["Distributed", "init_distributed", "is_main_process"]

# One process unpacks hours of video while the others wait; torchrun notices a process that died.
_TIMEOUT = timedelta(days=1)


@dataclass(frozen=True)
class Distributed:
    """This process among all processes of a run."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0  # on this machine: the number of its GPU

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def mean(self, value: Tensor) -> float:
        """The mean of a scalar over all processes."""
        if self.world_size == 1:  # without a conversion, as MPS has no float64
            return float(value)
        value = value.detach().double()
        dist.all_reduce(value)
        return float(value) / self.world_size

    def barrier(self) -> None:
        """Wait until all processes get here."""
        if self.world_size > 1:
            dist.barrier()


def is_main_process() -> bool:
    """Whether this process writes messages; known outside of init_distributed too. Raises UsageError as it does."""
    return _world_size() == 1 or os.environ["RANK"] == "0"


def _world_size() -> int:
    size = os.environ.get("WORLD_SIZE", "1")
    if size == "1":
        return 1
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing or not size.isdecimal() or not os.environ["RANK"].isdecimal():
        problem = f"no {', '.join(missing)}" if missing else f"RANK={os.environ['RANK']}"
        raise UsageError(
            f"The environment has WORLD_SIZE={size}, as for several processes, but {problem}: start them with "
            "torchrun, or unset WORLD_SIZE to use one process."
        )
    return int(size)


@contextmanager
def init_distributed(device: torch.device) -> Iterator[Distributed]:
    """Join the processes that torchrun started; for a single process, nothing is set up.

    Raises:
        UsageError: the environment is that of several processes, but lacks torchrun's variables.
        DeviceError: there are more processes on this machine than GPUs.
        TrainingError: another process has ended.
    """
    size = _world_size()
    if size == 1:
        yield Distributed()
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda" and local >= torch.cuda.device_count():
        raise DeviceError(
            f"torchrun started process {local} on this machine, which has {torch.cuda.device_count()} GPUs: lower "
            "--nproc-per-node."
        )
    if device.type == "cuda":
        torch.cuda.set_device(local)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=size, timeout=_TIMEOUT)
    try:
        yield Distributed(rank, size, local)
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise TrainingError(
            "Another process of this run has ended: see its message, fix the cause, and resume the run."
        ) from error
    finally:
        dist.destroy_process_group()
