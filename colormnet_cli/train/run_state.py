"""Checkpoints of a run: written whole or not at all, and enough to go on exactly."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from ..files import cannot_write, write_whole
from ..networks.colormnet.colormnet import ColorMNet
from ..networks.weight_file import save_network

__all__ = ["read_checkpoint", "write_checkpoint", "write_file", "write_weights"]


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write plain values and tensors; the file under that name is always a whole one."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_file(path, buffer.getbuffer())


def write_weights(path: Path, model: ColorMNet, dtype: torch.dtype | None = None) -> None:
    """Write a weight file of our own form, whole or not at all."""
    buffer = io.BytesIO()
    save_network(model, buffer, dtype)
    write_file(path, buffer.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What write_checkpoint wrote.

    Raises:
        CheckpointError: there is none, or it is no checkpoint of a run.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint {path}; start the run without --resume.") from error
    except OSError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # torch.load has no one class for a damaged file, and many lines to say of it
        raise CheckpointError(
            f"The checkpoint {path} is damaged; a new run, in another --out, can begin with "
            f"--init {path.with_name('best.pt')}, the best weights so far."
        ) from error
    if not isinstance(content, dict) or "optimizer" not in content:
        raise CheckpointError(f"{path} is no checkpoint of a training run; give a run's folder.")
    return content


def write_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file of a run, and its folder, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        go_on = ", and go on with --resume" if path.with_name("last.pt").exists() else ""
        raise cannot_write(path, error, go_on) from error
