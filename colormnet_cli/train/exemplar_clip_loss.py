"""The loss of one training clip for Deep Exemplar: the first frame gives its colors to the others, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..color.lab import lab_to_rgb
from ..networks.deep_exemplar import DeepExemplar
from . import exemplar_losses as losses
from .clip_loss import ClipResult
from .discriminator import Discriminator
from .train_settings import TrainSettings

__all__ = ["ExemplarClipLoss"]

_TEMPERATURE = 0.01  # of the matching's softmax
_MAPS = ("2_2", "3_2", "4_2", "5_2")  # of VGG, that the contextual loss compares
_MAP_WEIGHTS = (1, 2, 4, 8)


class ExemplarClipLoss(nn.Module):
    """The network and the loss in one module, and the discriminator where it is trained against one.

    A loss whose weight in the settings is 0 is not computed. VGG stays as it is.
    """

    def __init__(self, model: DeepExemplar, settings: TrainSettings):
        super().__init__()
        self.model, self.settings = model, settings
        model.vgg.requires_grad_(False)
        self.discriminator = None
        if settings.adversarial_loss:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(settings.seed)
                self.discriminator = Discriminator(model.config.width)

    def forward(self, lab: Tensor, flow: Tensor, seen: Tensor) -> ClipResult:
        """The loss of Lab clips.

        Args:
            lab: [B, T, 3, H, W].
            flow, seen: [B, T - 1, 2, H, W] and [B, T - 1, 1, H, W], see `scenes.flow.flows`.
        """
        with torch.autocast(lab.device.type, enabled=False):
            exemplar = self.model.exemplar(lab[:, 0])
        last: Tensor | None = None
        answers = []
        for t in range(1, lab.shape[1]):
            L = lab[:, t, :1]
            theta = self.model.features(L)
            with torch.autocast(lab.device.type, enabled=False):
                matched = self.model.matching(theta, exemplar, _TEMPERATURE)
            ab = self.model.refine(L, matched, last)
            answers.append(ab)
            last = torch.cat((L, ab.detach()), dim=1)
        answer, truth = torch.stack(answers, dim=1), lab[:, 1:, 1:]
        loss = sum((weight * part for weight, part in self._parts(lab, answer, flow, seen)), answer.new_zeros(()))
        return ClipResult(loss, (answer - truth).detach().abs().mean(), answer.detach())

    def _parts(self, lab: Tensor, answer: Tensor, flow: Tensor, seen: Tensor) -> Iterator[tuple[float, Tensor]]:
        """Weight and value of each loss that is switched on."""
        settings, L, ab = self.settings, lab[:, 1:, :1].flatten(0, 1), answer.flatten(0, 1)
        if settings.l1_loss:
            yield settings.l1_loss, losses.smooth_l1(answer, lab[:, 1:, 1:])
        if settings.perceptual_loss or settings.contextual_loss:
            yield from self._of_features(lab, torch.cat((L, ab), dim=1))
        if settings.smoothness_loss:
            yield settings.smoothness_loss, losses.smoothness(ab, L)
        if settings.temporal_loss:
            before = torch.cat((lab[:, :1, 1:], answer[:, :-1]), dim=1).flatten(0, 1)
            moved = losses.temporal(ab, before, flow.flatten(0, 1), seen.flatten(0, 1))
            yield settings.temporal_loss, moved
        if self.discriminator is not None:
            yield from self._against(self.discriminator, lab, answer)

    def _of_features(self, lab: Tensor, made: Tensor) -> Iterator[tuple[float, Tensor]]:
        settings, frames = self.settings, lab.shape[1] - 1
        *maps, deep = self._features(made, (*_MAPS[:3], "5_1", "5_2"))
        if settings.contextual_loss:
            with torch.no_grad():
                exemplar = [x.repeat_interleave(frames, 0) for x in self._features(lab[:, 0], _MAPS)]
            pairs = zip(_MAP_WEIGHTS, (*maps[:3], deep), exemplar, strict=True)
            found = sum((weight * losses.contextual(x, y) for weight, x, y in pairs), made.new_zeros(()))
            yield settings.contextual_loss, found
        if settings.perceptual_loss:
            with torch.no_grad():
                truth = self._features(lab[:, 1:].flatten(0, 1), ("5_1",))[0]
            yield settings.perceptual_loss, losses.perceptual(maps[3], truth)

    def _features(self, lab: Tensor, taps: tuple[str, ...]) -> list[Tensor]:
        with torch.autocast(lab.device.type, enabled=False):
            rgb = lab_to_rgb(lab.float())
        return [x.float() for x in self.model.vgg(rgb, taps)]

    def _against(self, discriminator: Discriminator, lab: Tensor, answer: Tensor) -> Iterator[tuple[float, Tensor]]:
        """The network's side and the discriminator's side, each of which trains only its own parameters."""
        true = _pairs(lab)
        made = _pairs(torch.cat((lab[:, :1], torch.cat((lab[:, 1:, :1], answer), dim=2)), dim=1))
        fixed = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}

        def of_clips(judged: Tensor) -> Tensor:
            return judged.view(len(lab), -1)

        judged = [of_clips(functional_call(discriminator, fixed, (frames,))) for frames in (true, made)]
        yield self.settings.adversarial_loss, losses.generator_loss(*judged)
        sides = of_clips(discriminator(true)), of_clips(discriminator(made.detach()))
        yield 1.0, losses.discriminator_loss(*sides)


def _pairs(lab: Tensor) -> Tensor:
    """Lab/100 of each frame but the first, and of the one before it: [B, T, 3, H, W] to [B · (T - 1), 6, H, W]."""
    return torch.cat((lab[:, 1:], lab[:, :-1]), dim=2).flatten(0, 1) / 100
