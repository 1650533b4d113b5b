"""Initial weights, such as ImageNet's and DINOv2's, in the files that their authors publish."""

from __future__ import annotations

import pytest
import torch
from torchvision.models import resnet18, resnet50

from colormnet_cli.errors import UsageError
from colormnet_cli.networks.colormnet import ColorMNet
from colormnet_cli.train import init_weights
from support.networks import make_small_model
from support.training import SMALL


def noise(state):
    """Random numbers, so that no tensor has the values that a constructor gives it."""
    return {name: torch.rand_like(t) if t.is_floating_point() else t for name, t in state.items()}


def dinov2():
    """The names and shapes of dinov2_vits14_pretrain.pth."""
    dim, shapes = 384, {}
    shapes |= {"cls_token": (1, 1, dim), "pos_embed": (1, 1370, dim), "mask_token": (1, dim)}
    shapes |= {"patch_embed.proj.weight": (dim, 3, 14, 14), "patch_embed.proj.bias": (dim,)}
    for block in range(12):
        for name, shape in {
            "norm1.weight": (dim,), "norm1.bias": (dim,), "norm2.weight": (dim,), "norm2.bias": (dim,),
            "attn.qkv.weight": (3 * dim, dim), "attn.qkv.bias": (3 * dim,),
            "attn.proj.weight": (dim, dim), "attn.proj.bias": (dim,), "ls1.gamma": (dim,), "ls2.gamma": (dim,),
            "mlp.fc1.weight": (4 * dim, dim), "mlp.fc1.bias": (4 * dim,),
            "mlp.fc2.weight": (dim, 4 * dim), "mlp.fc2.bias": (dim,),
        }.items():  # fmt: skip
            shapes[f"blocks.{block}.{name}"] = shape
    shapes |= {"norm.weight": (dim,), "norm.bias": (dim,)}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.mark.slow
def test_every_pretrained_tensor_is_loaded(tmp_path, monkeypatch):
    """Training from ImageNet and DINOv2 would silently start with some random weights."""
    trunks = {"resnet50": noise(resnet50().state_dict()), "resnet18": noise(resnet18().state_dict())}
    states = {**trunks, "dinov2": dinov2()}

    def on_disk(entry):
        torch.save(states[entry.name], tmp_path / entry.file)
        return tmp_path / entry.file

    monkeypatch.setattr(init_weights, "ensure", on_disk)
    model = ColorMNet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    init_weights.load_pretrained(model)
    assert torch.equal(model.pvgfe.trunk.conv1.weight, states["resnet50"]["conv1.weight"])
    assert torch.equal(model.pvgfe.trunk.stages[2][5].conv3.weight, states["resnet50"]["layer3.5.conv3.weight"])
    assert torch.equal(model.pvgfe.transformer.blocks[11].scale2, states["dinov2"]["blocks.11.ls2.gamma"])
    assert torch.equal(model.value_encoder.trunk.conv1.weight[:, :3], states["resnet18"]["conv1.weight"])
    parts = ("pvgfe.trunk.", "pvgfe.transformer.", "value_encoder.trunk.")
    left = [n for n, p in model.named_parameters() if n.startswith(parts) and torch.equal(p, before[n])]
    assert left == []


def test_pretrained_weights_do_not_fit_a_small_network():
    """The error would be about tensors, instead of saying what to do."""
    with pytest.raises(UsageError, match="only the full configuration"):
        init_weights.load_pretrained(make_small_model())


def test_random_weights_depend_on_the_seed_alone():
    """Two runs with the same settings would differ, or the random state of the caller would change."""
    settings, state = SMALL.with_overrides(seed=5), torch.random.get_rng_state()
    one = init_weights.initial_model(settings).state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    torch.testing.assert_close(init_weights.initial_model(settings).state_dict(), one, rtol=0, atol=0)
