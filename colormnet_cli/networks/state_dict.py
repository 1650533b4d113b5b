"""Filling a network from named tensors, strictly: its authors' checkpoint, or its own state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import CheckpointError

__all__ = ["Network", "load_state"]


class Network(nn.Module):
    """A module that knows which tensors its authors' checkpoint has, and how to make its own of them."""

    unread: ClassVar[frozenset[str]] = frozenset()  # published names that may be there, and are not looked at

    config: Any  # its sizes: a dataclass with to_dict

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any]) -> Network:
        """Random weights, the sizes from a weight file; a TypeError or ValueError where they are no sizes of it."""
        raise NotImplementedError

    @classmethod
    def of_published(cls, state: Mapping[str, Tensor]) -> Network:
        """Random weights, in the size that this published checkpoint has."""
        raise NotImplementedError

    def published_shapes(self) -> dict[str, torch.Size]:
        """Every tensor that the authors' checkpoint must have."""
        raise NotImplementedError

    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """This module's own state dict, from all of `published_shapes`."""
        raise NotImplementedError

    @property
    def dtype(self) -> torch.dtype:
        """The parameters' type."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def fold_batch_norm(self) -> None:
        """Make each BatchNorm a part of the convolution before it, in place: the same answers, and fewer operations.

        For inference alone; the state dict is another one afterwards. Nothing where a network has no BatchNorm.
        """

    def own_shapes(self) -> dict[str, torch.Size]:
        """The shapes of the module's own state dict."""
        return {name: tensor.shape for name, tensor in self.state_dict().items()}


def load_state(model: Network, state: Mapping[str, Tensor]) -> None:
    """Fill the network from the published checkpoint's names, or from its own.

    A network on the meta device takes the tensors themselves where their types agree, so that nothing is copied.

    Raises:
        CheckpointError: a tensor is missing, unknown, of another shape or not finite; it says which.
    """
    named = isinstance(state, Mapping) and all(isinstance(name, str) for name in state)
    if not named or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CheckpointError(f"The weights are no table of tensors by name; give a {type(model).__name__} checkpoint.")
    odd = next((name for name, tensor in state.items() if not _is_plain(tensor)), None)
    if odd is not None:
        raise CheckpointError(
            f"The tensor {odd} is not stored as plain numbers, but as sparse, quantized or complex ones."
        )
    own = model.own_shapes()
    published = bool(state.keys() - own.keys())
    if published:
        state = {name: tensor for name, tensor in state.items() if name not in model.unread}
    _require_fit(state, model.published_shapes() if published else own)
    filled = model.from_published(state) if published else state
    if not any(tensor.is_meta for tensor in model.state_dict().values()):
        model.load_state_dict(filled)
        return
    types = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: tensor.to(types[name]) for name, tensor in filled.items()}, assign=True)


def _is_plain(tensor: Tensor) -> bool:
    plain = tensor.layout == torch.strided and not (tensor.is_nested or tensor.is_meta)
    return plain and not (tensor.is_quantized or tensor.is_complex())


def _require_fit(state: Mapping[str, Tensor], wanted: Mapping[str, torch.Size]) -> None:
    misshapen = [
        f"{name} is {list(tensor.shape)} instead of {list(wanted[name])}"
        for name, tensor in state.items()
        if name in wanted and tensor.shape != wanted[name]
    ]
    found = (
        ("missing", sorted(wanted.keys() - state.keys())),
        ("not of this network", sorted(state.keys() - wanted.keys())),
        ("of another shape", misshapen),
    )
    complaints = [f"{len(names)} {what}: {_some(names)}" for what, names in found if names]
    if complaints:
        raise CheckpointError(f"The weights do not fit the network: {'; '.join(complaints)}.")
    broken = next((name for name, tensor in state.items() if not tensor.isfinite().all()), None)
    if broken is not None:
        raise CheckpointError(
            f"The tensor {broken} holds values that are no finite numbers: the file is damaged, or its "
            "training went wrong; take another."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
