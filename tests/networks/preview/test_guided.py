"""The last step of the preview's decoder, beside the same in loops."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.networks.preview.guided import GuidedUpsampling
from colormnet_cli.train.clip_loss import ClipLoss, surprise
from support.networks import make_small_model


def in_loops(step: GuidedUpsampling, ab: Tensor, L: Tensor, log_error: Tensor) -> Tensor:
    """Of one picture: each pixel as a weighted mean of nine cells, those at the border repeated beyond it."""
    scale, (h, w) = step.scale, ab.shape[-2:]
    likeness, certainty = (float(x) ** 2 for x in step.strength)
    place = step.place.view(scale, scale, 3, 3)
    out = torch.empty(2, scale * h, scale * w)
    for y in range(scale * h):
        for x in range(scale * w):
            logits, colors = [], []
            for i in range(3):
                for j in range(3):
                    row, column = min(max(y // scale + i - 1, 0), h - 1), min(max(x // scale + j - 1, 0), w - 1)
                    cell = L[0, row * scale : (row + 1) * scale, column * scale : (column + 1) * scale].mean()
                    unlike = ((L[0, y, x] - cell) / 100) ** 2
                    doubt = log_error[0, row, column]
                    logits.append(place[y % scale, x % scale, i, j] - likeness * unlike - certainty * doubt)
                    colors.append(ab[:, row, column])
            out[:, y, x] = torch.stack(colors, dim=1) @ torch.stack(logits).softmax(0)
    return out


@pytest.mark.parametrize("scale", [2, 4])
@torch.no_grad()
def test_every_pixel_takes_color_from_the_cells_around_it(scale: int) -> None:
    """Color would be put down beside its object, or cross its edge."""
    g = torch.Generator().manual_seed(1)
    step = GuidedUpsampling(scale)
    step.place += torch.randn(step.place.shape, generator=g)
    ab, log_error = torch.rand(2, 2, 3, 4, generator=g), torch.randn(2, 1, 3, 4, generator=g)
    L = 100 * torch.rand(2, 1, 3 * scale, 4 * scale, generator=g)
    got = step(ab, L, log_error)
    for one in range(2):
        torch.testing.assert_close(got[one], in_loops(step, ab[one], L[one], log_error[one]))


@torch.no_grad()
def test_color_ends_where_lightness_changes() -> None:
    """A dark coat would have a colored seam."""
    ab, L = torch.zeros(1, 2, 4, 4), torch.full((1, 1, 16, 16), 20.0)
    ab[..., 2:], L[..., 8:] = 1.0, 80.0
    guided, log_error = GuidedUpsampling(4), torch.zeros(1, 1, 4, 4)
    assert float(guided(ab, L, log_error)[..., :8].max()) < 0.01
    assert float(guided(ab, torch.full_like(L, 50.0), log_error)[..., :8].max()) > 0.2


@torch.no_grad()
def test_a_cell_that_is_a_guess_takes_the_color_of_its_neighbors() -> None:
    """A wrong cell would be a blotch on an even wall."""
    ab, log_error = torch.zeros(1, 2, 5, 5), torch.zeros(1, 1, 5, 5)
    ab[..., 2, 2], log_error[..., 2, 2] = 1.0, 4.0
    L, guided = torch.full((1, 1, 20, 20), 50.0), GuidedUpsampling(4)
    guessed, certain = guided(ab, L, log_error), guided(ab, L, torch.zeros_like(log_error))
    assert float(guessed.max()) < 0.5 * float(certain.max())


def test_a_guided_network_colors_a_film() -> None:
    """What a run of the preset makes could not be used."""
    model = make_small_model(preview=True, guided=True, stem_stride=1, coarse_step=1, detail_dim=8)
    lab = torch.cat((100 * torch.rand(1, 48, 64), 60 * torch.rand(2, 48, 64) - 30))
    colorizer = cm.Colorizer(model)
    colorizer.set_exemplar(lab, first_frame=True)
    ab = torch.stack([colorizer.step(lab[:1]) for _ in range(8)])
    assert ab.shape == (8, 2, 48, 64)
    assert ab.isfinite().all()


def test_the_least_loss_is_that_of_the_true_error() -> None:
    """Nobody could tell from the errors that are expected which colors are guesses."""
    difference = torch.rand(1, 2, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    log_error = torch.zeros(1, 2, 1, 4, 4, requires_grad=True)
    optimizer = torch.optim.Adam([log_error], 0.05)
    for _ in range(200):
        optimizer.zero_grad()
        surprise(log_error.exp(), difference).backward()
        optimizer.step()
    made = F.avg_pool2d(difference.mean(2), 4)[:, :, None]
    torch.testing.assert_close(log_error.exp().detach(), made, rtol=0.02, atol=0)


def test_errors_beyond_the_limits_can_come_back() -> None:
    """A network that was once sure of everything would stay so."""
    model = make_small_model(preview=True, guided=True, coarse_step=1, detail_dim=8)
    with torch.no_grad():
        model.decoder.predict.bias[2] = 100.0
    lab, picks = torch.rand(1, 2, 3, 32, 32), torch.zeros(1, 2, 3, dtype=torch.long)
    for error_loss, learns in ((0.0, False), (1.0, True)):
        model.zero_grad(set_to_none=False)
        ClipLoss(model, error_loss=error_loss)(lab, picks, torch.zeros(2, dtype=torch.bool)).loss.backward()
        gradient = model.decoder.predict.bias.grad
        assert gradient is not None
        assert (float(gradient[2]) > 0) == learns
