"""Where a run begins: random weights, the published ones, or ImageNet's and DINOv2's."""

from __future__ import annotations

import torch

from ..model.colormnet import ColorMNet
from .settings import TrainSettings

__all__ = ["starting_model"]


def starting_model(settings: TrainSettings) -> ColorMNet:
    """The network that training starts from, by ``settings.init``: random, colormnet, pretrained, or a weight file.

    Raises:
        UsageError: the weights are of another network than the settings'.
        WeightsError: they cannot be had.
    """
    if settings.init == "random":
        return _random(settings)
    if settings.init == "pretrained":
        from .pretrained import fill_pretrained

        model = _random(settings)
        fill_pretrained(model)
        return model
    from ..errors import UsageError
    from ..weights import load_model

    model = load_model(settings.init)
    if model.config != settings.network:
        raise UsageError(
            f"The weights {settings.init} are of another network than this configuration; "
            "take the --config that they were trained with."
        )
    return model


def _random(settings: TrainSettings) -> ColorMNet:
    """Random weights, the same for the same seed."""
    state = torch.random.get_rng_state()
    torch.manual_seed(settings.seed)
    try:
        model = ColorMNet(settings.network)
    finally:
        torch.random.set_rng_state(state)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith((".scale1", ".scale2")) and not settings.freeze_transformer:
                parameter.fill_(1.0)  # 1e-5 suits a pretrained transformer: from nothing it would not wake
            elif name.startswith("decoder.predict."):  # grey, or the raw readout, is about the first answer
                parameter.mul_(0.0 if name.endswith("bias") else 0.1)
    return model
