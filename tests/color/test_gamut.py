"""The film's tones are the film: color that does not fit must not brighten or darken them."""

from __future__ import annotations

import numpy as np
import torch
from skimage import color

from colormnet_cli.color.gamut import lab_to_rgb_keeping_lightness, vivid
from colormnet_cli.color.lab import lab_to_rgb, lab_to_rgb_linear, rgb_to_lab


def random_lab(spread: float) -> torch.Tensor:
    lab = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(0))
    lab[0] *= 100
    lab[1:] = (lab[1:] - 0.5) * 2 * spread
    return lab


def test_lightness_and_hue_survive_where_clipping_loses_them() -> None:
    """Saturated answers in dark and light parts are common; clipped, they change the tone by tens of L."""
    lab = random_lab(110)
    back = color.rgb2lab(lab_to_rgb_keeping_lightness(lab).permute(1, 2, 0).double().numpy())
    clipped = color.rgb2lab(lab_to_rgb(lab).permute(1, 2, 0).double().numpy())
    L = lab[0].numpy()
    assert np.abs(clipped[..., 0] - L).max() > 20
    assert np.abs(back[..., 0] - L).max() < 0.05
    chroma = np.hypot(back[..., 1], back[..., 2])
    turned = np.angle(np.exp(1j * (np.arctan2(back[..., 2], back[..., 1]) - np.arctan2(*lab.numpy()[[2, 1]]))))
    assert np.abs(turned)[chroma > 5].max() < 0.02


def test_it_takes_away_no_more_chroma_than_it_must() -> None:
    """Losing saturation that the picture could hold would dull it."""
    lab = random_lab(110)
    rgb = lab_to_rgb_keeping_lightness(lab)
    plain = lab_to_rgb(lab)
    changed = (rgb - plain).abs().amax(0) > 1e-3
    assert 0.2 < changed.float().mean() < 1
    at_limit = (rgb.amax(0) > 0.995) | (rgb.amin(0) < 0.005)
    assert at_limit[changed].all()


def test_what_fits_is_what_lab_to_rgb_gives() -> None:
    """Only colors outside the gamut are touched; black, white and grays stay exact."""
    lab = random_lab(8)
    lab[0] = lab[0] * 0.5 + 25
    assert torch.equal(lab_to_rgb_keeping_lightness(lab), lab_to_rgb(lab))
    gray = torch.zeros(3, 1, 256)
    gray[0, 0] = torch.linspace(0, 100, 256)
    rgb = lab_to_rgb_keeping_lightness(gray)
    assert (rgb - rgb.mean(0)).abs().max() < 2e-4
    assert rgb[:, 0, 0].tolist() == [0, 0, 0]
    assert (rgb[:, 0, -1] * 255).round().tolist() == [255, 255, 255]


def test_vivid_multiplies_chroma_as_far_as_the_gamut_reaches() -> None:
    """Stronger colors would be clipped to other hues, or weaker ones get another lightness."""
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(3, 20, 30, generator=generator)
    lab = rgb_to_lab(rgb)
    assert torch.allclose(vivid(lab, 0.5), 0.5 * lab[1:])
    assert torch.equal(vivid(lab, 1.0), lab[1:])
    stronger = vivid(lab, 2.0)
    growth = stronger.norm(dim=0) / lab[1:].norm(dim=0)
    assert growth.min() > 0.99
    assert growth.max() < 2.001
    assert (growth > 1.99).any()  # where there is room
    hue = (stronger * lab[1:]).sum(0) / (stronger.norm(dim=0) * lab[1:].norm(dim=0))
    assert hue.min() > 0.999
    linear = lab_to_rgb_linear(torch.cat([lab[:1], stronger]))
    assert linear.min() > -1e-3
    assert linear.max() < 1 + 1e-3
