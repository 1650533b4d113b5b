"""ImageNet's ResNets and DINOv2's transformer as a starting point, as the paper's authors began."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError, UsageError
from ..networks.colormnet.colormnet import ColorMNet
from ..networks.colormnet.config import ColorMNetConfig
from ..networks.colormnet.published_names import our_name
from ..weights import LockEntry, UrlSource, ensure

__all__ = ["PRETRAINED", "fill_pretrained"]

_TORCHVISION = "https://download.pytorch.org/models/"

# Not in weights.lock: only training from scratch wants them, and `colormnet weights verify` should not miss them.
PRETRAINED = {
    "resnet50": LockEntry(
        "resnet50", "resnet50-0676ba61.pth", 102530333,
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a", "BSD-3-Clause", "torchvision, ImageNet",
        sources=(UrlSource(_TORCHVISION + "resnet50-0676ba61.pth"),),
    ),
    "resnet18": LockEntry(
        "resnet18", "resnet18-f37072fd.pth", 46830571,
        "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec", "BSD-3-Clause", "torchvision, ImageNet",
        sources=(UrlSource(_TORCHVISION + "resnet18-f37072fd.pth"),),
    ),
    "dinov2": LockEntry(
        "dinov2", "dinov2_vits14_pretrain.pth", 88283115,
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9", "Apache-2.0", "Meta AI, DINOv2 ViT-S/14",
        sources=(UrlSource("https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth"),),
    ),
}  # fmt: skip


def fill_pretrained(model: ColorMNet) -> None:
    """Fill the trunks and the transformer of a full network; the rest stays random.

    Raises:
        UsageError: the network has other sizes than the full one.
        WeightsError: a file cannot be had.
    """
    if model.config != ColorMNetConfig():
        raise UsageError("ImageNet and DINOv2 weights fit the full network alone: take --config full or --init random.")
    state = model.state_dict()
    for name, rename in _RENAMES.items():
        path = ensure(PRETRAINED[name])
        for theirs, tensor in _tensors(path).items():
            if (ours := rename(theirs)) is not None:
                _fill(state, ours, tensor, path)


def _tensors(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return tensors


def _fill(state: dict[str, Tensor], name: str, tensor: Tensor, path: Path) -> None:
    wanted = state.get(name)
    if wanted is not None and name == "value_encoder.trunk.conv1.weight":
        # Three channels are the lightness, as in a gray photograph; the colours begin as one more gray would.
        tensor = torch.cat((tensor, tensor.mean(1, keepdim=True).expand(-1, 2, -1, -1)), dim=1)
    if wanted is None or wanted.shape != tensor.shape:
        raise CheckpointError(f"{path} holds {name} of shape {list(tensor.shape)}, which the network has not.")
    wanted.copy_(tensor)


def _resnet50(name: str) -> str | None:
    if name.startswith(("layer4.", "fc.")):
        return None
    return our_name("key_encoder." + name.replace("layer1.", "res2."))


def _resnet18(name: str) -> str | None:
    return None if name.startswith(("layer4.", "fc.")) else our_name("value_encoder." + name)


def _dinov2(name: str) -> str | None:
    return None if name == "mask_token" else our_name("key_encoder.network2.backbone." + name)


_RENAMES: dict[str, Callable[[str], str | None]] = {"resnet50": _resnet50, "resnet18": _resnet18, "dinov2": _dinov2}
