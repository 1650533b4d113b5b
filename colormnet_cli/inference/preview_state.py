"""The preview network's film: its memory also finds which of the exemplars' elements each pixel shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.colormnet import Features, Key
from ..networks.preview import DetailedReadout, Match, PreviewNet, match_exemplars
from ..settings import MemoryConfig
from .film_state import EncodedExemplar, FilmState
from .memory import TILE, MemoryBank, queries

__all__ = ["PreviewMemoryBank", "PreviewState"]


class PreviewMemoryBank(MemoryBank):
    """An exemplar's element counts as `exemplar_weight` equal ones, and reading can also match the exemplars."""

    cpu_tile = TILE  # the best pixel of each element is sought in each tile: that takes longer in small ones

    def __init__(self, config: MemoryConfig, *, exemplar_weight: float = 1.0, **sizes: Any) -> None:
        super().__init__(config, **sizes)
        self.exemplar_bonus = math.log(exemplar_weight)  # S counts in the exponent

    def read(self, query: Key) -> Tensor:
        return self._read(queries(query), query.key.shape[-2:], self._add_bonus)

    def read_and_match(self, query: Key) -> tuple[Tensor, Match]:
        """`read`, and which of the exemplars' elements, counted from their first, each pixel of the frame shows."""
        asked, size = queries(query), query.key.shape[-2:]
        forward, backward = [], []  # each pixel's best element; each element's best pixel, by tiles
        seen = []

        def collect(scores: Tensor) -> None:
            self._add_bonus(scores)
            seen.append(scores)
            del seen[:-1]  # with several tiles, not all fit
            forward.append(scores.max(dim=1).indices)  # argmax takes longer
            backward.append(scores.max(dim=0))

        tile_rows = self.tile_rows(len(asked))
        values = self._read(asked, size, collect)
        best_pixels = _best_of_tiles(backward, tile_rows)
        score = self._pair_score(asked)
        if len(forward) == 1:
            score = lambda pixels, elements: seen[0][pixels, elements]  # noqa: E731 - as computed already
        h, w = size
        return values, match_exemplars(torch.cat(forward), best_pixels, (h, w), self.exemplar_sizes, score)

    def _add_bonus(self, scores: Tensor) -> None:
        if self.exemplar_bonus:
            scores += self.exemplar_bonus

    def _pair_score(self, asked: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """S of pairs of a pixel and an exemplar's element, by their indices."""
        compared = self._compared[self.exemplar_rows()]
        step = max(1, TILE // (25 * asked.shape[1]))  # of 25 pairs each

        def score(pixels: Tensor, elements: Tensor) -> Tensor:
            pairs = zip(pixels.split(step), elements.split(step), strict=True)
            return torch.cat([F.embedding(p, asked).mul_(F.embedding(e, compared)).sum(-1) for p, e in pairs])

        return score


def _best_of_tiles(bests: list[Any], step: int) -> Tensor:
    """The pixel most similar to each element, from the best value and its position in tiles of `step` pixels: [N]."""
    tile = torch.stack([best.values for best in bests]).argmax(dim=0)
    return torch.stack([best.indices for best in bests]).gather(0, tile[None])[0] + tile * step


class PreviewState(FilmState):
    """Keeps the exemplars in detail, and reads them where a frame matches them."""

    bank: PreviewMemoryBank
    windows: Tensor | None = None  # of all exemplars' elements, as the memory has them

    def new_bank(self, model: Any, permanent: int) -> PreviewMemoryBank:
        sizes = self.bank_sizes(model, permanent)
        return PreviewMemoryBank(self.memory, exemplar_weight=model.config.exemplar_weight, **sizes)

    @staticmethod
    def detail_of(model: Any, L: Tensor, ab: Tensor, f: Features) -> Tensor | None:
        """Windows around each of its elements [hw, window², …]."""
        return None if model.detail is None else PreviewNet.exemplar_windows(model, L, ab, f)[0]

    def remember_exemplar(self, exemplar: EncodedExemplar) -> None:
        super().remember_exemplar(exemplar)
        if exemplar.detail is not None:
            known = () if self.windows is None else (self.windows,)
            self.windows = torch.cat((*known, exemplar.detail))

    def recall(self, L: Tensor, f: Features, q: Key) -> Any:
        local = None if self.last is None else self.net.local(q, self.last)
        if self.windows is None:
            return DetailedReadout(self.bank.read(q), local, None, L)
        memory, match = self.bank.read_and_match(q)
        detail = self.net.exemplar_detail(L, f, self.windows[match.element][None], match.cycle_error[None])
        return DetailedReadout(memory, local, detail, L)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "windows": self.windows}

    def load(self, state: dict[str, Any], device: torch.device) -> None:
        super().load(state, device)
        self.windows = None if state["windows"] is None else state["windows"].to(device)
