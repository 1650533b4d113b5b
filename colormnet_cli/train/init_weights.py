"""Where a run begins: random weights, the published ones, or ImageNet's and DINOv2's."""

from __future__ import annotations

import logging

import torch

from ..errors import UsageError
from ..networks.colormnet.colormnet import ColorMNet
from .train_settings import TrainSettings

__all__ = ["initial_model"]

_log = logging.getLogger(__name__)


def initial_model(settings: TrainSettings) -> ColorMNet:
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
    from ..weights import model_from_file, weights_path

    found = model_from_file(weights_path(settings.init))
    return found if found.config == settings.network else _adopt(found, settings)


def _adopt(found: ColorMNet, settings: TrainSettings) -> ColorMNet:
    """A network that differs a little from the one with weights: what fits is taken, the rest begins at random."""
    model = _random(settings)
    ours, theirs = model.state_dict(), found.state_dict()
    new = [name for name in ours if name not in theirs or theirs[name].shape != ours[name].shape]
    if not new and theirs.keys() == ours.keys():
        return found  # what differs is no tensor, as the exemplar's weight: the file knows best
    if sum(ours[name].numel() for name in new) > 0.1 * sum(tensor.numel() for tensor in ours.values()):
        raise UsageError(
            f"The weights {settings.init} are of another network than this configuration; "
            "take the --config that they were trained with."
        )
    model.load_state_dict({**theirs, **{name: ours[name] for name in new}}, strict=False)
    _log.warning("%s has no %s; they begin at random", settings.init, ", ".join(new))
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
