"""The network that learns, and by what: the optimiser, the gradient's scale, the mean of the weights."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..networks.colormnet.colormnet import ColorMNet
from .train_settings import TrainSettings

__all__ = ["Trainer", "learning_rate"]


def learning_rate(settings: TrainSettings, step: int) -> float:
    """The learning rate of a step."""
    warm = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    if settings.schedule == "cosine":
        return settings.lr * warm * (0.5 + 0.5 * math.cos(math.pi * step / settings.steps))
    return settings.lr * warm * 0.1 ** sum(step >= drop for drop in settings.lr_drops)


class Trainer:
    """One network on its way; a step is prepare, backward for each part of the batch, gradient_norm, update."""

    def __init__(self, model: ColorMNet, settings: TrainSettings, device: torch.device):
        self.model, self.settings = model, settings
        model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        model.pvgfe.transformer.requires_grad_(not settings.freeze_transformer)
        learned = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learned, settings.lr, weight_decay=settings.weight_decay)
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")
        # The mean over the last steps lies more in the middle of what is good than any one step does.
        decay = get_ema_multi_avg_fn(settings.ema_decay)
        self.mean = AveragedModel(model, multi_avg_fn=decay, use_buffers=True) if settings.ema_decay else None

    @property
    def result(self) -> ColorMNet:
        """The network that the run gives, if it ended here."""
        return self.model if self.mean is None else cast(ColorMNet, self.mean.module)

    def prepare(self, step: int) -> None:
        """Train mode, but BatchNorm learns its statistics only in the first part of the run, if at all."""
        self.model.train()
        if step < self.settings.norm_share * self.settings.steps:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, step)
        self.optimizer.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Add a part's gradients to those that are there."""
        self.scaler.scale(loss).backward()

    def gradient_norm(self) -> float:
        """The norm of the whole gradient, which is then cut to the settings' largest one."""
        self.scaler.unscale_(self.optimizer)
        return float(nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm or math.inf))

    def update(self) -> None:
        """The optimiser's step."""
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.mean is not None:
            self.mean.update_parameters(self.model)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "mean": None if self.mean is None else self.mean.state_dict(),
            "rng": torch.random.get_rng_state(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from what state_dict gave; KeyError, RuntimeError or ValueError where that is another network's."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if saved["scaler"] and self.scaler.is_enabled():  # else fp16 begins here, or has ended
            self.scaler.load_state_dict(saved["scaler"])
        if self.mean is not None and saved.get("mean"):  # else it begins here
            self.mean.load_state_dict(saved["mean"])
        torch.random.set_rng_state(saved["rng"])
