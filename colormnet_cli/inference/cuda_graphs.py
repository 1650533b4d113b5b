"""CUDA graphs: the network's kernels are captured once, then launched together.

A frame takes hundreds of small kernels. Launched one by one from Python they take longer to launch than to run.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only, tree_unflatten

from ..networks.state_dict import Network

__all__ = ["CudaGraphs"]

_log = logging.getLogger(__name__)
_SWITCH = "COLORMNET_CUDA_GRAPHS"  # an environment variable: 0 switches graphs off
# How far a graph's first result may be from that of single kernels, as a share of the largest value: other algorithms
# may be chosen for it, and round otherwise. One that reads or writes the wrong memory is off by more.
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
_ONE_AT_A_TIME = threading.Lock()  # captures of a process: PyTorch allows no two at once


class _Pool:
    """Memory that graphs work in. They never run at once, so they share it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @functools.cached_property
    def handle(self) -> Any:
        return torch.cuda.graph_pool_handle()


Capture = Callable[[Callable[[], Any], _Pool], tuple[Callable[[], None], Any]]  # see `_capture`


class CudaGraphs:
    """A model's methods, with the same results: `graphs.key(f16)` is `model.key(f16)`.

    A call with new shapes runs as usual; the second one of its kind is captured, and replayed from then on. Results are
    copies, so they stay as they are. On other devices nothing is captured. A graph's first result is compared with that
    of the same call run as usual; beyond the precision's rounding, graphs are switched off with a warning.

    Graphs belong to the thread that captured them, as the workspaces of cuBLAS and the choices of cuDNN do; a call from
    another thread drops them.
    """

    def __init__(self, model: Network) -> None:
        self.model: Any = model
        self.enabled = model.device.type == "cuda" and os.environ.get(_SWITCH) != "0"
        self.tolerance: float | None = _TOLERANCE.get(model.dtype)  # None: not compared
        self.capture: Capture = _capture  # tests and estimates of memory put a stand-in here
        self._graphs: dict[Any, _Graph | None] = {}  # by function and shapes; None: called once
        self._pool = _Pool(model.device)
        self._size: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    def begin(self, size: tuple[int, int]) -> None:
        """A film of this size begins: drop the graphs of another size, each of which keeps memory."""
        if size != self._size:
            self._drop()
            self._size = size

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The model's method of that name, captured and replayed."""
        return functools.partial(self._call, getattr(self.model, name))

    def _call(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self.enabled:
            return work(*args, **kwargs)
        if self._thread is not (thread := threading.current_thread()):  # its number may be that of an ended one
            self._drop()
            self._thread = thread
        leaves, form = tree_flatten((args, kwargs))
        kind = (work.__name__, str(form), *((x.shape, x.dtype) if isinstance(x, Tensor) else x for x in leaves))
        is_first = kind not in self._graphs
        try:
            if is_first:
                self._graphs[kind] = None
                return work(*args, **kwargs)
            if (graph := self._graphs[kind]) is not None:
                return graph.replay(leaves)
            graph = self._captured(work, leaves, form)
            self._check(graph, work, leaves, form)
            self._graphs[kind] = graph
            return graph.replay(leaves)
        except torch.OutOfMemoryError:
            if is_first and not any(self._graphs.values()):
                raise
            problem = "need more memory than the device has"
        except _CaptureError as error:
            problem = f"do not work here ({error})"
        self._switch_off(problem)  # after the `except`: until then the error keeps what had been allocated
        return work(*args, **kwargs)

    def _captured(self, work: Callable[..., Any], leaves: list[Any], form: Any) -> _Graph:
        try:
            return _Graph(work, leaves, form, lambda call: self.capture(call, self._pool))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise _CaptureError(str(error).splitlines()[0]) from error

    def _check(self, graph: _Graph, work: Callable[..., Any], leaves: list[Any], form: Any) -> None:
        """Compare a new graph's result with that of single kernels; waits for the device, once for each graph."""
        if self.tolerance is None:
            return
        args, kwargs = tree_unflatten(leaves, form)
        difference = _difference(graph.replay(leaves), work(*args, **kwargs))
        if not difference <= self.tolerance:
            raise _CaptureError(f"{work.__name__} gives results that are {difference:.2g} off")

    def _switch_off(self, problem: str) -> None:
        """Launch kernels one by one from now on, without the memory that graphs take."""
        self.enabled = False
        self._drop()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        _log.warning("CUDA graphs %s: kernels are launched one by one, which is slower.", problem)

    def _drop(self) -> None:
        """Give up all graphs, and the pool of memory with them."""
        self._graphs.clear()
        self._pool = _Pool(self.model.device)  # a pool ends with its graphs


class _CaptureError(Exception):
    """Its text says why."""


class _Graph:
    """One captured call: where its inputs are put, where its result appears, and what to run in between."""

    def __init__(
        self,
        work: Callable[..., Any],
        leaves: list[Any],
        form: Any,
        capture: Callable[[Callable[[], Any]], tuple[Callable[[], None], Any]],
    ) -> None:
        self._inputs = [x.clone() if isinstance(x, Tensor) else x for x in leaves]
        args, kwargs = tree_unflatten(self._inputs, form)
        self._run, self._result = capture(lambda: work(*args, **kwargs))

    def replay(self, leaves: list[Any]) -> Any:
        for mine, given in zip(self._inputs, leaves, strict=True):
            if isinstance(mine, Tensor):
                mine.copy_(given)
        self._run()
        return tree_map_only(Tensor, Tensor.clone, self._result)


def _difference(found: Any, expected: Any) -> float:
    """The largest difference between nested tensors, as a share of each one's largest value; inf for other NaNs."""
    shares = []
    for a, b in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        finite = b.isfinite()
        same = (a.isfinite() == finite).all()  # what is not finite is reported where frames leave the device
        a, b = (x.float().where(finite, 0) for x in (a, b))
        share = (a - b).abs().amax() / b.abs().amax().clamp_min(1e-6)
        shares.append(share.where(same, torch.inf))
    return float(torch.stack(shares).amax())


def _capture(work: Callable[[], Any], pool: _Pool) -> tuple[Callable[[], None], Any]:
    """Capture what `work` launches: how to run it again, and its result, which each run overwrites."""
    with _ONE_AT_A_TIME, torch.cuda.device(pool.device):
        graph, stream = torch.cuda.CUDAGraph(), _side_stream(torch.cuda.current_device())
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # left again whatever happens, which older PyTorch forgets
            work()  # kernels and workspaces are chosen for each thread and stream, and a capture may not choose any
            # Only this thread keeps to what a capture allows: the encoding thread waits for the device meanwhile.
            with torch.cuda.graph(graph, pool=pool.handle, stream=stream, capture_error_mode="thread_local"):
                result = work()
    return graph.replay, result


@functools.cache
def _side_stream(device: int) -> torch.cuda.Stream:
    """Where all captures of a device are made: memory is shared within a stream alone, workspaces as well."""
    return torch.cuda.Stream(device)
