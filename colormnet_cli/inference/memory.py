"""MFP (memory based feature propagation): a memory of bounded size that links far-apart frames.

Elements are rows of one buffer, allocated once at its bound and always read as one contiguous range:

    long-term | permanent (exemplars) | recent | … free …

The order matters only where two elements match a query equally well: top-k then takes the same one as the published
model, which keeps them in this order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.colormnet import Key
from ..settings import MemoryConfig
from .top_k import top_k

__all__ = ["FAR", "MemoryBank", "elements", "match", "queries", "similarity"]

TILE = 2**25  # similarities held at once: 128 MB in float32
_NEW = 1e-7  # an element's life before its first read
FAR = 100.0  # in each dimension of the key of an element that is never recalled; its square is finite in half precision


class MemoryBank:
    """What is remembered of one film. Rows are elements: pixels of stride-16 maps, or prototypes of them.

    Args:
        key_dim, value_dim: of an element; values are kept in `dtype`.
        elements: of a frame.
        permanent: elements of all exemplars together.
    """

    cpu_tile: ClassVar[int] = 2**22  # TILE on a CPU, where they should stay in the cache until the best are found

    def __init__(
        self,
        config: MemoryConfig,
        *,
        key_dim: int,
        value_dim: int,
        elements: int,
        permanent: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        self.config, self.elements, self.permanent_bound = config, elements, permanent
        rows = config.long_term + permanent + (config.n_s - 1) * elements

        def room(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)  # free rows are never read, and take no pages yet

        self._compared = room(rows, 2 * key_dim + 1)  # s·k², s·k, s, over √Ck: see similarity
        self._values = room(rows, value_dim, dtype=dtype)
        self._use = room(rows)
        self._life = room(rows)
        # Of recent frames also what their prototypes will be made from: key, shrinkage, selection.
        self._keys = room((config.n_s - 1) * elements, 2 * key_dim + 1)
        self.exemplar_sizes: list[tuple[int, int]] = []  # of their maps: what is permanent
        self.long = self.recent = 0  # elements in the other two parts

    def __len__(self) -> int:
        return self.long + self.permanent + self.recent

    @property
    def permanent(self) -> int:
        """Elements of the exemplars."""
        return sum(h * w for h, w in self.exemplar_sizes)

    @property
    def recent_frames(self) -> int:
        """Frames kept whole beside the exemplars."""
        return self.recent // self.elements

    # Reading

    def read(self, query: Key) -> Tensor:
        """Weighted values of the top-k elements for each pixel of a frame (B = 1): [1, 2, Cv, h, w]. Counts usage."""
        return self._read(queries(query), query.key.shape[-2:])

    def _read(self, asked: Tensor, size: torch.Size, on_exemplars: Callable[[Tensor], None] | None = None) -> Tensor:
        """The same for the queries' side of S; `on_exemplars` gets the exemplars' S of each tile, to change it."""
        if not len(self):
            raise ValueError("the memory is empty: remember an exemplar before reading")
        rows = self._rows()
        compared, values, use = self._compared[rows], self._values[rows], self._use[rows]
        k = min(self.config.top_k, len(self))
        parts = []
        for tile in asked.split(self.tile_rows(len(asked))):
            scores = _product(tile, compared)  # S, laid out so that the best are sought along rows
            if on_exemplars is not None:
                on_exemplars(scores[:, self.exemplar_rows()])
            best, indices = top_k(scores, k)
            weights = best.softmax(dim=1)
            use.index_add_(0, indices.flatten(), weights.flatten())
            # A weighted sum of the few rows named, instead of a product with a matrix that is nearly all zeros.
            parts.append(F.embedding_bag(indices, values, per_sample_weights=weights.to(values.dtype), mode="sum"))
        self._life[rows] += 1
        # (hw, 2, Cv) as a map for each color channel, channels_last as convolutions like it
        readout = torch.cat(parts).unflatten(1, (2, -1)).transpose(0, 1).contiguous()
        return readout.transpose(1, 2).unflatten(2, tuple(size))[None]

    def exemplar_match(self, query: Key) -> Tensor:
        """How well each pixel of a frame (B = 1) is found in the exemplars: [h, w], see `match`."""
        asked = queries(query)
        found = match(asked, self._compared[self.exemplar_rows()], self.tile_rows(len(asked)))
        return found.unflatten(0, tuple(query.key.shape[-2:]))

    def tile_rows(self, queries: int) -> int:
        """How many of `queries` queries are compared with the whole memory at once: tiles are about equally large."""
        held = TILE if self._use.device.type != "cpu" else min(TILE, self.cpu_tile)
        tiles = -(-queries // max(1, held // len(self)))
        return -(-queries // tiles)

    def exemplar_rows(self) -> slice:
        """Where the exemplars' elements are."""
        return slice(self.long, self.long + self.permanent)

    def normalized_use(self) -> Tensor:
        """Use per read, of every element in the order of the rows: long-term, permanent, recent."""
        rows = self._rows()
        return self._use[rows] / self._life[rows]

    # Remembering

    def remember_permanently(self, key: Key, value: Tensor) -> None:
        """Keep an exemplar (B = 1), of any size, for good; before any recent frame is kept."""
        count = key.key[0, 0].numel()
        if self.recent or self.permanent + count > self.permanent_bound:
            raise ValueError(
                f"no room for an exemplar of {count} elements: {self.permanent} of {self.permanent_bound} are taken"
            )
        self._append(key, value)
        self.exemplar_sizes.append((key.key.shape[2], key.key.shape[3]))

    def remember(self, key: Key, value: Tensor) -> None:
        """Keep a frame (B = 1); when that fills the recent part, make prototypes of its oldest frames."""
        count = key.key[0, 0].numel()
        if count != self.elements:
            raise ValueError(f"a frame of {count} elements came, where frames have {self.elements}")
        self._append(key, value)
        self._keys[self.recent : self.recent + count] = torch.cat([part.flatten(2)[0] for part in key]).T
        self.recent += count
        if self.recent_frames == self.config.n_s - 1:
            self._consolidate()

    def _append(self, key: Key, value: Tensor) -> None:
        keys, shrinkage = (part.flatten(2)[0].T for part in (key.key, key.shrinkage))
        self._fill(len(self), keys, shrinkage, value.flatten(3)[0].flatten(0, 1).T)

    def _fill(self, row: int, keys: Tensor, shrinkage: Tensor, values: Tensor) -> None:
        """Write new elements from that row on."""
        rows = slice(row, row + len(keys))
        self._compared[rows] = _compared(keys, shrinkage)
        self._values[rows] = values
        self._use[rows] = 0
        self._life[rows] = _NEW

    # Long-term memory

    def _consolidate(self) -> None:
        """Turn the oldest N_e recent frames into their M most used elements, averaged over what resembles them."""
        count = self.config.n_e * self.elements
        first = self.long + self.permanent
        key_dim = self._keys.shape[1] // 2
        keys, shrinkage, selection = self._keys[:count].split((key_dim, 1, key_dim), dim=1)
        chosen = self.normalized_use()[first : first + count].topk(min(self.config.m, count)).indices
        weights = similarity(keys, shrinkage, keys[chosen], selection[chosen]).softmax(dim=1)  # (M, candidates)
        values = weights.to(self._values.dtype) @ self._values[first : first + count]
        prototypes = keys[chosen], weights @ shrinkage, values

        kept = self._survivors()
        rows = torch.arange(len(self), device=kept.device)
        whole = torch.cat((rows[self.long : first], rows[first + count :]))  # exemplars, and the newer recent frames
        self._move(kept, whole, gap=len(chosen))
        self._keys[: self.recent - count] = self._keys[count : self.recent].clone()
        self.long = len(kept) + len(chosen)
        self.recent -= count
        self._fill(len(kept), *prototypes)

    def _survivors(self) -> Tensor:
        """Long-term rows that stay when M more come: all but the least used, ties with the last of those included."""
        dropped = self.long - (self.config.long_term - self.config.m)
        use = self.normalized_use()[: self.long]
        if dropped > 0:
            return (use > use.kthvalue(dropped).values).nonzero()[:, 0]
        return torch.arange(self.long, device=use.device)

    def _move(self, first: Tensor, second: Tensor, gap: int) -> None:
        """Put the rows named first at the front, then a gap, then those named second."""
        begin = len(first) + gap
        for buffer in (self._compared, self._values, self._use, self._life):
            moved = buffer[second]
            buffer[: len(first)] = buffer[first]
            buffer[begin : begin + len(second)] = moved

    # Resuming

    def state_dict(self) -> dict[str, Any]:
        """Everything that is remembered, without the free rows."""
        rows = self._rows()
        tensors = {name: getattr(self, f"_{name}")[rows].clone() for name in ("compared", "values", "use", "life")}
        return {
            **tensors,
            "keys": self._keys[: self.recent].clone(),
            "long": self.long,
            "recent": self.recent,
            "exemplar_sizes": list(self.exemplar_sizes),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore it; the bank must have been created with the same sizes."""
        self.long, self.recent = state["long"], state["recent"]
        self.exemplar_sizes = [(h, w) for h, w in state["exemplar_sizes"]]
        rows = self._rows()
        for name in ("compared", "values", "use", "life"):
            getattr(self, f"_{name}")[rows] = state[name].to(self._use.device)
        self._keys[: self.recent] = state["keys"].to(self._use.device)

    def _rows(self) -> slice:
        return slice(0, len(self))


def queries(query: Key) -> Tensor:
    """A frame's side of S (B = 1): [hw, 2·Ck + 1]."""
    return _query_side(*(part.flatten(2)[0].T for part in (query.key, query.selection)))


def similarity(keys: Tensor, shrinkage: Tensor, query: Tensor, selection: Tensor) -> Tensor:
    """Anisotropic L2 (negative): elements [N, Ck] and [N, 1], queries [Q, Ck] twice, to S [Q, N].

    S[m, n] = −s_n / √Ck · Σ_c e_m[c] · (k_n[c] − q_m[c])², multiplied out: one product of what is compared with what is
    asked. In float32 whatever the rest runs in, for S is far below zero where a match is poor.
    """
    return _query_side(query, selection) @ _compared(keys, shrinkage).T


def match(asked: Tensor, compared: Tensor, tile_rows: int | None = None) -> Tensor:
    """How well each query is found among elements, by its best S against S of all pairs: [Q, C] and [N, C] to [Q].

    1 if an element equals it, 0 if none is more like it than pairs are on average. Elements that are never recalled do
    not count.
    """
    key_dim = compared.shape[1] // 2
    shown = (compared[:, key_dim : key_dim + 1] < 0.99 * FAR * compared[:, -1:]).to(compared.dtype)
    mean = (compared * shown).sum(0) / shown.sum().clamp(min=1)
    usual = asked.mean(0) @ mean  # S is a product: this is its mean
    best = torch.cat([_product(tile, compared).amax(1) for tile in asked.split(tile_rows or len(asked))])
    return 1 - best / usual.clamp(max=-1e-6)


def elements(key: Key) -> Tensor:
    """A picture's side of S (B = 1), as of an element: [hw, 2·Ck + 1]."""
    return _compared(*(part.flatten(2)[0].T.float() for part in (key.key, key.shrinkage)))


def _product(asked: Tensor, compared: Tensor) -> Tensor:
    """S of each query and element: [Q, C] and [N, C] to [Q, N]."""
    if asked.device.type != "cpu":
        return asked @ compared.T
    # On a CPU as a 1×1 convolution, which takes 0.8 of the time.
    return F.conv2d(asked[None, None].permute(0, 3, 1, 2), compared[:, :, None, None]).permute(0, 2, 3, 1)[0, 0]


def _compared(keys: Tensor, shrinkage: Tensor) -> Tensor:
    """An element's side of S: [N, 2·Ck + 1]."""
    scale = shrinkage / keys.shape[1] ** 0.5
    return torch.cat((keys.square() * scale, keys * scale, scale), dim=1)


def _query_side(query: Tensor, selection: Tensor) -> Tensor:
    """A query's side of S: [Q, 2·Ck + 1]."""
    weighted = selection * query
    return torch.cat((-selection, 2 * weighted, -(weighted * query).sum(1, keepdim=True)), dim=1)
