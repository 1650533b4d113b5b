"""Everything that belongs to one film, created at its first frame: its memory, its hidden state, its last frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..networks.colormnet import Features, Key, Readout, Remembered
from ..settings import MemoryConfig
from .memory import MemoryBank

if TYPE_CHECKING:
    from ..networks.colormnet import ColorMNet
    from .cuda_graphs import CudaGraphs

__all__ = ["EncodedExemplar", "FilmState"]


class EncodedExemplar(NamedTuple):
    """What is remembered of an exemplar that is not the film's first frame."""

    key: Key
    value: Tensor
    detail: Tensor | None = None  # for networks that read more of an exemplar than its elements


class FilmState:
    """What the network knows of one film at its next frame.

    Args:
        net: the network, its calls captured on CUDA.
        size: (h, w) of the frames' coarse maps.
        exemplars: remembered permanently.
        more: elements of exemplars that come later: of the film's first frame.
    """

    def __init__(
        self,
        net: CudaGraphs,
        memory: MemoryConfig,
        size: tuple[int, int],
        exemplars: Sequence[EncodedExemplar] = (),
        more: int = 0,
    ) -> None:
        self.net, self.memory, self.size = net, memory, size
        permanent = more + sum(exemplar.key.key[0, 0].numel() for exemplar in exemplars)
        self.bank = self.new_bank(net.model, permanent)
        self.hidden: Tensor = net.model.hidden_zero(*size)
        self.last: Remembered | None = None  # what LA looks at
        self.last_frame = 0  # its number
        for exemplar in exemplars:
            self.remember_exemplar(exemplar)

    def new_bank(self, model: ColorMNet, permanent: int) -> MemoryBank:
        """An empty memory, `permanent` elements of it for exemplars."""
        return MemoryBank(self.memory, **self.bank_sizes(model, permanent))

    def bank_sizes(self, model: ColorMNet, permanent: int) -> dict[str, Any]:
        """What a memory of this film is created with."""
        config = model.config
        return {
            "key_dim": config.key_dim,
            "value_dim": 2 * config.value_channels,
            "elements": self.size[0] * self.size[1],
            "permanent": permanent,
            "dtype": model.dtype,
            "device": model.device,
        }

    @staticmethod
    def detail_of(model: ColorMNet, L: Tensor, ab: Tensor, f: Features) -> Tensor | None:
        """What is remembered of an exemplar beside its elements: nothing in the paper's network."""
        return None

    def due(self, frame: int) -> bool:
        """Whether this frame is remembered: every γ-th, counted from the first one after the exemplars."""
        return self.last is None or frame - self.last_frame >= self.memory.gamma

    def recall(self, L: Tensor, f: Features, q: Key) -> Readout:
        """What the memory (MFP) and the last remembered frame (LA) say of a frame; LA is not there at the first."""
        return Readout(self.bank.read(q), None if self.last is None else self.net.local(q, self.last))

    def remember(self, frame: int, L: Tensor, ab: Tensor, f: Features, q: Key) -> None:
        """Remember a frame with its color; a later one than the first also renews the hidden state (deep update)."""
        value, later = self.net.value(L, ab, f.f16), self.last is not None
        self.bank.remember(q, value)
        self._set_last(frame, q, value, deep_update=later)

    def remember_first(self, L: Tensor, ab: Tensor, f: Features, q: Key) -> None:
        """Remember the film's first frame with the colors of the exemplar that shows it, permanently."""
        value = self.net.value(L, ab, f.f16)
        self.remember_exemplar(EncodedExemplar(q, value, self.detail_of(self.net.model, L, ab, f)))
        self._set_last(0, q, value, deep_update=True)

    def remember_exemplar(self, exemplar: EncodedExemplar) -> None:
        """Keep an exemplar of any size permanently, before any frame."""
        self.bank.remember_permanently(exemplar.key, exemplar.value)

    def _set_last(self, frame: int, q: Key, value: Tensor, *, deep_update: bool) -> None:
        self.last, self.last_frame = Remembered(q.key.clone(), value), frame
        if deep_update:
            self.hidden = self.net.deep_update(value, self.hidden)

    # Resuming

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next frames depend on; as large as what is remembered."""
        return {
            "size": self.size,
            "permanent": self.bank.permanent_bound,
            "bank": self.bank.state_dict(),
            "hidden": self.hidden,
            "last": None if self.last is None else tuple(self.last),
            "last_frame": self.last_frame,
        }

    @classmethod
    def restored(cls, net: CudaGraphs, memory: MemoryConfig, state: dict[str, Any]) -> FilmState:
        """The state of a film as `state_dict` gave it."""
        h, w = state["size"]
        restored = cls(net, memory, (h, w), more=state["permanent"])
        restored.load(state, net.model.device)
        return restored

    def load(self, state: dict[str, Any], device: torch.device) -> None:
        self.bank.load_state_dict(state["bank"])
        self.hidden, self.last_frame = state["hidden"].to(device), state["last_frame"]
        if state["last"] is not None:
            self.last = Remembered(*(tensor.to(device) for tensor in state["last"]))
