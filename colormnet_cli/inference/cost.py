"""An estimate of the memory and time that a film takes.

The network is run on the meta device, where only shapes are computed.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ..networks.colormnet import ColorMNetConfig
from ..networks.preview import new_network
from ..settings import MemoryConfig
from .colorizer import Colorizer
from .device import DTYPES

__all__ = ["Cost", "fitting_size", "frame_cost"]

# A frame takes so many times its operations ÷ the rate of a plain convolution (measured on a CPU; spec: 1.25 to 1.32).
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
    config: ColorMNetConfig,
    size: tuple[int, int],
    memory: MemoryConfig | None = None,
    *,
    precision: str = "fp32",
    lookahead: int = 1,
) -> Cost:
    """What a frame of `size` (H, W: the working size) costs, with a full memory and one exemplar of that size."""
    memory = memory or MemoryConfig()
    with torch.device("meta"), _Holding() as holding:
        model = new_network(config).to(DTYPES[precision])
        colorizer = Colorizer(model, memory)
        colorizer.set_exemplar(torch.empty(3, *size))
        colorizer.step(torch.empty(1, *size))
        film = colorizer.film
        assert film is not None  # there was a step
        bank = film.bank
        bank.long, bank.recent = memory.long_term, (memory.n_s - 2) * bank.elements  # as full as it gets
        film.last_frame = colorizer.frame + lookahead  # no frame is due
        with FlopCounterMode(display=False) as steps:
            colorizer.steps(torch.empty(lookahead, 1, *size))
        L, ab = colorizer._padded(torch.empty(1, 1, *size), 0), colorizer._padded(torch.empty(1, 2, *size), 0)
        with torch.inference_mode():
            f = model.features(L)
            with FlopCounterMode(display=False) as remembering:
                model.deep_update(model.value(L, ab, f), film.hidden)
    plain = steps.get_total_flops() / lookahead
    return Cost(holding.peak, plain + remembering.get_total_flops() / memory.gamma, plain)


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
    config: ColorMNetConfig,
    size: tuple[int, int],
    budget: int | None,
    memory: MemoryConfig | None = None,
    *,
    precision: str = "fp32",
    lookahead: int = 1,
) -> int | None:
    """The largest usual shorter side, below that of `size` (H, W, which did not fit), whose cost fits; or None.

    `budget` are the bytes that the device can give, where it tells. What did not fit took more than was there, whatever
    it was estimated at, so the answer also stays well below its estimate.
    """
    failed = frame_cost(config, size, memory, precision=precision, lookahead=lookahead).memory
    bound = 0.85 * min(failed, budget or failed)
    shorter = min(size)
    smaller = [candidate for candidate in _SIZES if candidate < shorter]

    def fits(candidate: int) -> bool:
        scaled = (round(size[0] * candidate / shorter), round(size[1] * candidate / shorter))
        return frame_cost(config, scaled, memory, precision=precision, lookahead=lookahead).memory <= bound

    first = bisect_left(smaller, True, key=fits)  # from large to small: those that do not fit, then those that do
    return smaller[first] if first < len(smaller) else None
