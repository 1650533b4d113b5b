"""Color finer than the memory's elements, read from the exemplars."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.inference.cost import frame_cost
from colormnet_cli.networks.preview import new_network
from colormnet_cli.train.clip_loss import _Clip
from support.networks import make_small_model

MEMORY = cm.MemoryConfig(gamma=2, n_s=3, n_e=1, m=4, long_term=8)


def make_model(coarse_step: int = 1) -> cm.ColorMNet:
    """A small network at stride 8 whose cells recognize themselves and whose decoder trusts the exemplar."""
    model = make_small_model(preview=True, detail_dim=8, coarse_step=coarse_step)
    with torch.no_grad():
        model.detail.key.weight *= 3
        model.decoder.sharpen.out.bias[0] = 3.0
        model.decoder.sharpen.out.weight.normal_(0, 0.05)
    return model


def random_lab(seed: int, h: int = 32, w: int = 48) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.cat((100 * torch.rand(1, h, w, generator=g), 80 * torch.rand(2, h, w, generator=g) - 40))


@torch.inference_mode()
@pytest.mark.parametrize("coarse_step", [1, 2])
def test_every_cell_attends_to_the_cells_around_its_match(coarse_step: int) -> None:
    """The exemplar's colors would be put down a few pixels beside their objects."""
    model = make_model(coarse_step)
    exemplar, frame = random_lab(1), random_lab(2)
    f, g = model.features(exemplar[None, :1]), model.features(frame[None, :1])
    side, cell = 2 * coarse_step, 4  # cells of an element, pixels of a cell, a side
    h, w = (n // (side * cell) for n in exemplar.shape[1:])
    found = torch.randint(h * w, (h * w,), generator=torch.Generator().manual_seed(3))
    ab = exemplar[None, 1:] / 110
    cycle_error = torch.arange(h * w).float()[None]
    got = model.exemplar_detail(
        frame[None, :1], g, model.exemplar_windows(exemplar[None, :1], ab, f)[:, found], cycle_error
    )

    key, query = model.detail.key(f.f4)[0], model.detail.key(g.f4)[0]
    mine, light = (F.avg_pool2d((x[:1] - 50) / 50, cell) for x in (exemplar, frame))
    cells = torch.cat((F.avg_pool2d(ab[0], cell), mine))
    place = model.detail.place.view(side, side, 3 * side, 3 * side)
    for y in range(side * h):
        for x in range(side * w):
            at = int(found[y // side * w + x // side])
            top, left = (at // w - 1) * side, (at % w - 1) * side
            scores, values = [], []
            for dy in range(3 * side):
                for dx in range(3 * side):
                    there = min(max(top + dy, 0), side * h - 1), min(max(left + dx, 0), side * w - 1)
                    k, q = key[(slice(None), *there)], query[:, y, x]
                    scores.append(2 * k @ q - k @ k + place[y % side, x % side, dy, dx])
                    values.append(cells[(slice(None), *there)])
            expected = torch.stack(scores).softmax(0) @ torch.stack(values)
            expected[2] -= light[0, y, x]
            assert torch.allclose(got[0, :3, y, x], expected, atol=1e-5)
            assert got[0, 3, y, x] == min(y // side * w + x // side, 20) / 10


@torch.inference_mode()
def test_a_still_picture_is_read_as_sharp_as_it_came() -> None:
    """Color would blur by an element of the memory, as it did before."""
    model = make_model()
    with torch.no_grad():
        model.detail.key.weight *= 30
    lab = random_lab(1)[None]
    windows = model.exemplar_windows(lab[:, :1], lab[:, 1:] / 110, f := model.features(lab[:, :1]))
    read = model.exemplar_detail(lab[:, :1], f, windows, torch.zeros(1, windows.shape[1]))
    assert torch.allclose(110 * read[:, :2], F.avg_pool2d(lab[:, 1:], 4), atol=1e-2)
    assert torch.allclose(read[:, 2], torch.zeros(()), atol=1e-3)


@pytest.mark.parametrize("first_frame", [True, False])
def test_each_of_several_exemplars_is_read_where_it_matches(first_frame: bool) -> None:
    """With two exemplars, the frames like the second would get the first one's colors."""
    model = make_model()
    with torch.no_grad():
        model.detail.key.weight *= 30
    colorizer = cm.Colorizer(model, MEMORY)
    sizes = [(48, 32), (32, 48), (32, 48)]
    exemplars = [random_lab(seed, *size) for seed, size in enumerate(sizes)]
    for lab in exemplars[:2]:
        colorizer.set_exemplar(lab)
    colorizer.set_exemplar(exemplars[2], first_frame=first_frame)
    colorizer.step(exemplars[2][:1])
    for lab in exemplars[1:]:
        L = lab[None, :1]
        f = colorizer.model.features(L)
        with torch.inference_mode():
            read = colorizer.engine.film.recall(L, f, colorizer.model.key(f.f16)).detail
        alike = (110 * read[0, :2] - F.avg_pool2d(lab[1:], 4)).abs().amax(0) < 0.1
        assert alike.float().mean() > 0.9  # shrinkage lets an element answer for others as well


def test_a_restored_state_reads_the_same_detail() -> None:
    """A run that goes on after a crash would take its fine colors from elsewhere."""
    exemplars = [random_lab(0, 48, 32), random_lab(1)]
    film = torch.stack([exemplars[1][:1], *(random_lab(seed)[:1] for seed in range(2, 5))])
    colorizers = [cm.Colorizer(make_model(), MEMORY) for _ in range(2)]
    colorizers[0].set_exemplar(exemplars[0])
    colorizers[0].set_exemplar(exemplars[1], first_frame=True)
    colorizers[0].steps(film[:2])
    colorizers[1].load_state_dict(copy.deepcopy(colorizers[0].state_dict()))
    assert torch.equal(*(colorizer.steps(film[2:]) for colorizer in colorizers))


def test_training_reads_as_films_are_read() -> None:
    """Cells would be trained for other windows than those in use."""
    model = make_model()
    clip = torch.stack([random_lab(seed) for seed in range(2)])
    colorizer = cm.Colorizer(model, MEMORY)
    colorizer.set_exemplar(clip[0], first_frame=True)
    colorizer.step(clip[0, :1])
    trained = _Clip(model, clip[None])
    trained.start(clip[None, 0, 1:] / 110)
    with torch.inference_mode():
        read = colorizer.engine.film.recall(clip[1:, :1], trained.features[1], trained.keys[1]).detail
        assert torch.allclose(read, trained.detail.read(1), atol=1e-5)


def test_the_answer_depends_on_what_was_read() -> None:
    """What is read finer would be computed for nothing."""
    lab = random_lab(0)
    answers = []
    for sharp in (True, False):
        model = make_model()
        with torch.no_grad():
            model.detail.key.weight *= 30  # each cell recognizes itself
        if not sharp:
            model.decoder.sharpen.out.bias.data[0] = -100.0
        colorizer = cm.Colorizer(model, MEMORY)
        colorizer.set_exemplar(lab, first_frame=True)
        answers.append(colorizer.steps(lab[None, :1].expand(3, -1, -1, -1))[2])
    error, coarse = (float((ab - lab[1:]).abs().mean()) for ab in answers)
    assert error < coarse


@pytest.mark.slow
def test_what_a_film_will_cost_is_known() -> None:
    """A dry run, and every run before it begins, would end in an error with the model that comes along."""
    config = make_model().config
    networks = [new_network(replace(config, detail_dim=dim)) for dim in (0, 8)]
    plain, detailed = (frame_cost(network, (48, 64)) for network in networks)
    assert detailed.memory > plain.memory
    assert detailed.operations > plain.operations
