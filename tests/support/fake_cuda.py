"""A CUDA device of which only shapes are computed (FakeTensorMode), and what would wait for it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from colormnet_cli.color import lab

__all__ = ["Waits", "fake_cuda", "stub_cuda"]

_aten = torch.ops.aten
_COPIES = (_aten.to, _aten._to_copy, _aten.copy_)


@contextmanager
def fake_cuda(found: int = 1) -> Iterator[Waits]:
    """New tensors are on `cuda:0` and have no values; what the package keeps by device is not kept beyond this.

    found: elements that `nonzero` finds at most.
    """
    constants = dict(lab._ON_DEVICE)
    _clear_caches()
    waits = Waits(found)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cuda:0"), waits:
            yield waits
    finally:
        lab._ON_DEVICE.clear()
        lab._ON_DEVICE.update(constants)
        _clear_caches()


def _clear_caches() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("colormnet_cli"):
            for function in list(vars(module).values()):
                if hasattr(function, "cache_clear"):
                    function.cache_clear()


def stub_cuda(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """As much of `torch.cuda` as the film path calls besides tensors; gives the arguments of each event."""
    events: list[dict[str, Any]] = []

    def event(**arguments: Any) -> SimpleNamespace:
        events.append(arguments)
        return SimpleNamespace(record=lambda stream: None, synchronize=lambda: None)

    monkeypatch.setattr(torch.cuda, "Event", event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    return events


class Waits(TorchDispatchMode):
    """Notes where a program would wait for the device, by the package's function; gives values that let it go on."""

    def __init__(self, found: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found = found
        self.places: set[str] = set()
        self.mixed: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        if func in (_aten.item.default, _aten._local_scalar_dense.default):
            if args[0].device.type == "cuda":
                self._note()
            return 0.0 if args[0].dtype.is_floating_point else 0
        if func is _aten.nonzero.default:
            self._note()
            return args[0].new_empty((min(self._found, args[0].numel()), args[0].ndim), dtype=torch.int64)
        out = func(*args, **kwargs)
        kinds = {x.device.type for x in (*tensors, *(y for y in tree_leaves(out) if isinstance(y, torch.Tensor)))}
        if kinds == {"cpu", "cuda"}:
            if func.overloadpacket not in _COPIES:
                if all(x.ndim for x in tensors):  # numbers may be mixed
                    self.mixed.add(f"{func} in {_place()}")
            elif not _is_asynchronous(func, args, kwargs):
                self._note()
        return out

    def _note(self) -> None:
        self.places.add(_place())


def _is_asynchronous(func: Any, args: Any, kwargs: Any) -> bool:
    names = [argument.name for argument in func._schema.arguments]
    return bool({**dict(zip(names, args, strict=False)), **kwargs}.get("non_blocking"))


def _place() -> str:
    """The innermost function of the package that is running."""
    frames = [frame for frame in traceback.extract_stack() if "colormnet_cli" in frame.filename]
    return frames[-1].name if frames else "a test"
