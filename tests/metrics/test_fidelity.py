"""PSNR and SSIM: compared with the papers' figures, so every table made with the tool depends on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from colormnet_cli import metrics
from support.golden_metrics import GOLDEN, PAIR, close


def test_golden_fidelity() -> None:
    """PSNR, the published PSNR and SSIM could not be compared with those of the papers."""
    close(metrics.psnr(*PAIR), GOLDEN["psnr"])
    close(metrics.psnr_as_published(*PAIR), GOLDEN["psnr_wrapped"])
    close(metrics.ssim(*PAIR), GOLDEN["ssim"])


@pytest.mark.parametrize("low", [0, 200, 250])
def test_ssim_is_scikit_images_in_flat_bright_frames(low: int) -> None:
    """Cancellation in float32 would shift the SSIM of skies and snow."""
    rng = np.random.default_rng(low)
    a, b = (rng.integers(low, 256, (31, 46, 3), dtype=np.uint8) for _ in range(2))
    ours = metrics.ssim(*(torch.from_numpy(x).permute(2, 0, 1)[None] for x in (a, b)))
    assert ours.item() == pytest.approx(structural_similarity(a, b, channel_axis=-1), rel=1e-4)


def test_published_psnr_wraps() -> None:
    """The published PSNR would differ from the plain one by something else than the wrap of the authors' script."""
    black = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    assert metrics.psnr_as_published(black + 16, black).isinf().all()  # 16² is 0 modulo 256
    assert metrics.psnr(black + 16, black).item() == pytest.approx(20 * math.log10(255 / 16))
    with pytest.raises(ValueError, match="uint8 only"):
        metrics.psnr_as_published(black.float(), black.float())


def test_ab_psnr_by_hand() -> None:
    """ab-PSNR would not be the stated 10·log10(255² / mean squared ab difference)."""
    ab = torch.zeros(2, 2, 4, 4)
    other = ab.clone()
    other[0, 0] = 3  # mean square 4.5
    other[1] = -10  # mean square 100
    expected = [10 * math.log10(255**2 / 4.5), 10 * math.log10(255**2 / 100)]
    assert metrics.ab_psnr(ab, other).tolist() == pytest.approx(expected)
