"""One process or several (started by torchrun): who am I, and means over all."""

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


_PATIENCE = timedelta(days=1)  # one process unpacks hours of film while the others wait; torchrun sees one that died


@dataclass(frozen=True)
class Distributed:
    """This process among all."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0  # on this machine: the number of its GPU

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def mean(self, value: Tensor) -> float:
        """The mean of a number over all processes."""
        if self.world_size == 1:  # as it is: MPS has no float64
            return float(value)
        value = value.detach().double()
        dist.all_reduce(value)
        return float(value) / self.world_size

    def barrier(self) -> None:
        """Until all processes are here."""
        if self.world_size > 1:
            dist.barrier()


def is_main_process() -> bool:
    """Whether this process is the one that speaks; known before all have met, and after they have parted."""
    return _world_size() == 1 or os.environ["RANK"] == "0"


def _world_size() -> int:
    """How many processes there are.

    Raises:
        UsageError: there are several, but not by torchrun: they could not find each other.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size == "1":
        return 1
    needed = ("RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in needed if name not in os.environ]
    if missing or not size.isdecimal() or not os.environ["RANK"].isdecimal():
        raise UsageError(
            f"The environment says WORLD_SIZE={size}, as for several processes, but "
            + (f"no {', '.join(missing)}" if missing else f"RANK={os.environ['RANK']}")
            + ": start them with torchrun, or unset WORLD_SIZE for one."
        )
    return int(size)


@contextmanager
def init_distributed(device: torch.device) -> Iterator[Distributed]:
    """Join the processes that torchrun started; alone, nothing is set up."""
    size = _world_size()
    if size == 1:
        yield Distributed()
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda" and local >= torch.cuda.device_count():
        raise DeviceError(
            f"torchrun started process {local} on this machine, but it has {torch.cuda.device_count()} GPUs; "
            "lower --nproc-per-node."
        )
    if device.type == "cuda":
        torch.cuda.set_device(local)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=size, timeout=_PATIENCE)
    try:
        yield Distributed(rank, size, local)
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise TrainingError(
            "Another process of this run has ended; mend what it said, or what ended it, and go on with --resume."
        ) from error
    finally:
        dist.destroy_process_group()
