"""`top_k` beside `torch.topk`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from colormnet_cli.inference import top_k as module
from colormnet_cli.inference.top_k import top_k

SIZES = [
    (3, 5, 5),
    (4, 31, 30),
    (7, 1000, 30),
    (5, 8 * 4 * 31, 30),
    (5, 8 * 4 * 31 + 7, 30),
    (9, 17_803, 30),
    (3, 4099, 1),
]


def assert_same_choice(scores: Tensor, k: int) -> None:
    values, indices = top_k(scores, k)
    plain = scores.topk(k, dim=1, sorted=False)
    assert torch.equal(scores.gather(1, indices), values)
    assert torch.equal(values.sort(dim=1).values, plain.values.sort(dim=1).values)
    assert torch.equal(indices.sort(dim=1).values, plain.indices.sort(dim=1).values)


@pytest.mark.parametrize(("queries", "elements", "k"), SIZES)
@pytest.mark.parametrize("kind", ["random", "bfloat16", "integers", "constant", "copies", "sorted", "infinite"])
def test_like_topk(queries: int, elements: int, k: int, kind: str) -> None:
    """Fails where a pixel reads other elements than those that match it best, or other ones among equals."""
    torch.manual_seed(elements)
    random = -torch.rand(queries, elements).square() * 100
    scores = {
        "random": random,
        "bfloat16": random.bfloat16().float(),  # some equal ones
        "integers": random.div(5).round(),  # many
        "constant": torch.zeros(queries, elements),
        "copies": random[:, : -(-elements // 3)].repeat(1, 3)[:, :elements],  # a still picture, remembered again
        "sorted": random.sort(dim=1).values,
        "infinite": random.masked_fill(random < -5, -torch.inf),
    }[kind]
    assert_same_choice(scores, k)


def test_only_rows_with_ties_are_given_to_topk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where the fast way is never taken, or a single tie makes a whole frame slow."""
    asked: list[tuple[int, ...]] = []
    topk = torch.Tensor.topk

    def counting(scores: Tensor, *args: object, **kwargs: object) -> object:
        asked.append(tuple(scores.shape))
        return topk(scores, *args, **kwargs)  # type: ignore[arg-type]

    scores = torch.arange(6000.0).repeat(50, 1)
    scores[7, -40:] = 6000  # forty equal ones, of which thirty are wanted
    monkeypatch.setattr(torch.Tensor, "topk", counting)
    top_k(scores, 30)
    assert (1, 6000) in asked
    assert all(columns < 1000 for rows, columns in asked if rows == 50)


def test_one_column_more_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where the next element, which shows a tie, is not looked for in every block."""
    monkeypatch.setattr(module, "_BLOCK", 2)
    monkeypatch.setattr(module, "_SHORT", 1)
    for seed in range(50):
        torch.manual_seed(seed)
        assert_same_choice(torch.randint(0, 40, (6, 41)).float(), 3)
