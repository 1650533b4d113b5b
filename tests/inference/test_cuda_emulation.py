"""Every network on a CUDA device that is not there: no mixing of devices, and nothing that waits for the device.

FakeTensorMode computes shapes, types and devices alone. That kernels exist and are right only a GPU shows (tests/gpu).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.color.chroma import PlaneFormat
from colormnet_cli.film.transfer import download_chroma, upload_luma
from colormnet_cli.inference.device import DTYPES
from colormnet_cli.inference.exemplar import Exemplar
from colormnet_cli.inference.frame_colorizer import FrameColorizer
from support.fake_cuda import fake_cuda, stub_cuda
from support.networks import make_small_ddcolor, make_small_deep_exemplar, make_small_model

pytestmark = pytest.mark.usefixtures("one_thread")

FRAMES, BATCH = 50, 4  # the last batch is a smaller one
FEWER = 7  # three consolidations, the last of which drops elements: enough where fp16 is seen for longer
SIZE = (16, 32)
MEMORY = cm.MemoryConfig(gamma=2, n_s=3, n_e=1, m=2, long_term=4)  # condenses and drops many times
# Where a film waits for the device, by function:
ONCE = {"_mix", "_difference"}  # constants are copied to it at the first frame; each new graph is checked
AT_AN_EXEMPLAR = {"steps", "set_exemplar", "encode_exemplar"}  # it is copied to the device
AT_A_CONSOLIDATION = {"_survivors"}  # how many long-term elements stay is known to the device alone
PRECISIONS = pytest.mark.parametrize("precision", list(DTYPES))


def stand_in(work: Callable[[], Any], pool: Any) -> tuple[Callable[[], None], Any]:
    """A graph whose replay computes nothing: its results stay where they are."""
    return (lambda: None), work()


@pytest.fixture(autouse=True)
def _stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    stub_cuda(monkeypatch)


def on_cuda(network: Any, precision: str) -> Any:
    """The network with fake parameters."""
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                fake = torch.empty(parameter.shape, dtype=DTYPES[precision])
                module._parameters[name] = torch.nn.Parameter(fake, requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                dtype = DTYPES[precision] if buffer.is_floating_point() else buffer.dtype
                module._buffers[name] = torch.empty(buffer.shape, dtype=dtype)
    return network


NETWORKS: dict[str, dict[str, Any]] = {
    "ColorMNet": {},
    "PreviewNet": {"preview": True, "detail_dim": 8},
    "guided PreviewNet": {"preview": True, "detail_dim": 8, "guided": True},
}


@pytest.mark.slow
@PRECISIONS
@pytest.mark.parametrize("graphs", [False, True], ids=["eager", "graphs"])
@pytest.mark.parametrize("network", list(NETWORKS))
def test_a_film(precision: str, graphs: bool, network: str) -> None:
    """Fails where a film ends on a GPU with "expected all tensors to be on the same device", or waits at each frame."""
    model, luma = make_small_model(**NETWORKS[network]), np.full((24, 48), 90, np.uint8)
    with fake_cuda(MEMORY.long_term - MEMORY.m) as waits:
        colorizer = cm.Colorizer(on_cuda(model, precision), MEMORY, precision=precision)
        colorizer.engine.net.enabled, colorizer.engine.net.capture = graphs, stand_in
        exemplars = [Exemplar(torch.empty(3, *SIZE, device="cpu"))]
        frames = FrameColorizer(colorizer, exemplars, size=min(SIZE), ref_is_first=False, batch=BATCH)
        count = FRAMES if precision == "fp16" and network == "ColorMNet" else FEWER
        for first in range(0, count, BATCH):
            Ls = [upload_luma(luma, PlaneFormat(), colorizer.device) for _ in range(min(BATCH, count - first))]
            chroma = download_chroma(Ls, frames.steps(Ls), PlaneFormat())
        assert chroma.planes[0][0].shape == (12, 24)
        assert colorizer.frame == count
        assert any(graph is not None for graph in colorizer.engine.net._graphs.values()) == graphs
    assert not waits.mixed
    assert waits.places <= ONCE | AT_AN_EXEMPLAR | AT_A_CONSOLIDATION
    assert waits.places >= AT_A_CONSOLIDATION  # it was reached


@pytest.mark.slow
@PRECISIONS
@pytest.mark.parametrize("graphs", [False, True], ids=["eager", "graphs"])
def test_a_film_with_deep_exemplar(precision: str, graphs: bool) -> None:
    """The same for a network whose frames depend on the one before, and on exemplars alone."""
    net, luma = make_small_deep_exemplar(), np.full((48, 96), 90, np.uint8)
    with fake_cuda() as waits:
        colorizer = cm.Colorizer(on_cuda(net, precision), precision=precision)
        colorizer.engine.net.enabled, colorizer.engine.net.capture = graphs, stand_in
        exemplars = [Exemplar(torch.empty(3, 32, size, device="cpu")) for size in (64, 40)]
        frames = FrameColorizer(colorizer, exemplars, size=32, ref_is_first=False, batch=BATCH)
        for first in range(0, FEWER, BATCH):
            Ls = [upload_luma(luma, PlaneFormat(), colorizer.device) for _ in range(min(BATCH, FEWER - first))]
            chroma = download_chroma(Ls, frames.steps(Ls), PlaneFormat())
        assert chroma.planes[0][0].shape == (24, 48)
        assert colorizer.frame == FEWER
        graphed = {kind[0] for kind, graph in colorizer.engine.net._graphs.items() if graph is not None}
        assert graphed == ({"features", "refine"} if graphs else set())
    assert not waits.mixed
    assert waits.places <= ONCE | AT_AN_EXEMPLAR


@pytest.mark.slow
def test_the_first_frame_in_color() -> None:
    """The other way in: the exemplar is the film's first frame."""
    model = make_small_model()
    with fake_cuda(MEMORY.long_term - MEMORY.m) as waits:
        colorizer = cm.Colorizer(on_cuda(model, "fp16"), MEMORY)
        colorizer.engine.net.enabled = False
        colorizer.set_exemplar(torch.empty(3, *SIZE), first_frame=True)
        for _ in range(FEWER):
            ab = colorizer.step(torch.empty(1, *SIZE))
        assert (ab.device.type, ab.shape) == ("cuda", (2, *SIZE))
    assert not waits.mixed
    assert waits.places <= AT_A_CONSOLIDATION


@pytest.mark.slow
@PRECISIONS
@torch.inference_mode()
def test_networks_without_a_memory(precision: str) -> None:
    """DDColor, Deep Exemplar and blind temporal consistency, frame after frame."""
    networks = (make_small_ddcolor(), make_small_deep_exemplar(), cm.BlindConsistency(6, 2, width=8, blocks=1))
    with fake_cuda() as waits:
        ddcolor, deep_exemplar, consistency = (on_cuda(network, precision) for network in networks)
        assert ddcolor(torch.empty(1, 3, 32, 64)).device.type == "cuda"
        exemplar, last, state = deep_exemplar.exemplar(torch.empty(1, 3, 32, 64)), None, None
        for _ in range(FEWER):
            L = torch.empty(1, 1, 32, 64)
            ab = deep_exemplar(L, exemplar, last)
            last = torch.cat((L, ab), dim=1)
            steadied, state = consistency(torch.cat((ab, ab, L, L), dim=1), state)
        assert steadied.device.type == "cuda"
    assert not waits.mixed
    assert waits.places <= {"_mix"}


def test_what_would_be_found() -> None:
    """The emulation itself: a value that is looked at, a copy that waits, a tensor on the wrong device."""
    with fake_cuda() as waits:
        x = torch.ones(3)
        assert float(x.sum()) == 0.0
        x.cpu()
        assert waits.places == {"a test"}
        waits.places.clear()
        x.to("cpu", non_blocking=True)
        x.nonzero()
        assert waits.places == {"a test"}
        with pytest.raises(RuntimeError, match="device"):
            x + torch.ones(3, device="cpu")
