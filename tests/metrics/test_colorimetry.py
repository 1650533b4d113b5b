"""CIEDE2000, colorfulness and the Lab of 8-bit frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000

from colormnet_cli import metrics
from colormnet_cli.color.lab import rgb_to_lab
from support.golden_metrics import GOLDEN, PAIR, close, lab


def test_golden_color() -> None:
    """Colorfulness (either channel order) and CIEDE2000 would mean something else than in the literature."""
    close(metrics.colorfulness(PAIR[0]), GOLDEN["colorfulness"])
    close(metrics.colorfulness(PAIR[0], swap_red_blue=True), GOLDEN["colorfulness_rgb_read_as_bgr"])
    close(metrics.ciede2000(lab(PAIR[0]), lab(PAIR[1])), GOLDEN["ciede2000"])


def test_ciede2000_pixel_by_pixel_all_over_the_gamut() -> None:
    """Blue, gray or opposite hues would be measured by a slightly different formula."""
    rng = np.random.default_rng(0)
    one, two = (rng.uniform((0, -90, -90), (100, 90, 90), (120, 100, 3)) for _ in range(2))
    two[:60] = one[:60] + rng.normal(0, 2, (60, 100, 3))  # near pairs too
    one[0, :50, 1:] = 0  # gray against color
    one[1, :50, 1:] = two[1, :50, 1:] = 0  # gray against gray
    two[2, :, 1:] = -one[2, :, 1:]  # opposite hues: rounding decides the direction
    ours = metrics.ciede2000(*(torch.from_numpy(x).permute(2, 0, 1)[None] for x in (one, two)), per_pixel=True)[0]
    theirs = deltaE_ciede2000(one, two)
    compared = np.ones(len(one), dtype=bool)
    compared[2] = False
    np.testing.assert_allclose(ours.numpy()[compared], theirs[compared], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [  # pairs of Sharma, Wu and Dalal (2005): opposite hues from either side, exactly opposite, gray, blue, large
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0010), 7.1792),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
        ((50.0, -0.001, 2.49), (50.0, 0.0010, -2.49), 4.8045),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ciede2000_published_pairs(a: tuple, b: tuple, expected: float, dtype: torch.dtype) -> None:
    """The rule for opposite hues, or the rotation in the blue, would be wrong."""
    one, two = (torch.tensor(x, dtype=dtype).view(1, 3, 1, 1) for x in (a, b))
    assert metrics.ciede2000(one, two).item() == pytest.approx(expected, abs=1e-4)
    assert metrics.ciede2000(two, one).item() == pytest.approx(expected, abs=1e-4)


def test_rgb8_to_lab_is_rgb_to_lab() -> None:
    """Color errors would be measured in another Lab than the one in which colors are predicted."""
    levels = torch.arange(0, 256, 5, dtype=torch.uint8)
    every = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 52, -1)
    assert torch.allclose(metrics.rgb8_to_lab(every), rgb_to_lab(every.double() / 255).float(), atol=1e-3)
    with pytest.raises(ValueError, match="uint8"):
        metrics.rgb8_to_lab(every.float())


def test_colorfulness_of_gray_is_zero() -> None:
    """A gray result would seem to have colors."""
    gray = torch.randint(0, 256, (2, 1, 9, 9), dtype=torch.uint8).expand(2, 3, 9, 9)
    assert metrics.colorfulness(gray).abs().max() < 1e-3
