"""The files of a training run: last.pt, from which it resumes, settings.json, and weights.

Each is written to a temporary file first, so that an existing one is never left incomplete.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from ..files import cannot_write, write_whole
from ..networks.state_dict import Network
from ..networks.weight_file import save_network
from .scenes.things import SceneKinds
from .train_settings import TrainSettings

__all__ = ["read_checkpoint", "read_settings", "write_checkpoint", "write_file", "write_settings", "write_weights"]


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write plain values and tensors. Raises OutputError."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_file(path, buffer.getbuffer())


def write_weights(path: Path, model: Network, dtype: torch.dtype | None = None) -> None:
    """Write a weight file, floating-point tensors as ``dtype``. Raises OutputError."""
    buffer = io.BytesIO()
    save_network(model, buffer, dtype)
    write_file(path, buffer.getbuffer())


def write_settings(folder: Path, settings: TrainSettings) -> None:
    """Write a run's settings.json. Raises OutputError."""
    write_file(folder / "settings.json", (json.dumps(settings.to_dict(), indent=2) + "\n").encode())


def write_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file, and its folder where there is none. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise cannot_write(path, error, ", and resume" if path.with_name("last.pt").exists() else "") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What write_checkpoint wrote.

    Raises:
        CheckpointError: there is none, or it is damaged, or it is not that of a training run.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint {path}: start the run without resuming.") from error
    except OSError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # torch.load has no single exception for a damaged file, and its messages are long
        raise CheckpointError(
            f"The checkpoint {path} is damaged: start a new run in another folder, with {path.with_name('best.pt')}, "
            "the best weights of this one, as init."
        ) from error
    if not isinstance(content, dict) or "optimizer" not in content:
        raise CheckpointError(f"{path} is not the checkpoint of a training run.")
    return content


def read_settings(folder: Path) -> TrainSettings | None:
    """The settings of the run in a folder, from settings.json or else from its checkpoint; None if there is no run.

    Raises:
        CheckpointError: they are damaged, or those of another version.
    """
    saved, checkpoint = folder / "settings.json", folder / "last.pt"
    if not checkpoint.exists():
        return None
    try:
        if saved.exists():
            return _settings(json.loads(saved.read_text("utf-8")))
        return _settings(read_checkpoint(checkpoint)["settings"])
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{saved} is damaged, or of another version ({error}): delete it to resume with the checkpoint's settings."
            if saved.exists()
            else f"{checkpoint} is of another version ({error}): start a new run in another folder."
        ) from error


def _settings(values: Mapping[str, Any]) -> TrainSettings:
    """A run that began before there were kinds of things in synthetic clips goes on without them."""
    return TrainSettings(**{**asdict(SceneKinds()), **values})
