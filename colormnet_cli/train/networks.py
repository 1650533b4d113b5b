"""What training knows of each network: how it is made, and its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ..networks.blind_consistency import BlindConsistency, BlindConsistencyConfig
from ..networks.deep_exemplar import DeepExemplar, DeepExemplarConfig
from ..networks.preview import new_network
from ..networks.state_dict import Network
from .clip_loss import ClipLoss
from .exemplar_clip_loss import ExemplarClipLoss
from .steady_clip_loss import SteadyClipLoss
from .train_settings import TrainSettings

__all__ = ["clip_loss", "network_of", "set_loss_weights", "step_arguments"]


def network_of(settings: TrainSettings) -> Network:
    """With random weights."""
    config: Any = settings.network
    if isinstance(config, BlindConsistencyConfig):
        return BlindConsistency(**config.to_dict())
    return DeepExemplar(**config.to_dict()) if isinstance(config, DeepExemplarConfig) else new_network(config)


def clip_loss(model: Any, settings: TrainSettings) -> nn.Module:
    """The network with its loss, which takes the tensors of a batch and `step_arguments`."""
    if isinstance(model, BlindConsistency):
        return SteadyClipLoss(model, settings)
    if isinstance(model, DeepExemplar):
        return ExemplarClipLoss(model, settings)
    model.pvgfe.transformer.requires_grad_(not settings.freeze_transformer)
    loss = ClipLoss(model, error_loss=settings.error_loss)
    set_loss_weights(loss, settings, 0)
    return loss


def set_loss_weights(loss: nn.Module, settings: TrainSettings, step: int) -> None:
    """Give the loss the weights of a step; those of networks without a memory do not change."""
    if isinstance(loss, ClipLoss):
        loss.raw_loss, loss.chroma_loss, loss.fade_loss, loss.exemplar_weight = (
            settings.at(schedule, step)
            for schedule in (settings.raw_loss, settings.chroma_loss, settings.fade_loss, settings.exemplar_weight)
        )


def step_arguments(settings: TrainSettings, step: int) -> tuple[Any, ...]:
    """What the loss gets at a step beside a batch."""
    if not settings.reads_memory:
        return ()
    update_hidden = np.random.default_rng((settings.seed, 5, step)).random(settings.at(settings.frames, step))
    renew = torch.from_numpy(update_hidden < settings.hidden_renewal)
    return renew, step < settings.matching_share * settings.steps
