"""Weight files: a network's sizes and tensors, or its authors' checkpoint; the file says which network it is of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .state_dict import Network, load_state

__all__ = ["blank", "blank_from_content", "network_from_content", "save_network"]

MAX_SIZE, MAX_LENGTH = 16384, 64  # of a size, and of a list of sizes, in a weight file
# Where a network is (imported when a file of it is loaded), and the first part of a name in its published checkpoint.
_NETWORKS: dict[str, tuple[str, str | None]] = {
    "ColorMNet": ("colormnet", "key_encoder."),
    "PreviewNet": ("preview", None),
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
    network = blank_from_content(content)
    load_state(network, content["state"] if _is_ours(content) else _published(content))
    return network


def _network_name(content: Any) -> str:
    """The class of the network that a file's content is of; ColorMNet, which then says what is missing, if of none."""
    if _is_ours(content):
        sizes = content["config"]
        is_preview = isinstance(sizes, Mapping) and sizes.get("raw_ab")  # the first files did not say
        return str(content.get("network", "PreviewNet" if is_preview else "ColorMNet"))
    names = [str(name) for name in _published(content)] if isinstance(content, Mapping) else []
    for network, (_, beginning) in _NETWORKS.items():
        if beginning and any(name.startswith(beginning) for name in names):
            return network
    return "ColorMNet"


def blank_from_content(content: Any) -> Network:
    """The network that a file's content is of, on the meta device; the values of its tensors are not looked at.

    Raises:
        CheckpointError: the content is not of a network.
    """
    ours = _is_ours(content)
    state = content["state"] if ours else _published(content)
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CheckpointError(
            f"The weights are no table of tensors by name; give a {_network_name(content)} checkpoint."
        )
    try:
        kind = _class(_network_name(content))
        if ours:
            _check_sizes(content["config"], len(state))
        with torch.device("meta"):  # its weights come from the file
            return kind.of_sizes(content["config"]) if ours else kind.of_published(state)
    except MemoryError:
        raise
    except Exception as error:  # sizes that contradict each other fail anywhere
        raise CheckpointError(
            f"The weight file's network sizes are not ours ({error}); was it written by a later version?"
        ) from error


def _check_sizes(sizes: Any, tensors: int) -> None:
    """Raise a ValueError for sizes with which a network would take memory or time without end to build.

    Args:
        tensors: how many the file has; each block of a network has some.
    """
    if not isinstance(sizes, Mapping):
        raise ValueError("they are no table")
    for name, value in sizes.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        most = tensors if re.search("depth|layers|blocks", str(name)) else MAX_SIZE
        if len(values) > MAX_LENGTH or not all(isinstance(one, (int, float, str)) for one in values):
            raise ValueError(f"{str(name)[:40]} is no size")
        if not all(isinstance(one, str) or 0 <= one <= most for one in values):
            raise ValueError(f"{str(name)[:40]} is {str(value)[:40]}, and {most} is the most that fits")


def blank(name: str) -> Network:
    """The network of a class name in its published size, on the meta device."""
    with torch.device("meta"):
        return _class(name)()


def _is_ours(content: Any) -> bool:
    return isinstance(content, Mapping) and "config" in content and "state" in content


def _published(content: Any) -> Any:
    """The named tensors of a published checkpoint; DDColor's are under a key of their own."""
    params = content.get("params") if isinstance(content, Mapping) else None
    return params if isinstance(params, Mapping) else content


def _class(name: str) -> type[Network]:
    if name not in _NETWORKS:
        raise ValueError(f"a network {name!r} is not known")
    found: type[Network] = getattr(import_module(f".{_NETWORKS[name][0]}", __package__), name)
    return found
