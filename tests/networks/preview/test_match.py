"""Which element of the exemplars each pixel of a frame shows, and how sure that is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from colormnet_cli.inference import memory
from colormnet_cli.inference.colormnet_engine import PreviewEngine
from colormnet_cli.inference.memory import similarity
from colormnet_cli.inference.preview_state import PreviewMemoryBank
from colormnet_cli.networks.colormnet import Key
from colormnet_cli.networks.preview import Match, match_exemplars
from support.networks import random_key

FRAME = (5, 7)
EXEMPLARS = [(4, 6), (7, 3)]


def number(y: int, x: int, sizes: list[tuple[int, int]], which: int) -> int | None:
    """An element's number, or None beyond its map."""
    h, w = sizes[which]
    return sum(a * b for a, b in sizes[:which]) + y * w + x if 0 <= y < h and 0 <= x < w else None


def place(n: int, sizes: list[tuple[int, int]]) -> tuple[int, int, int]:
    """Row, column and map of an element."""
    for which, (h, w) in enumerate(sizes):
        if n < h * w:
            return n // w, n % w, which
        n -= h * w
    raise IndexError


def refined(found: list[int], own: list[tuple[int, int]], other: list[tuple[int, int]], alike: Tensor) -> list[int]:
    """Plain: every candidate of every pixel, by the mean over the 3×3 pairs that exist."""
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    out = []
    for p in range(len(found)):
        y, x, mine = place(p, own)
        best = None
        for dy, dx in steps:
            giver = number(y - dy, x - dx, own, mine)
            if giver is None:
                continue
            v, u, there = place(found[giver], other)
            if number(v + dy, u + dx, other, there) is None:
                continue
            pairs = [(number(y + i, x + j, own, mine), number(v + dy + i, u + dx + j, other, there)) for i, j in steps]
            score = torch.stack([alike[a, b] for a, b in pairs if a is not None and b is not None]).mean()
            if best is None or score > best[0]:
                best = score, number(v + dy, u + dx, other, there)
        assert best is not None
        out.append(best[1])
    return out


def plain_match(alike: Tensor) -> tuple[list[int], list[float]]:
    """What `match_exemplars` should say of similarities [hw, N]."""
    element = refined(alike.argmax(1).tolist(), [FRAME], EXEMPLARS, alike)
    back = refined(alike.argmax(0).tolist(), EXEMPLARS, [FRAME], alike.T)
    cycle_error = []
    for p, n in enumerate(element):
        (y, x, _), (v, u, _) = place(p, [FRAME]), place(back[n], [FRAME])
        cycle_error.append(((y - v) ** 2 + (x - u) ** 2) ** 0.5)
    return element, cycle_error


def test_matches_are_refined_by_neighbors_and_cycle_error_is_measured() -> None:
    """Colors would come from look-alikes, and the decoder could not tell."""
    g = torch.Generator().manual_seed(0)
    alike = torch.randn(35, 45, generator=g)
    forward, backward = alike.argmax(1), alike.argmax(0)
    got = match_exemplars(forward, backward, FRAME, EXEMPLARS, lambda pixels, elements: alike[pixels, elements])
    element, cycle_error = plain_match(alike)
    assert got.element.tolist() == element
    assert got.cycle_error.tolist() == pytest.approx(cycle_error)


def read_match(exemplars: list[Key], query: Key, dim: int = 8) -> Match:
    """What a memory of these exemplars says after a read."""
    sizes = [key.key[0, 0].numel() for key in exemplars]
    elements, permanent = query.key[0, 0].numel(), sum(sizes)
    bank = PreviewMemoryBank(PreviewEngine.own_memory, key_dim=dim, value_dim=4, elements=elements, permanent=permanent)
    for key in exemplars:
        bank.remember_permanently(key, torch.zeros(1, 2, 2, *key.key.shape[2:]))
    return bank.read_and_match(query)[1]


@pytest.mark.parametrize("tile", [2**24, 45 * 8, 45])
def test_the_memory_gives_the_match_of_each_pixel(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large picture is compared in parts, and would match otherwise than a small one."""
    monkeypatch.setattr(memory, "TILE", tile)
    g = torch.Generator().manual_seed(1)
    query = random_key(g, 1, 8, *FRAME)
    exemplars = [random_key(g, 1, 8, *size) for size in EXEMPLARS]
    flat = [torch.cat([key[i].flatten(2) for key in exemplars], dim=2)[0].T for i in (0, 1)]
    alike = similarity(*flat, *(query[i].flatten(2)[0].T for i in (0, 2)))
    got = read_match(exemplars, query)
    element, cycle_error = plain_match(alike)
    assert got.element.tolist() == element
    assert got.cycle_error.tolist() == pytest.approx(cycle_error)


def test_what_moved_is_found_and_what_is_new_is_known_as_new() -> None:
    """Noise would scatter the matches, and new things would be given the colors of what they cover."""
    g = torch.Generator().manual_seed(2)
    h, w, moved = 12, 16, (2, 3)
    exemplar = random_key(g, 1, 8, h, w)
    key = exemplar.key.roll(moved, (2, 3)) + 0.7 * torch.randn(1, 8, h, w, generator=g)
    new = torch.zeros(h, w, dtype=torch.bool)
    new[4:8, 9:13] = True
    key = torch.where(new, torch.randn(1, 8, h, w, generator=g), key)
    one = torch.ones(1, 1, h, w)
    match = read_match([Key(exemplar.key, one, one.expand(1, 8, -1, -1))], Key(key, one, one.expand(1, 8, -1, -1)))
    seen = ~new
    seen[: moved[0]] = seen[:, : moved[1]] = False
    expected = torch.arange(h * w).view(h, w).roll(moved, (0, 1))
    right = match.element.view(h, w) == expected
    alone = similarity(*(x.flatten(2)[0].T for x in (exemplar.key, one, key, one.expand(1, 8, -1, -1)))).argmax(1)
    assert right[seen].float().mean() > 0.95
    assert (alone.view(h, w) == expected)[seen].float().mean() < 0.8  # a pixel alone is often mistaken
    cycle_error = match.cycle_error.view(h, w)
    assert cycle_error[seen].mean() < 0.3
    assert cycle_error[new].mean() > 2  # not of each of them: some find what they cover, which looks like nothing else
