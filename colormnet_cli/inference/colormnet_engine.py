"""ColorMNet on one film: the order of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..color.resize import bilinear
from ..networks.colormnet import Features, Key, pad, padding
from ..settings import MemoryConfig
from .engine import Engine, SampleCalls, to_device
from .film_state import EncodedExemplar, FilmState
from .memory import FAR, MemoryBank, elements, match, queries
from .preview_state import PreviewState

__all__ = ["ColorMNetEngine", "PreviewEngine"]

_AB_SCALE = 110  # the network's color is ab / 110
_GRAY = 50.0  # lightness of padding: zero once normalized


class ColorMNetEngine(Engine):
    """Frames are padded to what the network takes; each is recalled, decoded, and remembered if it is due."""

    state_type: ClassVar[type[FilmState]] = FilmState
    unlike = 0.79  # measured with an earlier preview: 0.69 to 0.78 for other scenes, 0.75 to 1 for the same one
    match_limits = (0.8, 0.9)  # measured with previews: docs/whole-films.md
    stages: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("features", "key"), "features"),
        **dict.fromkeys(("read", "read_and_match"), "read"),
        "local": "la",
        **dict.fromkeys(("exemplar_detail", "decode", "answer"), "decoder"),
        **dict.fromkeys(("value", "remember", "deep_update"), "remember"),
    }

    def reset(self) -> None:
        super().reset()
        self.film: FilmState | None = None  # from its first frame on
        self._exemplars: list[EncodedExemplar] = []  # until the film's memory has them
        self._asked: tuple[Key, tuple[int, int]] | None = None  # keys of the last frames, and their size

    @property
    def has_exemplar(self) -> bool:
        return self.film is not None or self.first is not None or bool(self._exemplars)

    def encode(self, lab: Tensor, shown: Tensor | None = None) -> EncodedExemplar:
        ab = lab[None, 1:] if shown is None else lab[None, 1:] * shown
        L, ab = self._padded(lab[None, :1], _GRAY), self._padded(ab / _AB_SCALE, 0)
        f = self.model.features(L)
        value, detail = self.model.value(L, ab, f.f16), self.state_type.detail_of(self.model, L, ab, f)
        key = self.model.key(f.f16)
        if shown is not None:
            key = _without_hidden(key, self._padded(shown[None], 0))
        return EncodedExemplar(key, value, detail)

    def add_encoded(self, encoded: EncodedExemplar) -> None:
        self._exemplars.append(encoded)

    def steps(self, L: Tensor, batch: int) -> Tensor:
        height, width = L.shape[-2:]
        top, left = (padding(side, self.model.config.pad_multiple)[0] for side in (height, width))
        L = self._padded(L, _GRAY)
        missing = max(0, batch - len(L)) if self.pads_batches else 0
        f = self.net.features(
            torch.cat((L, L[-1:].expand(missing, -1, -1, -1))) if missing else L
        )  # PVGFE depends on nothing but the frames: they are computed ahead
        q = self.net.key(f.f16)
        answers = [self._advance(L[i : i + 1], f.frame(i), q.frame(i)) for i in range(len(L))]
        self._asked = Key(*(part[: len(L)] for part in q)), (height, width)
        return _AB_SCALE * torch.cat(answers)[..., top : top + height, left : left + width].float()

    def _advance(self, L: Tensor, f: Features, q: Key) -> Tensor:
        """One frame, in order: recall, decode, remember if it is due. Padded L [1, 1, H, W] to ab/110 [1, 2, H, W]."""
        film = self.film = self.film or self._begin(q)
        if self.frame == 0 and self.first is not None:
            ab = self._padded(self.first[None] / _AB_SCALE, 0)
            film.remember_first(L, ab, f, q)
        else:
            due = film.due(self.frame)
            readout = film.recall(L, f, q)  # MFP and LA
            ab, film.hidden = self._decode(f, readout, film.hidden, update_hidden=not due)
            if due:
                film.remember(self.frame, L, ab, f, q)
        self.frame += 1
        return ab

    def _decode(self, f: Features, readout: Any, hidden: Tensor, *, update_hidden: bool) -> tuple[Tensor, Tensor]:
        """ab/110 [1, 2, H, W], and the hidden state, renewed with `update_hidden`."""
        decoded: tuple[Tensor, Tensor] = self.net.decode(f, readout, hidden, update_hidden=update_hidden)
        return decoded

    def _begin(self, q: Key) -> FilmState:
        """The first frame's size is known: allocate the whole memory, and move the exemplars into it."""
        h, w = q.key.shape[-2:]
        exemplars, self._exemplars = self._exemplars, []
        return self.state_type(self.net, self.memory, (h, w), exemplars, more=0 if self.first is None else h * w)

    def _padded(self, image: Tensor, value: float) -> Tensor:
        return pad(image, self.model.config.pad_multiple, value)

    # Resuming

    def state_dict(self) -> dict[str, Any]:
        return {
            "exemplars": [(tuple(key), value, detail) for key, value, detail in self._exemplars],
            "film": None if self.film is None else self.film.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        def here(tensor: Tensor | None) -> Any:
            return to_device(tensor, self.model.device)

        exemplars = ((Key(*map(here, key)), here(value), here(detail)) for key, value, detail in state["exemplars"])
        self._exemplars = [EncodedExemplar(*exemplar) for exemplar in exemplars]
        if state["film"] is not None:
            self.film = self.state_type.restored(self.net, self.memory, state["film"])

    # Comparing pictures

    def compared(self, L: Tensor) -> Key:
        return self.model.key(self.model.features(self._padded(L, _GRAY)).f16)

    def likeness(self, one: Key, other: Key) -> float:
        """Mean match of the elements of `one` with those of `other`: see `memory.match`."""
        return float(match(queries(one), elements(other)).mean())

    def exemplar_match(self) -> Tensor:
        assert self._asked is not None  # for the type checker: the film has begun
        keys, size = self._asked
        bank = self._begun.bank
        coarse = torch.stack([bank.exemplar_match(keys.frame(i)) for i in range(len(keys.key))])[:, None]
        return self._cropped(coarse, self.model.config.stride, size)

    def _cropped(self, coarse: Tensor, step: int, size: tuple[int, int]) -> Tensor:
        """A map [K, 1, h, w] of padded frames, whose elements are `step` pixels wide, at the frames' size (H, W)."""
        whole = bilinear(coarse, (step * coarse.shape[-2], step * coarse.shape[-1]))
        top, left = (padding(side, self.model.config.pad_multiple)[0] for side in size)
        return whole[..., top : top + size[0], left : left + size[1]]

    # For estimates and benchmarks

    def sample_calls(self, size: tuple[int, int], lookahead: int) -> SampleCalls:
        film = self._begun
        bank = film.bank
        bank.long, bank.recent = self.memory.long_term, (self.memory.n_s - 2) * bank.elements
        Ls, L = torch.empty(lookahead, 1, *size), self._padded(torch.empty(1, 1, *size), 0)
        ab = self._padded(torch.empty(1, 2, *size), 0)
        f = self.net.features(L)

        def color() -> None:
            film.last_frame = self.frame + lookahead  # none is due
            self.steps(Ls, lookahead)

        def remember() -> None:
            self.net.deep_update(self.net.value(L, ab, f.f16), film.hidden)

        def decode_before_remembering() -> None:
            readout = film.recall(L, f, self.net.key(f.f16))
            self._decode(f, readout, film.hidden, update_hidden=False)

        return SampleCalls(color, remember, self.memory.gamma, decode_before_remembering)

    @property
    def _begun(self) -> FilmState:
        if self.film is None:
            raise ValueError("the film's first frame must be done")
        return self.film

    def fill_memory(self) -> dict[str, int]:
        """With random variations of the elements it has. The next frame that is remembered makes prototypes."""
        return _fill(self._begun.bank, self.memory)

    def time_stages(self, timed: Callable[[Any, Mapping[str, str]], Any]) -> None:
        super().time_stages(timed)
        film = self._begun
        film.net, film.bank = self.net, timed(film.bank, self.stages)


class PreviewEngine(ColorMNetEngine):
    """The preview also reads its exemplars in detail. It has four times as many elements a frame, and keeps fewer."""

    state_type = PreviewState
    own_memory = MemoryConfig(n_s=4, n_e=2, top_k=16, long_term=6_000)
    # Measured with the bundled weights: 0.67 to 0.82 for other scenes, 0.74 to 0.98 for the same one
    alike, unlike = 0.89, 0.83

    def steps(self, L: Tensor, batch: int) -> Tensor:
        self._errors: list[Tensor] = []  # of the frames that are decoded
        return super().steps(L, batch)

    def _decode(self, f: Features, readout: Any, hidden: Tensor, *, update_hidden: bool) -> tuple[Tensor, Tensor]:
        if not self.expects_errors:
            return super()._decode(f, readout, hidden, update_hidden=update_hidden)
        answer = self.net.answer(f, readout, hidden, update_hidden=update_hidden)
        self._errors.append(answer.error)
        return answer.ab, answer.hidden

    @property
    def expects_errors(self) -> bool:
        return bool(self.model.config.guided)

    def expected_error(self) -> Tensor:
        assert self._asked is not None  # for the type checker: the film has begun
        keys, (height, width) = self._asked
        step = self.model.decoder.scale
        coarse = [error.float() for error in self._errors]
        if len(coarse) < len(keys.key):  # the first frame has an exemplar's color
            h, w = (self.model.config.stride // step * side for side in keys.key.shape[-2:])
            coarse.insert(0, keys.key.new_zeros(1, 1, h, w, dtype=torch.float32))
        return _AB_SCALE * self._cropped(torch.cat(coarse), step, (height, width))


def _fill(bank: MemoryBank, config: MemoryConfig) -> dict[str, int]:
    recent = (config.n_s - 2) * bank.elements  # one frame less than makes prototypes
    count = config.long_term + bank.permanent + recent
    state = bank.state_dict()
    device = state["life"].device
    generator = torch.Generator(device).manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    def varied(name: str, rows: int) -> Tensor:
        known = state[name]
        drawn = known[torch.randint(len(known), (rows,), generator=generator, device=device)]
        return drawn * (0.5 + random(rows, 1)).to(known.dtype)

    life = 1 + 500 * random(count)
    filled = {"values": varied("values", count), "compared": varied("compared", count), "keys": varied("keys", recent)}
    sizes = {"long": config.long_term, "recent": recent}
    bank.load_state_dict({**state, **filled, **sizes, "life": life, "use": life * random(count)})
    return {"long_term": bank.long, "exemplars": bank.permanent, "recent": bank.recent, "bound": count}


def _without_hidden(key: Key, shown: Tensor) -> Key:
    """An exemplar's key in which transparent elements are so far from everything that they are never recalled.

    shown: opacity [1, 1, H, W].
    """
    h, w = key.key.shape[-2:]
    hidden = F.adaptive_avg_pool2d(shown, (h, w)) < 0.5
    far = key.key.masked_fill(hidden, FAR)
    return key._replace(key=far, shrinkage=key.shrinkage.masked_fill(hidden, 1.0))
