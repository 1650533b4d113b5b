"""Too little memory: for CUDA graphs, and for the film itself.

On a CPU, which has no memory of its own to limit, errors of the same kind are raised where a GPU would raise them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import colormnet_cli as cm
from colormnet_cli.bench.synthetic_film import start_film
from colormnet_cli.cli.running import Ready, suggest_fitting_size
from colormnet_cli.errors import DeviceError
from colormnet_cli.inference.cost import frame_cost
from colormnet_cli.inference.device import release_memory, resolve_precision

from .setup import Setup

_log = logging.getLogger(__name__)
_AHEAD = 2


def graphs_do_not_fit(setup: Setup) -> dict[str, Any]:
    """Memory for a film, but not for its CUDA graphs as well: kernels are launched one by one, with a warning."""
    size = (32, 48) if setup.tiny else (536, 960)
    figures: dict[str, Any] = {}
    if setup.on_cuda:
        model = setup.model()
        figures["eager"], figures["graphs"] = (_reserved(setup, model, size, graphs) for graphs in (False, True))
        if figures["graphs"] <= figures["eager"]:
            return {**figures, "failed": "graphs took no more memory than single kernels"}
        cap = figures["eager"] + (figures["graphs"] - figures["eager"]) / 4
        total = torch.cuda.get_device_properties(setup.device).total_memory
        torch.cuda.set_per_process_memory_fraction(cap / total, setup.device)
    else:
        model = setup.model()
    colorizer = _run(setup, model, size, graphs=True, stand_in=not setup.on_cuda)
    held = torch.cuda.max_memory_reserved(setup.device) if setup.on_cuda else 0
    return {**figures, "under_cap": held, "failed": "graphs are still on" if colorizer.engine.net.enabled else ""}


def film_does_not_fit(setup: Setup) -> dict[str, Any]:
    """Too little memory for a film: the message names a --size, and that size fits."""
    size = (96, 160) if setup.tiny else (720, 1280)
    model, precision = setup.model(), resolve_precision("auto", setup.device)
    cost = frame_cost(model, size, device=setup.device, precision=precision, lookahead=_AHEAD)
    budget = int(0.6 * cost.memory)  # of its tensors; more is taken where there is more, for faster convolutions
    figures: dict[str, Any] = {"estimated": cost.memory, "budget": budget}
    if setup.on_cuda:
        figures["taken"] = _reserved(setup, model, size, graphs=True)
    with _little_memory(setup, budget, pixels=12_000):
        ready = Ready(model, "colormnet", Path(), setup.device, precision)
        try:
            with suggest_fitting_size(ready, cm.MemoryConfig(), size, _AHEAD):
                _run(setup, model, size, graphs=True)
            return {**figures, "failed": "it fitted"}
        except DeviceError as error:
            said = str(error)
            release_memory(error, setup.device)
        advised = re.search(r"--size (\d+)", said)
        if advised is None:
            return {**figures, "said": said, "failed": "no size was advised"}
        shorter = int(advised[1])
        _log.info("%s", said)
        _run(setup, model, (shorter, round(size[1] * shorter / size[0])), graphs=True)
    return {**figures, "said": said, "size": shorter, "fits": "yes"}


def _reserved(setup: Setup, model: cm.ColorMNet, size: tuple[int, int], graphs: bool) -> int:
    """Bytes that PyTorch takes of the GPU for a film of this size, at most."""
    release_memory(None, setup.device)
    torch.cuda.reset_peak_memory_stats(setup.device)
    _run(setup, model, size, graphs=graphs)
    return torch.cuda.max_memory_reserved(setup.device)


def _run(
    setup: Setup, model: cm.ColorMNet, size: tuple[int, int], *, graphs: bool, stand_in: bool = False
) -> cm.Colorizer:
    """A few frames with a full memory; `stand_in`: on a CPU, a capture for which there is no memory."""
    colorizer = cm.Colorizer(model, None, setup.device, resolve_precision("auto", setup.device))
    colorizer.engine.net.enabled = graphs and (setup.on_cuda or stand_in)
    if stand_in:
        colorizer.engine.net.capture = _no_memory
    pool, _ = start_film(colorizer, size, size, _AHEAD * 5)
    for part in pool.split(_AHEAD) * 2:
        if not colorizer.steps(part).isfinite().all():
            raise RuntimeError("colors are not finite")
    return colorizer


def _no_memory(*_: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory")


@contextmanager
def _little_memory(setup: Setup, budget: int, pixels: int) -> Iterator[None]:
    """So many bytes of the GPU; on a CPU frames of more than so many pixels do not fit."""
    if setup.on_cuda:
        release_memory(None, setup.device)
        used = torch.cuda.memory_reserved(setup.device)
        free = torch.cuda.mem_get_info(setup.device)[0]
        others = torch.empty(max(0, free - max(0, budget - used)), dtype=torch.uint8, device=setup.device)
        yield
        del others
        return
    features = cm.ColorMNet.features

    def limited(self: cm.ColorMNet, L: torch.Tensor) -> Any:
        estimated = L.device.type == "meta"
        return features(self, L) if estimated or L[0].numel() <= pixels else _no_memory()

    with mock.patch.object(cm.ColorMNet, "features", limited):
        yield
