"""Deep Exemplar on one film: the exemplars' features are computed once, each frame needs the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UsageError
from ..networks.colormnet import padding
from ..networks.deep_exemplar import Exemplar, Match
from ..networks.state_dict import Network
from ..settings import MemoryConfig
from .engine import Engine, SampleCalls, to_device

__all__ = ["DeepExemplarEngine"]

_SMALLEST = 32  # pixels a side that the network needs


class DeepExemplarEngine(Engine):
    """Every pixel takes the colors of what it is most like in any of the exemplars; ColorVidNet makes the frame's.

    Sides that are no multiples of 8 are padded by repeating the edges.
    """

    default_size = 216
    side_multiple = 8
    vividness = 1.25
    alike = 0.6
    stages: ClassVar[Mapping[str, str]] = {"features": "features", "matching": "read", "refine": "decoder"}

    def __init__(self, model: Network, memory: MemoryConfig) -> None:
        super().__init__(model, memory)
        # Matching is not captured: a graph would copy the exemplars for each frame, and where two of their places are
        # equally similar, its check would take another choice for a mistake.
        self.uncaptured: Any = model

    def reset(self) -> None:
        super().reset()
        self.exemplar: Exemplar | None = None  # all of them
        self.last: Tensor | None = None  # Lab [1, 3, H, W] of the frame before, padded

    @property
    def has_exemplar(self) -> bool:
        return self.exemplar is not None

    def encode(self, lab: Tensor, shown: Tensor | None = None) -> Exemplar:
        new = self.model.exemplar(_padded(lab[None]))
        if shown is not None:  # frames cannot match what is transparent
            opaque = F.avg_pool2d(_padded(shown[None]), 4).flatten() >= 0.5
            if not opaque.any():
                raise UsageError("The exemplar is transparent everywhere: give one with colors.")
            new = Exemplar(*(part[:, :, opaque] for part in new))
        return new

    def add_encoded(self, encoded: Exemplar) -> None:
        known = (self.exemplar, encoded) if self.exemplar else (encoded,)
        self.exemplar = Exemplar(*(torch.cat(parts, dim=2) for parts in zip(*known, strict=True)))

    def set_first(self, lab: Tensor) -> None:
        super().set_first(lab)
        self.add_encoded(self.encode(lab, None))

    def steps(self, L: Tensor, batch: int) -> Tensor:
        height, width = L.shape[-2:]
        (top, _), (left, _) = _margins(height), _margins(width)
        L = _padded(L)
        missing = max(0, batch - len(L)) if self.pads_batches else 0
        theta = self.net.features(torch.cat((L, L[-1:].expand(missing, -1, -1, -1))) if missing else L)
        matched = self.uncaptured.matching(theta, self.exemplar)
        answers = [self._advance(L[i : i + 1], Match(*(part[i : i + 1] for part in matched))) for i in range(len(L))]
        return torch.cat(answers)[..., top : top + height, left : left + width]

    def _advance(self, L: Tensor, matched: Match) -> Tensor:
        """One frame, in order: padded L [1, 1, H, W] to ab [1, 2, H, W]."""
        if self.frame == 0 and self.first is not None:
            ab = _padded(self.first[None])
        else:
            ab = self.net.refine(L, matched, _gray(L) if self.last is None else self.last)
        self.last = torch.cat((L, ab), dim=1)
        self.frame += 1
        return ab

    def state_dict(self) -> dict[str, Any]:
        return {"exemplar": self.exemplar and tuple(self.exemplar), "last": self.last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        device = self.model.device
        exemplar, self.last = state["exemplar"], to_device(state["last"], device)
        self.exemplar = exemplar and Exemplar(*(part.to(device) for part in exemplar))

    def compared(self, L: Tensor) -> Tensor:
        """Unit vectors of its pixels [C, N]."""
        features: Tensor = self.model.features(_padded(L)).flatten(2)[0].float()
        return F.normalize(features, dim=0)

    def likeness(self, one: Tensor, other: Tensor) -> float:
        """By the cosine of each pixel of `one` with the most similar one of `other`, against that with all of them."""
        cosines = one.T @ other
        usual = cosines.mean()
        return float((cosines.amax(dim=1).mean() - usual) / (1 - usual).clamp(min=1e-6))

    def time_stages(self, timed: Callable[[Any, Mapping[str, str]], Any]) -> None:
        super().time_stages(timed)
        self.uncaptured = timed(self.uncaptured, self.stages)

    def sample_calls(self, size: tuple[int, int], lookahead: int) -> SampleCalls:
        Ls = torch.empty(lookahead, 1, *size)
        return SampleCalls(lambda: self.steps(Ls, lookahead))


def _gray(L: Tensor) -> Tensor:
    """What stands for the frame before the film's first: Lab (50, 0, 0), which the network gets as zeros."""
    return torch.cat((torch.full_like(L, 50), torch.zeros_like(L), torch.zeros_like(L)), dim=1)


def _margins(side: int) -> tuple[int, int]:
    missing = max(_SMALLEST - side, 0)
    return (missing // 2, missing - missing // 2) if missing else padding(side, DeepExemplarEngine.side_multiple)


def _padded(image: Tensor) -> Tensor:
    """[B, C, H, W] with both sides as the network needs them."""
    (top, bottom), (left, right) = map(_margins, image.shape[-2:])
    return F.pad(image, (left, right, top, bottom), mode="replicate") if any((top, bottom, left, right)) else image
