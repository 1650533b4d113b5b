"""What a result depends on: an interrupted run is only resumed with an equal fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, fields
from typing import Any
from weakref import WeakKeyDictionary

import torch

from ..files import file_identity, file_sha256
from ..media.reference_path import split_reference
from ..passes.schedule import Schedule
from ..settings import MemoryConfig, NetworkSettings
from .receipt import versions

__all__ = ["exemplars_identity", "fingerprint", "masks_identity", "model_sha256"]

# Settings on which no frame depends; `split_long` changes the shots of a plan, by which its frames are known
_INDIFFERENT = (
    "overwrite",
    "resume",
    "strict",
    "audio",
    "lookahead",
    "encoders",
    "threads",
    "only_shots",
    "protect",
    "split_long",
    "chroma_out",
    "steady",
)
_HASHES: WeakKeyDictionary[torch.nn.Module, tuple[Any, str]] = WeakKeyDictionary()  # tensors' versions, and the hash


def exemplars_identity(schedule: Schedule) -> list[Any]:
    """Of all exemplars, with the frames that they show."""
    references = (reference for shot in schedule.shots for reference in shot.references)
    placed = ((*split_reference(reference.source), reference.frame) for reference in references)
    return [[file_identity(path), str(time), frame] for path, time, frame in placed]


def masks_identity(schedule: Schedule) -> list[str | None]:
    """A hash of the content of each shot's mask; None for shots without one."""
    return [None if shot.mask is None else file_sha256(shot.mask) for shot in schedule.shots]


def fingerprint(
    settings: NetworkSettings,
    memory: MemoryConfig,
    weights: str,
    device: tuple[str, str],
    lookahead: int,
) -> dict[str, Any]:
    """What an output depends on besides its input and its exemplars, by the names that an error message uses.

    Args:
        weights: sha256 of the model's tensors.
        device: its type, and the precision.
        lookahead: frames given to the network at once, which changes the rounding.
    """
    relevant = [field.name for field in fields(settings) if field.name not in _INDIFFERENT]
    return {
        "settings": {name: getattr(settings, name) for name in relevant},
        "memory settings": asdict(memory),
        "weights": weights,
        "device or precision": list(device),
        "lookahead": lookahead,
        "version": {name: version for name, version in versions().items() if name in ("colormnet", "torch", "av")},
    }


def model_sha256(model: torch.nn.Module) -> str:
    """Of all tensors, by name. Computed once for a model whose tensors do not change."""
    tensors = sorted(model.state_dict().items())
    state = [(name, tensor.data_ptr(), tensor._version) for name, tensor in tensors]
    known = _HASHES.get(model)
    if known is not None and known[0] == state:
        return known[1]
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    _HASHES[model] = state, digest.hexdigest()
    return digest.hexdigest()
