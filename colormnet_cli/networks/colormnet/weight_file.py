"""Weight files: the published checkpoint's, and those of our own form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from ...errors import CheckpointError
from ..state_dict import load_state
from .colormnet import ColorMNet
from .config import ColorMNetConfig

__all__ = ["model_from_file_content", "save_model"]


def save_model(model: ColorMNet, file: str | Path | IO[bytes], dtype: torch.dtype | None = None) -> None:
    """Write a weight file of our own form: sizes and tensors, loadable without running any code of the file's."""
    state = {
        name: tensor.detach().cpu().to(dtype if dtype and tensor.is_floating_point() else tensor.dtype)
        for name, tensor in model.state_dict().items()
    }
    torch.save({"config": model.config.to_dict(), "state": state}, file)


def model_from_file_content(content: Any) -> ColorMNet:
    """A model from what torch.load gave: our own form with its sizes, or the published checkpoint."""
    if not (isinstance(content, Mapping) and "config" in content and "state" in content):
        model = ColorMNet()
        load_state(model, content)
        return model
    try:
        model = ColorMNet(ColorMNetConfig(**content["config"]))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"The weight file's network sizes are not ours ({error}); was it written by a later version?"
        ) from error
    load_state(model, content["state"])
    return model
