"""Color brought to full size along the edges of the luma: bleeding over an edge is what a viewer sees first."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from colormnet_cli.color.guided_upsampling import upsample_ab
from colormnet_cli.color.lab import rgb_to_lab
from colormnet_cli.color.resize import resize
from support.edges import error_at_edges, polygons

pytestmark = pytest.mark.usefixtures("one_thread")


def both_ways(lab: Tensor, scale: float, grain: float = 0.0) -> tuple[tuple[float, float], tuple[float, float]]:
    """(at edges, elsewhere) of guided and of bilinear upsampling, from ab that was averaged down by `scale`."""
    height, width = lab.shape[-2:]
    small = (round(height / scale), round(width / scale))
    L = (lab[:1] + grain * torch.randn(1, height, width, generator=torch.Generator().manual_seed(1))).clamp(0, 100)
    L_small, ab_small = resize(L, small), resize(lab[1:], small)
    guided, bilinear = (upsample_ab(ab_small, L_small, L, guided) for guided in (True, False))
    return error_at_edges(guided, lab[1:]), error_at_edges(bilinear, lab[1:])


@pytest.mark.parametrize("scale", [1.5, 2.25, 4.5])
def test_guidance_halves_the_error_at_edges(scale: float) -> None:
    """Color that bleeds over an edge is what a viewer sees first.

    Mean error at edges in Lab units, guided / bilinear, seeds 0 and 1: scale 1.5: 0.94/4.90, 0.76/4.38; 2.25 (1080
    lines from 480): 1.70/7.60, 1.48/6.87; 4.5 (2160 from 480): 4.53/13.26, 4.29/12.01.
    """
    for seed in (0, 1):
        guided, bilinear = both_ways(polygons(270, 480, seed), scale)
        assert bilinear[0] > 4  # the clip does have edges that bilinear blurs
        assert guided[0] <= 0.5 * bilinear[0], f"{guided[0]:.2f} of {bilinear[0]:.2f}"
        assert guided[1] <= bilinear[1]


def test_guidance_on_grain_equal_luma_and_flat_luma_is_no_worse() -> None:
    """Guidance that follows the grain, or blurs what the luma does not show, would be worse than none.

    Guided / bilinear: grain of ±3 at edges 4.36/7.60, elsewhere 0.19/0.05; equal luma 7.84/7.84, with grain 7.89/7.84.
    """
    guided, bilinear = both_ways(polygons(270, 480, 0), 2.25, grain=3)
    assert guided[0] <= 0.65 * bilinear[0]
    assert guided[1] <= bilinear[1] + 0.3
    guided, bilinear = both_ways(polygons(270, 480, 0, equal_luma=True), 2.25)
    assert guided == bilinear
    guided, bilinear = both_ways(polygons(270, 480, 0, equal_luma=True), 2.25, grain=3)
    assert guided[0] <= 1.05 * bilinear[0]
    assert guided[1] <= bilinear[1] + 0.1


def test_neutral_stays_neutral_and_no_new_color_appears() -> None:
    """A gray wall with strong texture must not take on color; a saturated spot must not glow beyond itself."""
    L = torch.rand(1, 96, 128, generator=torch.Generator().manual_seed(0)) * 100
    L_small = resize(L, (32, 43))
    assert (upsample_ab(torch.zeros(2, 32, 43), L_small, L) == 0).all()
    ab = torch.rand(2, 32, 43, generator=torch.Generator().manual_seed(1)) * 100 - 50
    up = upsample_ab(ab, L_small, L)
    assert up.min() >= ab.min()
    assert up.max() <= ab.max()


def test_guidance_keeps_color_at_edges_of_a_photograph() -> None:
    """Real pictures have texture, shading and highlights that polygons lack.

    At edges, guided / bilinear: astronaut 3.09/3.86 (coffee 2.89/3.80, chelsea 1.82/2.12).
    """
    data = pytest.importorskip("skimage.data")
    lab = rgb_to_lab(torch.from_numpy(data.astronaut() / 255.0).permute(2, 0, 1).float())
    guided, bilinear = both_ways(lab, 2.25)
    assert guided[0] < 0.85 * bilinear[0]
    assert guided[1] < bilinear[1]
