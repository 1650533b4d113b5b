"""An estimate of the memory and time that a film takes.

The network is run on the meta device, or on a CUDA device of which PyTorch pretends that it is there: only shapes are
computed.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch._subclasses import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ..color.lab import forget_constants
from ..networks.preview import forget_maps
from ..networks.state_dict import Network
from ..settings import MemoryConfig
from .colorizer import Colorizer
from .device import DTYPES

__all__ = ["Cost", "fitting_size", "frame_cost"]

# A frame takes its operations ÷ the rate of a plain convolution, times this (measured on a CPU: 1.25 to 1.32).
_SLOWER_THAN_A_CONVOLUTION = 1.3
_SIZES = (2160, 1440, 1080, 960, 720, 640, 576, 480, 432, 360, 320, 288, 240, 192, 144, 112, 96, 64)


@dataclass(frozen=True)
class Cost:
    """Of one film at one working size."""

    memory: int  # bytes at most: weights, what is remembered, and what a step holds at once
    operations: float  # floating-point operations a frame, on average
    plain: float  # of them, a frame that is not remembered

    def seconds(self, rate: float) -> float:
        """A frame's time on a device that convolves at `rate` operations a second."""
        return self.operations / rate * _SLOWER_THAN_A_CONVOLUTION


def frame_cost(
    network: Network,
    size: tuple[int, int],
    memory: MemoryConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    lookahead: int = 1,
) -> Cost:
    """What a frame of `size` (H, W: the working size) costs, with a full memory and one exemplar of that size.

    `network` says of which kind and sizes, and may be on the meta device. A CUDA device need not be there; its kernels
    and what CUDA graphs keep are counted.
    """
    on_cuda = torch.device(device).type == "cuda"
    with ExitStack() as modes:
        if on_cuda:
            modes.enter_context(_fake_cuda())
        modes.enter_context(_FusedAttention())
        modes.enter_context(torch.device("cuda:0" if on_cuda else "meta"))
        # Below _Holding, for it splits operations into others, whose results would be counted as held.
        operations = modes.enter_context(FlopCounterMode(display=False))
        holding = modes.enter_context(_Holding())
        modes.enter_context(torch.inference_mode())
        model = type(network).of_sizes(network.config.to_dict())
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(DTYPES[precision])
        holding.peak = holding.alive  # a model is read on the CPU
        colorizer = Colorizer(model, memory)
        net = colorizer.engine.net
        graphs, net.enabled = net.enabled, False
        colorizer.set_exemplar(torch.empty(3, *size))
        colorizer.step(torch.empty(1, *size))
        film = colorizer.engine.sample_calls(size, lookahead)

        def counted(work: Callable[[], Any]) -> int:
            before = operations.get_total_flops()
            work()
            return operations.get_total_flops() - before

        plain, remembered = counted(film.color) / lookahead, counted(film.remember)
        if graphs:
            net.enabled, net.capture, net.tolerance = True, _GraphMemory(holding), None
            for _ in range(2):  # what is called for the second time is captured
                film.color()
                film.remember()
                film.others()
    return Cost(holding.peak, plain + remembered / film.every, plain)


@contextmanager
def _fake_cuda() -> Iterator[None]:
    """Tensors on a CUDA device, of which only shapes are computed."""
    _forget()  # real tensors would be mixed with these, and then these with real ones
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):  # constants
            yield
    finally:
        _forget()


def _forget() -> None:
    """Drop what the package keeps by device."""
    forget_maps()
    forget_constants()


class _FusedAttention(TorchFunctionMode):
    """Attention as devices compute it; where only shapes are computed, PyTorch would hold all similarities at once."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            return torch.ops.aten._scaled_dot_product_efficient_attention(*args, None, False)[0]
        return func(*args, **(kwargs or {}))


class _GraphMemory:
    """Stands in for a capture: keeps as much memory as its graphs would."""

    def __init__(self, holding: _Holding) -> None:
        self._holding, self._work = holding, 0  # bytes that the graphs work in by turns
        self._pool: torch.Tensor | None = None

    def __call__(self, work: Callable[[], Any], pool: Any) -> tuple[Callable[[], None], Any]:
        holding, self._pool = self._holding, None  # this graph works in it as well
        before, holding.peak = holding.peak, holding.alive
        result = work()
        self._work = max(self._work, holding.peak - holding.alive)
        holding.peak = max(before, holding.peak)
        self._pool = torch.empty(self._work, dtype=torch.uint8)
        return lambda: None, result


class _Holding(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, and the most that were at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self._known:
            return
        self._known.add(address)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self._known.discard(address)
        self.alive -= size


def fitting_size(
    network: Network,
    size: tuple[int, int],
    budget: int | None,
    memory: MemoryConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    lookahead: int = 1,
) -> int | None:
    """The largest usual shorter side, below that of `size` (H, W, which did not fit), whose cost fits; or None.

    `budget` are the bytes that the device can give, where it tells. What did not fit took more than was there, whatever
    it was estimated at, so the answer also stays well below its estimate.
    """

    def needed(size: tuple[int, int]) -> int:
        return frame_cost(network, size, memory, device=device, precision=precision, lookahead=lookahead).memory

    failed = needed(size)
    bound = 0.85 * min(failed, budget or failed)
    shorter = min(size)
    smaller = [candidate for candidate in _SIZES if candidate < shorter]

    def fits(candidate: int) -> bool:
        scaled = (round(size[0] * candidate / shorter), round(size[1] * candidate / shorter))
        return needed(scaled) <= bound

    first = bisect_left(smaller, True, key=fits)  # from large to small: those that do not fit, then those that do
    return smaller[first] if first < len(smaller) else None
