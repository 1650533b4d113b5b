"""CUDA graphs: the network's kernels are captured once, then launched together.

A frame takes hundreds of small kernels. Launched one by one from Python they take longer to launch than to run.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

from ..networks.colormnet import ColorMNet

__all__ = ["CudaGraphs"]

_log = logging.getLogger(__name__)
_ONE_AT_A_TIME = threading.Lock()  # recordings of a process: PyTorch allows no two at once


class CudaGraphs:
    """A model's methods, with the same results: `graphs.key(f)` is `model.key(f)`.

    A call with new shapes runs as usual; the second one of its kind is captured, and replayed from then on. Results are
    copies, so they stay as they are. On other devices nothing is captured.
    """

    def __init__(self, model: ColorMNet) -> None:
        self.model = model
        self._recorded: dict[Any, _Recording | None] = {}  # None: asked once
        self._records = model.device.type == "cuda"
        self._pool: Any = None
        self._size: tuple[int, int] | None = None

    def begin(self, size: tuple[int, int]) -> None:
        """A film of this size begins: drop the graphs of another size, each of which keeps memory."""
        if size != self._size:
            self._recorded.clear()
            self._pool, self._size = None, size  # a pool ends with its recordings

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The model's method of that name, recorded and replayed."""
        return functools.partial(self._call, getattr(self.model, name))

    def _call(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._records:
            return work(*args, **kwargs)
        leaves, form = tree_flatten((args, kwargs))
        kind = (work.__name__, str(form), *((x.shape, x.dtype) if isinstance(x, Tensor) else x for x in leaves))
        if kind not in self._recorded:
            self._recorded[kind] = None
            return work(*args, **kwargs)
        recording = self._recorded[kind]
        if recording is None:
            try:
                recording = self._recorded[kind] = self._record(work, leaves, form)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                self._records = False
                reason = str(error).splitlines()[0]
                _log.warning("CUDA graphs do not work here (%s): kernels are launched one by one, more slowly.", reason)
                return work(*args, **kwargs)
        return recording.replay(leaves)

    def _record(self, work: Callable[..., Any], leaves: list[Any], form: Any) -> _Recording:
        if self._pool is None:  # recordings never run at once, so they share the memory that they work in
            self._pool = torch.cuda.graph_pool_handle()
        with torch.cuda.device(self.model.device):
            return _Recording(work, leaves, form, self._pool)


class _Recording:
    """One question of one kind: where it is put, where the answer appears, and what to run in between."""

    def __init__(self, work: Callable[..., Any], leaves: list[Any], form: Any, pool: Any) -> None:
        self._inputs = [x.clone() if isinstance(x, Tensor) else x for x in leaves]
        args, kwargs = tree_unflatten(self._inputs, form)
        self._run, self._answer = _capture(lambda: work(*args, **kwargs), pool)

    def replay(self, leaves: list[Any]) -> Any:
        for mine, given in zip(self._inputs, leaves, strict=True):
            if isinstance(mine, Tensor):
                mine.copy_(given)
        self._run()
        return tree_map_only(Tensor, Tensor.clone, self._answer)


def _capture(work: Callable[[], Any], pool: Any) -> tuple[Callable[[], None], Any]:
    """Record what `work` launches: how to run it again, and its answer, which each run writes anew."""
    with _ONE_AT_A_TIME:
        graph, stream = torch.cuda.CUDAGraph(), _side_stream(torch.cuda.current_device())
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # left again whatever happens, which older PyTorch forgets
            work()  # kernels and workspaces are chosen for each thread and stream, and a recording may not choose any
            # Only this thread keeps to what a recording allows: the encoding thread waits for the device meanwhile.
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                answer = work()
    return graph.replay, answer


@functools.cache
def _side_stream(device: int) -> torch.cuda.Stream:
    """Where all recordings of a device are made: memory is shared within a stream alone, workspaces as well."""
    return torch.cuda.Stream(device)
