"""Starting from ImageNet's and DINOv2's weights: files as their authors publish them."""

from __future__ import annotations

import pytest
import torch
from torchvision.models import resnet18, resnet50

from colormnet_cli.errors import UsageError
from colormnet_cli.networks.colormnet import ColorMNet
from colormnet_cli.train import pretrained
from support.networks import make_small_model


def noise(state):
    """Random numbers everywhere, so that no tensor is what a constructor makes it."""
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


def test_every_pretrained_tensor_arrives(tmp_path, monkeypatch):
    """Training "from ImageNet and DINOv2" would quietly begin with random parts."""
    trunks = {"resnet50": noise(resnet50().state_dict()), "resnet18": noise(resnet18().state_dict())}
    states = {**trunks, "dinov2": dinov2()}

    def on_disk(entry):
        torch.save(states[entry.name], tmp_path / entry.file)
        return tmp_path / entry.file

    monkeypatch.setattr(pretrained, "ensure", on_disk)
    model = ColorMNet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pretrained.fill_pretrained(model)
    assert torch.equal(model.pvgfe.trunk.conv1.weight, states["resnet50"]["conv1.weight"])
    assert torch.equal(model.pvgfe.trunk.stages[2][5].conv3.weight, states["resnet50"]["layer3.5.conv3.weight"])
    assert torch.equal(model.pvgfe.transformer.blocks[11].scale2, states["dinov2"]["blocks.11.ls2.gamma"])
    assert torch.equal(model.value_encoder.trunk.conv1.weight[:, :3], states["resnet18"]["conv1.weight"])
    parts = ("pvgfe.trunk.", "pvgfe.transformer.", "value_encoder.trunk.")
    left = [n for n, p in model.named_parameters() if n.startswith(parts) and torch.equal(p, before[n])]
    assert left == []


def test_a_small_network_cannot_take_them():
    """The error would speak of tensors instead of saying what to do."""
    with pytest.raises(UsageError, match="--config full"):
        pretrained.fill_pretrained(make_small_model())
