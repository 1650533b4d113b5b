"""MFP beside a naive memory written in a few loops."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from colormnet_cli.errors import UsageError
from colormnet_cli.inference.colormnet_engine import ColorMNetEngine, PreviewEngine
from colormnet_cli.inference.memory import MemoryBank, similarity
from colormnet_cli.networks.colormnet import Key
from colormnet_cli.settings import MemoryConfig

PAPER = MemoryConfig(n_s=10, n_e=5, top_k=30, long_term=10_000)

CK, CV = 4, 3


class NaiveMemory:
    """What is meant: a list of elements, each a dict, in the order long-term, exemplars, recent frames."""

    def __init__(self, config: MemoryConfig):
        self.config, self.long, self.exemplars, self.frames = config, [], [], []

    def read(self, query: Key) -> Tensor:
        elements = self.long + self.exemplars + [e for frame in self.frames for e in frame]
        keys, selections = (part[0].flatten(1).T for part in (query.key, query.selection))
        out = []
        for q, e in zip(keys, selections, strict=True):
            s = torch.stack([-x["s"] / CK**0.5 * (e * (x["k"] - q) ** 2).sum() for x in elements])
            best = s.topk(min(self.config.top_k, len(s)))
            weights = best.values.softmax(0)
            for i, w in zip(best.indices.tolist(), weights, strict=True):
                elements[i]["use"] += float(w)
            out.append(sum(w * elements[i]["v"] for i, w in zip(best.indices.tolist(), weights, strict=True)))
        for element in elements:
            element["life"] += 1
        return torch.stack(out).T.view(1, 2, CV, *query.key.shape[-2:])

    def elements(self, key: Key, value: Tensor) -> list[dict]:
        k, s, e, v = (part.flatten(2)[0].T for part in (*key, value.flatten(1, 2)))
        return [{"k": k[i], "s": s[i, 0], "e": e[i], "v": v[i], "use": 0.0, "life": 1e-7} for i in range(len(k))]

    def remember(self, key: Key, value: Tensor) -> None:
        self.frames.append(self.elements(key, value))
        if len(self.frames) < self.config.n_s - 1:
            return
        cap = self.config.long_term - self.config.m
        if len(self.long) > cap:
            worst = sorted(x["use"] / x["life"] for x in self.long)[len(self.long) - cap - 1]
            self.long = [x for x in self.long if x["use"] / x["life"] > worst]
        candidates = [e for frame in self.frames[: self.config.n_e] for e in frame]
        ranked = sorted(candidates, key=lambda x: -x["use"] / x["life"])[: self.config.m]
        for p in ranked:
            s = torch.stack([-x["s"] / CK**0.5 * (p["e"] * (x["k"] - p["k"]) ** 2).sum() for x in candidates])
            w = s.softmax(0)
            mean = {name: sum(w[i] * x[name] for i, x in enumerate(candidates)) for name in ("s", "v")}
            self.long.append({"k": p["k"], **mean, "use": 0.0, "life": 1e-7})
        self.frames = self.frames[self.config.n_e :]


def random_frame(h: int, w: int) -> tuple[Key, Tensor]:
    return (
        Key(torch.randn(1, CK, h, w), 1 + torch.rand(1, 1, h, w), torch.rand(1, CK, h, w)),
        torch.randn(1, 2, CV, h, w),
    )


def bank_for(config: MemoryConfig, elements: int, permanent: int) -> MemoryBank:
    return MemoryBank(config, key_dim=CK, value_dim=2 * CV, elements=elements, permanent=permanent)


@pytest.mark.parametrize(
    "config",
    [
        MemoryConfig(top_k=5, n_s=4, n_e=2, m=3, long_term=9),
        MemoryConfig(top_k=1, n_s=3, n_e=1, m=6, long_term=6),
        MemoryConfig(top_k=1000, n_s=4, n_e=3, m=4, long_term=10),  # fewer elements than top-k
        MemoryConfig(top_k=7, n_s=2, n_e=1, m=50, long_term=60),  # fewer candidates than M
    ],
)
def test_the_memory_equals_a_naive_memory(config: MemoryConfig) -> None:
    """Fails where anything is read, counted, averaged or forgotten otherwise than the paper says."""
    torch.manual_seed(0)
    naive, bank = NaiveMemory(config), bank_for(config, elements=6, permanent=1 + 12)
    for size in ((1, 1), (3, 4)):  # two exemplars of different sizes
        exemplar = random_frame(*size)
        naive.exemplars += naive.elements(*exemplar)
        bank.remember_permanently(*exemplar)
    for t in range(25):
        key, value = random_frame(2, 3)
        assert torch.allclose(bank.read(key), naive.read(key), atol=1e-4)
        if t % 2:
            naive.remember(key, value)
            bank.remember(key, value)
        assert (bank.long, bank.permanent, bank.recent_frames) == (len(naive.long), 13, len(naive.frames))
        use = [x["use"] / x["life"] for x in naive.long + naive.exemplars + [e for f in naive.frames for e in f]]
        # sorted: which of two equally used elements becomes a prototype first is left open
        assert torch.allclose(bank.normalized_use().sort().values, torch.tensor(use).sort().values, atol=1e-4)


def test_ties_at_an_eviction_go_together() -> None:
    """Fails where elements that nobody ever used stay by chance of their place."""
    config = MemoryConfig(top_k=1, n_s=3, n_e=2, m=4, long_term=8)
    bank = bank_for(config, elements=4, permanent=1)
    near = Key(torch.zeros(1, CK, 1, 1), torch.ones(1, 1, 1, 1), torch.ones(1, CK, 1, 1))
    bank.remember_permanently(near, torch.ones(1, 2, CV, 1, 1))  # the only element that is ever the best one
    far = Key(torch.full((1, CK, 2, 2), 9.0), torch.ones(1, 1, 2, 2), torch.ones(1, CK, 2, 2))
    for long in (4, 8, 4):  # the third time all eight tie at no use: all go, and four come
        for _ in range(2):
            bank.read(near)
            bank.remember(far, torch.ones(1, 2, CV, 2, 2))
        assert bank.long == long


def test_nothing_to_drop() -> None:
    """Fails where a long-term memory that is full to exactly the mark loses elements, or stops the film."""
    config = MemoryConfig(top_k=3, n_s=3, n_e=2, m=4, long_term=8)
    bank = bank_for(config, elements=4, permanent=4)
    bank.remember_permanently(*random_frame(2, 2))
    for long in (4, 8):  # before the second, it holds 8 − 4: nothing is above the mark
        for _ in range(2):
            key, value = random_frame(2, 2)
            bank.read(key)
            bank.remember(key, value)
        assert bank.long == long


def test_far_matches_do_not_underflow() -> None:
    """Fails where a picture unlike anything remembered comes out as NaN."""
    bank = bank_for(PAPER, elements=4, permanent=4)
    key, value = random_frame(2, 2)
    bank.remember_permanently(key, value)
    far = Key(torch.full((1, CK, 2, 2), 1e3), torch.ones(1, 1, 2, 2), torch.ones(1, CK, 2, 2))
    assert bank.read(far).isfinite().all()


def test_similarity_is_the_formula() -> None:
    """Fails where multiplying S out changes it."""
    k, q, e = torch.randn(3, 5, CK)
    s = 1 + torch.rand(5, 1)
    plain = -(s.T / CK**0.5) * (e.abs()[:, None] * (k[None] - q[:, None]) ** 2).sum(-1)
    assert torch.allclose(similarity(k, s, q, e.abs()), plain, atol=1e-5)


def test_storage_is_reserved_at_once() -> None:
    """Fails where a film's memory grows with its length."""
    config = MemoryConfig(n_s=3, n_e=1, m=4, top_k=30, long_term=20)
    bank = bank_for(config, elements=6, permanent=6)
    before = {name: t.data_ptr() for name, t in vars(bank).items() if isinstance(t, Tensor)}
    bank.remember_permanently(*random_frame(2, 3))
    for _ in range(30):
        key, value = random_frame(2, 3)
        bank.read(key)
        bank.remember(key, value)
        assert bank.long <= 20
    assert {name: t.data_ptr() for name, t in vars(bank).items() if isinstance(t, Tensor)} == before


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"gamma": 0}, "gamma"),
        ({"top_k": -1}, "top_k"),
        ({"m": 1.5}, r"`m` is 1\.5"),
        ({"n_s": 1}, "n_s"),
        ({"n_s": 10, "n_e": 10}, "n_e"),
        ({"m": 200, "long_term": 100}, "long_term"),
    ],
)
def test_impossible_settings_are_refused(sizes: dict[str, int], named: str) -> None:
    """Fails where impossible settings end hours later in a crash."""
    with pytest.raises(UsageError, match=named):
        MemoryConfig(**sizes)


def test_a_network_completes_what_is_not_given() -> None:
    """The preview would take a third of its time for elements that add nothing, or ignore what a user gives."""
    own = {kind: kind.own_memory for kind in (ColorMNetEngine, PreviewEngine)}
    assert MemoryConfig().completed(own[ColorMNetEngine]) == PAPER
    assert MemoryConfig(n_s=3, n_e=1).completed(own[PreviewEngine]) == replace(own[PreviewEngine], n_s=3, n_e=1)
    with pytest.raises(UsageError, match=r"`n_e` \(5\) must be less than `n_s` \(4\)"):
        MemoryConfig(n_e=5).completed(own[PreviewEngine])


def test_misuse_is_reported() -> None:
    """Fails where an exemplar too many or a frame of another size overwrites what is remembered."""
    bank = bank_for(PAPER, elements=4, permanent=4)
    with pytest.raises(ValueError, match="empty"):
        bank.read(random_frame(2, 2)[0])
    with pytest.raises(ValueError, match="6 elements"):
        bank.remember(*random_frame(2, 3))
    with pytest.raises(ValueError, match="no room"):
        bank.remember_permanently(*random_frame(2, 3))
