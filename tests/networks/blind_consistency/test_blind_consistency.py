"""Blind temporal consistency: the published arithmetic's figures, the checkpoint's names, and other channels."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.errors import CheckpointError
from colormnet_cli.networks.weight_file import network_from_content, save_network
from support.golden import GOLDEN, make_golden_state, unpack_frames

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A checkpoint with the published names."""
    return make_golden_state("consistency_state_dict")


@torch.inference_mode()
def test_golden(state: dict[str, Tensor]) -> None:
    """Fails where a network trained elsewhere would steady a film otherwise than its authors' program does."""
    net = cm.BlindConsistency(12, 3)
    cm.load_state(net, state)
    packed = np.load(GOLDEN / "consistency.npz")
    gray, flickering = (
        [torch.from_numpy(rgb).movedim(-1, 0)[None].float() / 255 for rgb in unpack_frames(packed, name)]
        for name in ("input", "processed")
    )
    steady, memory = [flickering[0]], None
    for t in range(1, len(gray)):
        y, memory = net(torch.cat((flickering[t], steady[-1], gray[t], gray[t - 1]), dim=1), memory)
        steady.append(flickering[t] + y)
    assert memory is not None
    ours = {"output": torch.cat(steady)[..., ::3, ::3], "hidden": memory.hidden[0, ::8], "cell": memory.cell[0, ::8]}
    found = {name: float((x - torch.from_numpy(packed[name])).abs().max()) for name, x in ours.items()}
    assert max(found.values()) <= TOLERANCE, found


def test_weights_of_the_figures(state: dict[str, Tensor]) -> None:
    """Fails where the figures' weights are not those of the recipe."""
    for name, total, first in (
        ("conv1a.conv2d.weight", -2.4456742, -0.03959829),
        ("convlstm.Gates.bias", 1.2469669, -0.00382225),
    ):
        assert float(state[name].double().sum()) == pytest.approx(total, abs=2e-7)
        assert float(state[name].flatten()[0]) == pytest.approx(first, abs=1e-7)


def test_published_names() -> None:
    """Fails where a tensor of a checkpoint would be left out, or one be wanted that it has not."""
    listed = json.loads((GOLDEN / "consistency_state_dict.json").read_text())
    net = cm.BlindConsistency()
    wanted = {name: list(shape) for name, shape in net.published_shapes().items()}
    assert wanted == {name: shape for name, (shape, _) in listed.items()}
    assert sum(p.numel() for p in net.parameters()) == 2_979_555


def test_mismatches_are_reported(state: dict[str, Tensor]) -> None:
    """Fails where a wrong checkpoint loads in part, or is refused without saying why."""
    wrong = dict(state)
    del wrong["ResBlocks.4.conv2.conv2d.bias"]
    wrong["ResBlocks.5.conv1.conv2d.bias"] = torch.zeros(128)
    wrong["deconv1.norm_layer.running_var"] = torch.zeros(7)
    with pytest.raises(CheckpointError) as error:
        cm.load_state(cm.BlindConsistency(), wrong)
    assert "1 missing: ResBlocks.4.conv2.conv2d.bias;" in str(error.value)
    assert "1 not of this network: ResBlocks.5.conv1.conv2d.bias;" in str(error.value)
    assert "deconv1.norm_layer.running_var is [7] instead of [64]" in str(error.value)
    with pytest.raises(CheckpointError, match=r"The tensor deconv3\.conv2d\.bias holds values that are no finite"):
        cm.load_state(cm.BlindConsistency(), state | {"deconv3.conv2d.bias": torch.full((3,), torch.inf)})
    with pytest.raises(CheckpointError, match=r"conv1a\.conv2d\.weight is \[32, 6, 7, 7\] instead of \[32, 4, 7, 7\]"):
        cm.load_state(cm.BlindConsistency(6, 2), state)


def test_files_come_back(state: dict[str, Tensor]) -> None:
    """Fails where a network comes back from its file as another one, or a published file is not recognized."""
    published = network_from_content(state)
    small, file = cm.BlindConsistency(6, 2, width=4, blocks=1), io.BytesIO()
    save_network(small, file)
    loaded = network_from_content(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert isinstance(loaded, cm.BlindConsistency)
    assert isinstance(published, cm.BlindConsistency)
    assert loaded.config == small.config
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in small.state_dict().items())


@pytest.mark.parametrize(("channels", "colors", "guide"), [((12, 3), 3, 3), ((6, 2), 2, 1), ((10, 2), 2, 3)])
def test_each_channel_goes_to_its_group(channels: tuple[int, int], colors: int, guide: int) -> None:
    """Fails where, with fewer color channels, luma is taken for color, or a frame for the one before."""
    net = cm.BlindConsistency(*channels, width=4, blocks=1)
    assert net.conv1a.in_channels == 2 * colors
    assert net.conv1b.in_channels == 2 * guide
    with torch.no_grad():
        net.conv1b.weight.zero_()  # deaf to the guide
        x = torch.rand(2, channels[0], 16, 24)
        y, state = net(x)
        x[:, -2 * guide :] = 0
        assert torch.equal(net(x)[0], y)
        x[:, 2 * colors - 1] += 1
        assert not torch.equal(net(x)[0], y)
    assert y.shape == (2, colors, 16, 24)
    assert state.hidden.shape == state.cell.shape == (2, 16, 4, 6)


def test_training_reaches_every_weight() -> None:
    """Fails where a part could not learn: a gradient through two frames is missing somewhere."""
    net = cm.BlindConsistency(6, 2, width=4, blocks=2)
    x = torch.rand(1, 6, 16, 16)
    y, state = net(x)
    (net(x, state)[0].square().sum() + y.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


@pytest.mark.parametrize("shape", [(12, 16, 16), (1, 6, 16, 16), (1, 12, 18, 16), (1, 12, 16, 4)])
def test_wrong_frames_are_refused(shape: tuple[int, ...]) -> None:
    """Fails where a wrong frame ends in an error deep inside the network."""
    with pytest.raises(ValueError, match=r"\[B, 12, H, W\], H and W multiples of 4 and at least 8; got \["):
        cm.BlindConsistency()(torch.rand(shape))


@pytest.mark.parametrize("channels", [(6, 3), (7, 2), (12, 0), (4, 3)])
def test_impossible_channels_are_refused(channels: tuple[int, int]) -> None:
    """Fails where channels that leave nothing for the guide make a network that cannot see the film."""
    with pytest.raises(ValueError, match="channels_in must be twice"):
        cm.BlindConsistency(*channels)
