"""DDColor: the authors' figures, their checkpoint's names, and what is refused."""

from __future__ import annotations

import copy
import io
import json

import numpy as np
import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.errors import CheckpointError
from colormnet_cli.networks.ddcolor import DDColorConfig
from colormnet_cli.networks.ddcolor.color_decoder import sine_positions
from colormnet_cli.networks.weight_file import network_from_content, save_network
from support.golden import GOLDEN, ddcolor_state
from support.networks import make_small_ddcolor

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A checkpoint of `tiny` with the published names."""
    return ddcolor_state("tiny")


@pytest.fixture(scope="module")
def tiny(state: dict[str, Tensor]) -> cm.DDColor:
    """The small published size with the golden weights."""
    net = cm.DDColor("tiny")
    cm.load_state(net, state)
    return net


def gray(case: str) -> Tensor:
    """A golden picture as RGB in 0..1, [1, 3, H, W]."""
    packed = np.load(GOLDEN / "automatic.npz")
    return torch.from_numpy(packed[f"{case}_gray"]).float().expand(1, 3, -1, -1) / 255


@torch.inference_mode()
def differences(net: cm.DDColor, case: str) -> dict[str, float]:
    """The largest difference from the figures at every tap."""
    x = gray(case)
    taps = net.encoder((x - net.mean) / net.std)
    maps = net.pixel_decoder(taps)
    maps.append(net.pixel_decoder.last(maps[-1]))  # of full size, which `forward` does without
    queries = net.color_decoder(maps[:3])
    answers = torch.einsum("bnc,bchw->bnhw", queries, maps[3])

    def kept(x: Tensor, step: int) -> Tensor:
        return x[0, :: 10 if x.shape[1] <= 128 else 16, ::step, ::step]

    ours = {"ab": net(x)[0, :, ::3, ::3], "queries": queries[0, :, ::8], "tokens_by_pixel": kept(answers, 16)}
    ours |= {f"norm{i}": kept(tap, step) for i, (tap, step) in enumerate(zip(taps, (4, 2, 1, 1), strict=True))}
    ours |= {f"out{i}": kept(out, step) for i, (out, step) in enumerate(zip(maps, (1, 2, 4, 16), strict=True))}
    packed = np.load(GOLDEN / "automatic.npz")
    assert {f"{case}_{name}" for name in ours} == {name for name in packed if name.startswith(case)} - {f"{case}_gray"}
    return {name: float((x - torch.from_numpy(packed[f"{case}_{name}"])).abs().max()) for name, x in ours.items()}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["tiny_128", "tiny_96"])
def test_golden(tiny: cm.DDColor, case: str) -> None:
    """Fails where the authors' checkpoint would color otherwise than with their program, and says from where on."""
    found = differences(tiny, case)
    assert max(found.values()) <= TOLERANCE, found


@pytest.mark.slow
def test_golden_large() -> None:
    """Fails where the size that is the default differs from the authors'."""
    net = cm.DDColor("large")
    state = ddcolor_state("large")
    for name, total, first in (  # else the figures would be of other weights
        ("encoder.arch.stages.0.0.gamma", 57.3013686, 0.41172022),
        ("decoder.color_decoder.query_feat.weight", 8.1277165, 0.0131170),
        ("refine_net.0.0.weight_orig", 0.6418568, -0.0306090),
        ("decoder.layers.0.shuf.conv.0.weight_v", -0.7320489, -0.0339651),
    ):
        assert float(state[name].double().sum()) == pytest.approx(total, abs=2e-7)
        assert float(state[name].flatten()[0]) == pytest.approx(first, abs=1e-7)
    cm.load_state(net, state)
    found = differences(net, "large_96")
    assert max(found.values()) <= TOLERANCE, found


@pytest.mark.parametrize(("size", "parameters"), [("tiny", 55_005_104), ("large", 227_866_256)])
def test_published_names(size: str, parameters: int) -> None:
    """Fails where a tensor of the authors' checkpoint would be left out, or one be wanted that it has not."""
    listed = json.loads((GOLDEN / "automatic_state_dict.json").read_text())[size]
    with torch.device("meta"):
        net = cm.DDColor(size)
    wanted = {name: list(shape) for name, shape in net.published_shapes().items()}
    assert wanted == {name: shape for name, (shape, _) in listed.items()}
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_mismatches_are_reported(state: dict[str, Tensor]) -> None:
    """Fails where a wrong checkpoint loads in part, or is refused without saying why."""
    net = cm.DDColor("tiny")
    wrong = dict(state)
    del wrong["decoder.layers.1.conv.0.weight_u"]
    wrong["decoder.surplus"] = torch.zeros(1)
    wrong["encoder.arch.stages.0.0.gamma"] = torch.zeros(96, 1, 1)
    with pytest.raises(CheckpointError) as error:
        cm.load_state(net, wrong)
    assert "1 missing: decoder.layers.1.conv.0.weight_u;" in str(error.value)
    assert "1 not of this network: decoder.surplus;" in str(error.value)
    assert "encoder.arch.stages.0.0.gamma is [96, 1, 1] instead of [96]" in str(error.value)
    broken = dict(state, std=torch.full_like(state["std"], torch.nan))
    with pytest.raises(CheckpointError, match="The tensor std holds values that are no finite numbers"):
        cm.load_state(net, broken)


def test_spectral_norm_is_folded(state: dict[str, Tensor], tiny: cm.DDColor) -> None:
    """Fails where another norm is taken than the authors' program takes from the checkpoint's vectors."""
    conv = torch.nn.Conv2d(103, 2, 1)
    torch.nn.utils.spectral_norm(conv).eval()
    conv.load_state_dict({name: state[f"refine_net.0.0.{name}"] for name in conv.state_dict()})
    x = torch.rand(1, 103, 5, 7)
    torch.testing.assert_close(tiny.refine(x), conv(x))


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_published_file_is_recognized(state: dict[str, Tensor], tiny: cm.DDColor, wrapped: bool) -> None:
    """Fails where the authors' files (the tensors under `params`), or a mirror's (bare), do not load by path."""
    net = network_from_content({"params": state} if wrapped else state)
    assert isinstance(net, cm.DDColor)
    assert net.config == tiny.config
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in tiny.state_dict().items())


def test_our_own_file_keeps_sizes_and_weights() -> None:
    """Fails where a network comes back from its file as another one."""
    net, file = make_small_ddcolor(), io.BytesIO()
    save_network(net, file)
    loaded = network_from_content(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert isinstance(loaded, cm.DDColor)
    assert loaded.config == net.config
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in net.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(tiny: cm.DDColor, dtype: torch.dtype) -> None:
    """Fails where a GPU's number formats change the colors visibly."""
    x = gray("tiny_96")
    with torch.inference_mode():
        exact, rough = tiny(x), copy.deepcopy(tiny).to(dtype)(x)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.03 * exact.abs().mean()


@torch.inference_mode()
def test_a_batch_is_its_pictures() -> None:
    """Fails where a picture's colors depend on what is colored beside it, or on what is wide or tall."""
    net = make_small_ddcolor()
    x = torch.rand(3, 3, 160, 64)
    torch.testing.assert_close(net(x), torch.cat([net(one[None]) for one in x]))
    assert net(x.transpose(2, 3)).shape == (3, 2, 64, 160)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 3, 64, 48), (1, 3, 40, 64), (1, 3, 0, 64)])
def test_wrong_pictures_are_refused(shape: tuple[int, ...]) -> None:
    """Fails where a wrong picture ends in an error deep inside the network."""
    with pytest.raises(ValueError, match=r"\[B, 3, H, W\], H and W multiples of 32; got \["):
        make_small_ddcolor()(torch.rand(shape))


def test_wrong_sizes_are_refused() -> None:
    """Fails where a slip in a size makes another network, or an error deep inside."""
    with pytest.raises(ValueError, match="tiny, large, not 'huge'"):
        cm.DDColor("huge")
    with pytest.raises(ValueError, match="5 heads"):
        DDColorConfig(heads=5)
    with pytest.raises(ValueError, match="four each"):
        DDColorConfig(depths=(1, 1, 1))  # type: ignore[arg-type]


def test_positions_tell_places_apart() -> None:
    """Fails where the queries cannot see where in the picture something is."""
    positions = sine_positions(6, 9, 32, torch.device("cpu"))
    assert positions.shape == (54, 32)
    assert (torch.cdist(positions, positions) + torch.eye(54)).min() > 0.1
    assert torch.equal(positions[:9, :16], positions[:1, :16].expand(9, -1))  # the first half is y's
