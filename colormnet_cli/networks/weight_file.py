"""Weight files: a network's sizes and tensors, or its authors' checkpoint; the file says which network it is of."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import torch

from ..errors import CheckpointError
from .state_dict import Network, load_state

__all__ = ["network_from_content", "save_network"]

# Where a network is (imported when a file of it is loaded), and how a tensor of its published checkpoint begins.
_NETWORKS = {
    "ColorMNet": ("colormnet", "key_encoder."),
    "DDColor": ("ddcolor", "encoder.arch."),
    "DeepExemplar": ("deep_exemplar", "warp."),
    "BlindConsistency": ("blind_consistency", "convlstm."),
}


def save_network(network: Network, file: str | Path | IO[bytes], dtype: torch.dtype | None = None) -> None:
    """Write a weight file of our own form: sizes and tensors, loadable without running any code of the file's."""
    state = {
        name: tensor.detach().cpu().to(dtype if dtype and tensor.is_floating_point() else tensor.dtype)
        for name, tensor in network.state_dict().items()
    }
    torch.save({"network": type(network).__name__, "config": network.config.to_dict(), "state": state}, file)


def network_from_content(content: Any) -> Network:
    """A network from what torch.load gave: our own form with its sizes, or a published checkpoint.

    Raises:
        CheckpointError: it is neither.
    """
    if isinstance(content, Mapping) and "config" in content and "state" in content:
        try:
            network = _class(content.get("network", "ColorMNet")).of_sizes(content["config"])
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"The weight file's network sizes are not ours ({error}); was it written by a later version?"
            ) from error
        state = content["state"]
    else:
        state = content.get("params", content) if isinstance(content, Mapping) else content
        network = _class(_published_by(state)).of_published(state)
    load_state(network, state)
    return network


def _class(name: str) -> type[Network]:
    if name not in _NETWORKS:
        raise ValueError(f"a network {name!r} is not known")
    found: type[Network] = getattr(import_module(f".{_NETWORKS[name][0]}", __package__), name)
    return found


def _published_by(state: Any) -> str:
    """Whose checkpoint it is, by its names; ColorMNet's if nobody's, which then says what is missing."""
    for network, (_, beginning) in _NETWORKS.items():
        if isinstance(state, Mapping) and any(str(name).startswith(beginning) for name in state):
            return network
    return "ColorMNet"
