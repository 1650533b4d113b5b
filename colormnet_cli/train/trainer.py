"""Training steps: the network with its loss, optimizer, gradient scaler and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import TrainingError
from ..inference.device import DTYPES
from ..networks.state_dict import Network
from .data import Batch
from .distributed import Distributed
from .networks import clip_loss, set_loss_weights, step_arguments
from .train_settings import TrainSettings, values_of

__all__ = ["StepResult", "Trainer", "learning_rate"]


class StepResult(NamedTuple):
    """Of one optimizer step, the same in all processes."""

    loss: float
    error: float  # mean |ab error| in Lab units
    lr: float
    grad_norm: float


def learning_rate(settings: TrainSettings, step: int) -> float:
    """The learning rate of a step."""
    warmup = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    if settings.schedule == "cosine":
        return settings.lr * warmup * (0.5 + 0.5 * math.cos(math.pi * step / settings.steps))
    return settings.lr * warmup * 0.1 ** sum(step >= drop for drop in settings.lr_drops)


class Trainer:
    """A network in training, on one device of one process."""

    def __init__(self, model: Network, settings: TrainSettings, device: torch.device, processes: Distributed):
        self.model, self.settings, self.device, self.processes = model, settings, device, processes
        model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.clip_loss = clip_loss(model, settings).to(device)
        self.parameters = [p for p in self.clip_loss.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, settings.lr, weight_decay=settings.weight_decay)
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")
        averages = max(values_of(settings.ema_decay)) > 0
        self.ema = AveragedModel(model, use_buffers=True) if averages else None
        self.loss = self.clip_loss
        if processes.world_size > 1:
            ids = [processes.local_rank] if device.type == "cuda" else None
            # Some steps leave parameters unused: where the value encoder updates the hidden state in every frame, the
            # decoder's own update; while only the keys are trained, all encoders and decoders.
            self.loss = DistributedDataParallel(self.loss, device_ids=ids, find_unused_parameters=True)

    @property
    def averaged(self) -> Network:
        """The network to validate and to save: the averaged weights, or the model itself without averaging."""
        return self.model if self.ema is None else cast(Network, self.ema.module)

    def step(self, step: int, batches: Sequence[Batch]) -> StepResult:
        """Do one optimizer step on this process's share of a batch, in ``accumulate`` parts.

        Raises:
            TrainingError: the loss or the gradient became infinite or NaN; the weights are unchanged.
        """
        settings = self.settings
        lr = self._prepare(step)
        arguments = step_arguments(settings, step)
        loss, error = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for part, batch in enumerate(batches):
            moved = [x.to(self.device, non_blocking=True) for x in batch]
            last = part == len(batches) - 1  # until then, gradients stay in their process
            self.loss.require_backward_grad_sync = last  # type: ignore[assignment]
            with torch.autocast(self.device.type, DTYPES[settings.precision], settings.precision != "fp32"):
                result = self.loss(*moved, *arguments)
            self.scaler.scale(result.loss / len(batches)).backward()
            loss += result.loss.detach() / len(batches)
            error += result.error / len(batches)
        mean_loss = self.processes.mean(loss)
        _require_finite("loss", mean_loss, step)
        self.scaler.unscale_(self.optimizer)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, settings.clip_norm or math.inf))
        if settings.precision != "fp16":  # there the scaler skips such a step and lowers its scale
            _require_finite("gradient", norm, step)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.multi_avg_fn = get_ema_multi_avg_fn(settings.at(settings.ema_decay, step))
            self.ema.update_parameters(self.model)
        return StepResult(mean_loss, self.processes.mean(error), lr, norm)

    def _prepare(self, step: int) -> float:
        """Set train mode, in which BatchNorm is frozen later in the run, the loss weights and the learning rate."""
        set_loss_weights(self.clip_loss, self.settings, step)
        self.model.train()
        if step < self.settings.norm_share * self.settings.steps:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.train()
        lr = learning_rate(self.settings, step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        return lr

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on."""
        return {
            "model": self.model.state_dict(),
            "loss": self._opponents(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "rng": torch.random.get_rng_state(),
        }

    def _opponents(self) -> dict[str, torch.Tensor]:
        """What of the loss is trained beside the network."""
        return {name: x for name, x in self.clip_loss.state_dict().items() if not name.startswith("model.")}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from a state_dict. KeyError, RuntimeError or ValueError where it is that of another network."""
        self.model.load_state_dict(saved["model"])
        if (opponents := saved.get("loss", {})).keys() != self._opponents().keys():
            raise ValueError("what is trained against the network is another")
        self.clip_loss.load_state_dict(opponents, strict=False)
        self.optimizer.load_state_dict(saved["optimizer"])
        if saved["scaler"] and self.scaler.is_enabled():  # otherwise fp16 starts here, or has ended
            self.scaler.load_state_dict(saved["scaler"])
        if self.ema is not None and saved["ema"]:  # otherwise averaging starts here
            self.ema.load_state_dict(saved["ema"])
        torch.random.set_rng_state(saved["rng"])


def _require_finite(name: str, value: float, step: int) -> None:
    if not math.isfinite(value):
        raise TrainingError(f"The {name} became {value} at step {step + 1}")
