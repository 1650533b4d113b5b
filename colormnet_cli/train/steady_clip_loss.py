"""The loss of one training clip for blind temporal consistency: steady along the motion, and true to the colors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..metrics.temporal import warp
from ..networks.blind_consistency import BlindConsistency, ColorSteadier
from .clip_loss import AB_RANGE, ClipResult
from .train_settings import TrainSettings

__all__ = ["SteadyClipLoss"]


class SteadyClipLoss(nn.Module):
    """The network and the loss in one module. Losses are mean absolute differences of ab/110.

    The paper's content loss compares VGG's features of result and input. Generated clips are known without flicker, so
    here it compares ab with theirs.
    """

    def __init__(self, model: BlindConsistency, settings: TrainSettings):
        super().__init__()
        self.model, self.settings = model, settings

    def forward(
        self, lab: Tensor, ab: Tensor, flow: Tensor, seen: Tensor, flow_first: Tensor, seen_first: Tensor
    ) -> ClipResult:
        """The loss of clips.

        Args:
            lab: without flicker [B, T, 3, H, W].
            ab: with flicker [B, T, 2, H, W].
            flow, seen: [B, T - 1, 2, H, W] and [B, T - 1, 1, H, W] to the frame before, see `scenes.flow.flows`.
            flow_first, seen_first: the same to the first frame.
        """
        settings, steadier = self.settings, ColorSteadier(self.model)
        steady = [steadier.step(lab[:, t, :1], ab[:, t]) for t in range(lab.shape[1])]
        answer, truth = torch.stack(steady[1:], dim=1), lab[:, 1:, 1:]
        before = torch.stack([frame.detach() for frame in steady[:-1]], dim=1)
        first = ab[:, :1].expand_as(answer)
        loss = settings.content_loss * (answer - truth).abs().mean()
        loss = loss + settings.short_term_loss * _change(answer, before, flow, seen)
        if answer.shape[1] > 1:  # of the second frame, the two are the same
            late = (x[:, 1:] for x in (answer, first, flow_first, seen_first))
            loss = loss + settings.long_term_loss * _change(*late)
        return ClipResult(loss / AB_RANGE, (answer - truth).detach().abs().mean(), answer.detach())


def _change(answer: Tensor, earlier: Tensor, flow: Tensor, seen: Tensor) -> Tensor:
    """Mean absolute difference of ab from another frame's along the motion, where it was seen there."""
    moved = warp(earlier.flatten(0, 1), flow.flatten(0, 1))
    return ((answer.flatten(0, 1) - moved).abs() * seen.flatten(0, 1)).mean()
