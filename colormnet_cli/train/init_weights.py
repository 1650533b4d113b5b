"""Initial weights: random, trained ones, or those of ImageNet and DINOv2, which the paper's authors started from."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import CheckpointError, UsageError
from ..networks.colormnet.config import ColorMNetConfig
from ..networks.colormnet.published_names import our_name
from ..networks.state_dict import Network
from ..weights import LockEntry, UrlSource, ensure, network_from_file, weights_path
from .networks import network_of
from .train_settings import TrainSettings

__all__ = ["PRETRAINED", "initial_model", "load_pretrained"]


def _entry(name: str, url: str, size: int, sha256: str, license: str, origin: str) -> LockEntry:
    return LockEntry(name, url.rpartition("/")[2], size, sha256, license, origin, sources=(UrlSource(url),))


# Not in weights.lock: only training from scratch needs them, and `colormnet weights verify` should not report them as
# missing.
PRETRAINED = {
    "resnet50": _entry(
        "resnet50", "https://download.pytorch.org/models/resnet50-0676ba61.pth", 102530333,
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a", "BSD-3-Clause", "torchvision, ImageNet",
    ),
    "resnet18": _entry(
        "resnet18", "https://download.pytorch.org/models/resnet18-f37072fd.pth", 46830571,
        "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec", "BSD-3-Clause", "torchvision, ImageNet",
    ),
    "dinov2": _entry(
        "dinov2", "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth", 88283115,
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9", "Apache-2.0", "Meta AI, DINOv2 ViT-S/14",
    ),
}  # fmt: skip


def initial_model(settings: TrainSettings) -> Network:
    """The network that training starts from, by ``settings.init``: random, colormnet, pretrained, or a weight file.

    The sizes of trained weights are their own; those of the settings count for random ones.

    Raises:
        UsageError: the weights are those of another network than the settings'.
        WeightsError: the weights cannot be loaded or downloaded.
    """
    if settings.init in ("random", "pretrained"):
        model = _random(settings)
        if settings.init == "pretrained":
            load_pretrained(model)
        return model
    model = network_from_file(weights_path(settings.init))
    if type(model.config) is not type(settings.network):
        raise UsageError(
            f"The weights {settings.init} are those of another network: use the configuration they were trained with."
        )
    return model


def _random(settings: TrainSettings) -> Network:
    """Random weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = network_of(settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith((".scale1", ".scale2")) and not settings.freeze_transformer:
                parameter.fill_(1.0)  # the default 1e-5 is for pretrained transformers; a random one would not learn
            elif name.startswith(("decoder.predict.", "color.ab.", "deconv3.")):
                # first predictions: gray, the raw readout, or no correction
                parameter.mul_(0.0 if name.endswith("bias") else 0.1)
    return model


def load_pretrained(model: Network) -> None:
    """Load ImageNet's ResNets and DINOv2's transformer into a network of the full size; the rest stays as it is.

    Raises:
        UsageError: the network has another size.
        WeightsError: a file cannot be downloaded.
    """
    if model.config != ColorMNetConfig():
        raise UsageError("ImageNet and DINOv2 weights fit only the full configuration: use that, or random weights.")
    state = model.state_dict()
    for source in PRETRAINED:
        path = ensure(PRETRAINED[source])
        tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        for name, tensor in tensors.items():
            if (ours := _our_name(source, name)) is None:
                continue
            if ours == "value_encoder.trunk.conv1.weight":
                # Three input channels take the lightness, as of a gray photo; the two of color start as its mean.
                tensor = torch.cat((tensor, tensor.mean(1, keepdim=True).expand(-1, 2, -1, -1)), dim=1)
            if ours not in state or state[ours].shape != tensor.shape:
                raise CheckpointError(
                    f"{path} has {name} of shape {list(tensor.shape)}, which does not fit the network."
                )
            state[ours].copy_(tensor)


def _our_name(source: str, name: str) -> str | None:
    """The network's name for a tensor of one of the files; None if the network does not have it."""
    if name.startswith(("layer4.", "fc.")) or name == "mask_token":
        return None
    if source == "dinov2":
        return our_name("key_encoder.network2.backbone." + name)
    if source == "resnet50":
        return our_name("key_encoder." + name.replace("layer1.", "res2."))
    return our_name("value_encoder." + name)
