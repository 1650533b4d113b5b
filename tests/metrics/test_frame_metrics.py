"""The metrics: figures that are compared with the papers'. Wrong here, and every table made with the tool is wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000
from skimage.metrics import structural_similarity

from colormnet_cli import metrics
from colormnet_cli.color.lab import rgb_to_lab

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "metrics.npz")


def frames(name: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[name]).permute(0, 3, 1, 2)  # [8, 3, 96, 128] uint8


def lab(rgb: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(rgb.float() / 255)


@pytest.fixture(scope="module")
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    return frames("result"), frames("gt")


def close(measured: torch.Tensor | float, golden: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(measured), golden, rtol=1e-4)


def test_golden_fidelity(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """PSNR, the published PSNR and SSIM could not be set beside the papers'."""
    close(metrics.psnr(*pair), GOLDEN["psnr"])
    close(metrics.psnr_as_published(*pair), GOLDEN["psnr_wrapped"])
    close(metrics.ssim(*pair), GOLDEN["ssim"])


def test_golden_color(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Colorfulness (either channel order) and CIEDE2000 would mean something else than in the literature."""
    close(metrics.colorfulness(pair[0]), GOLDEN["colorfulness"])
    close(metrics.colorfulness(pair[0], swap_red_blue=True), GOLDEN["colorfulness_rgb_read_as_bgr"])
    close(metrics.ciede2000(lab(pair[0]), lab(pair[1])), GOLDEN["ciede2000"])


@pytest.mark.parametrize("sizes", [(8,), (1, 3, 4), (1,) * 8])
@pytest.mark.parametrize(("name", "golden"), [("gt", "cdc_gt"), ("result", "cdc_res")])
def test_golden_cdc_however_the_frames_come(name: str, golden: str, sizes: tuple[int, ...]) -> None:
    """CDC would depend on the batch size of a run."""
    consistency = metrics.ColorDistributionConsistency()
    for part in frames(name).split(sizes):
        consistency.update(part)
    close(consistency.compute(), GOLDEN[golden])


def test_cdc_of_short_films() -> None:
    """A one-frame clip would end a benchmark with a division by zero, or count as perfectly steady."""
    consistency = metrics.ColorDistributionConsistency()
    assert math.isnan(consistency.compute())
    consistency.update(frames("gt")[:1])
    assert math.isnan(consistency.compute())
    consistency.update(frames("gt")[1:2])
    assert 0 < consistency.compute() < math.log(2)


def test_floats_in_0_to_1_measure_as_bytes_do(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Float frames would be measured on another scale than decoded ones."""
    result, reference = (x.double() / 255 for x in pair)
    close(metrics.psnr(result, reference), GOLDEN["psnr"])
    close(metrics.ssim(result, reference), GOLDEN["ssim"])
    close(metrics.colorfulness(result), GOLDEN["colorfulness"])
    consistency = metrics.ColorDistributionConsistency()
    consistency.update(result)
    close(consistency.compute(), GOLDEN["cdc_res"])


@pytest.mark.parametrize("low", [0, 200, 250])
def test_ssim_is_scikit_images_in_flat_bright_pictures(low: int) -> None:
    """Float32 cancellation in skies and snow would shift SSIM."""
    rng = np.random.default_rng(low)
    a, b = (rng.integers(low, 256, (31, 46, 3), dtype=np.uint8) for _ in range(2))
    ours = metrics.ssim(*(torch.from_numpy(x).permute(2, 0, 1)[None] for x in (a, b)))
    assert ours.item() == pytest.approx(structural_similarity(a, b, channel_axis=-1), rel=1e-4)


def test_identical_pictures(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """A perfect result would show as nan, or as a made-up ceiling."""
    same = pair[0], pair[0]
    assert metrics.psnr(*same).isinf().all()
    assert metrics.psnr_as_published(*same).isinf().all()
    assert metrics.ab_psnr(lab(pair[0])[:, 1:], lab(pair[0])[:, 1:]).isinf().all()
    assert torch.allclose(metrics.ssim(*same), torch.ones(8), atol=1e-6)
    assert metrics.ciede2000(lab(pair[0]), lab(pair[0])).abs().max() < 1e-4


def test_published_psnr_wraps() -> None:
    """The difference of the two PSNRs would not be the authors' wrap but something of our own."""
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


def test_ciede2000_pixel_by_pixel_all_over_the_gamut() -> None:
    """Blue, gray or opposite hues would be measured by a slightly different formula."""
    rng = np.random.default_rng(0)
    one, two = (rng.uniform((0, -90, -90), (100, 90, 90), (120, 100, 3)) for _ in range(2))
    two[:60] = one[:60] + rng.normal(0, 2, (60, 100, 3))  # near pairs too
    one[0, :50, 1:] = 0  # gray against color
    one[1, :50, 1:] = two[1, :50, 1:] = 0  # gray against gray
    two[2, :, 1:] = -one[2, :, 1:]  # opposite hues: nothing but rounding says which way round
    ours = metrics.ciede2000(*(torch.from_numpy(x).permute(2, 0, 1)[None] for x in (one, two)), per_pixel=True)[0]
    theirs = deltaE_ciede2000(one, two)
    apart = np.ones(len(one), dtype=bool)
    apart[2] = False
    np.testing.assert_allclose(ours.numpy()[apart], theirs[apart], rtol=1e-6, atol=1e-6)


def test_lab_of_bytes_is_the_projects_lab() -> None:
    """Color errors would be measured in another color space than the one that colors are made in."""
    levels = torch.arange(0, 256, 5, dtype=torch.uint8)
    every = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 52, -1)
    assert torch.allclose(metrics.rgb8_to_lab(every), rgb_to_lab(every.double() / 255).float(), atol=1e-3)
    with pytest.raises(ValueError, match="uint8"):
        metrics.rgb8_to_lab(every.float())


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


def test_colorfulness_of_gray_is_zero() -> None:
    """A gray result would seem to have color."""
    gray = torch.randint(0, 256, (2, 1, 9, 9), dtype=torch.uint8).expand(2, 3, 9, 9)
    assert metrics.colorfulness(gray).abs().max() < 1e-3


@pytest.mark.gpu
def test_figures_on_a_gpu_are_those_of_the_cpu(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Results would depend on the machine."""
    result, reference = (x.cuda() for x in pair)
    close(metrics.psnr(result, reference).cpu(), GOLDEN["psnr"])
    close(metrics.psnr_as_published(result, reference).cpu(), GOLDEN["psnr_wrapped"])
    close(metrics.ssim(result, reference).cpu(), GOLDEN["ssim"])
    close(metrics.colorfulness(result).cpu(), GOLDEN["colorfulness"])
    close(metrics.ciede2000(*map(metrics.rgb8_to_lab, (result, reference))).cpu(), GOLDEN["ciede2000"])
    consistency = metrics.ColorDistributionConsistency()
    consistency.update(reference)
    close(consistency.compute(), GOLDEN["cdc_gt"])
    both, flow = torch.cat((result, reference), 1), torch.randn(7, 2, 96, 128)
    arguments = (metrics.downscale_for_flow(both)[:-1], metrics.downscale_for_flow(both)[1:], flow.cuda(), -flow.cuda())
    close(metrics.warp_errors(*arguments).cpu(), metrics.warp_errors(*(x.cpu() for x in arguments)))


def test_large_pictures_are_measured_in_strips_that_leave_no_seam() -> None:
    """Rows between two strips would be left out, counted twice, or compared with their neighbours."""
    torch.manual_seed(0)
    a, b = torch.rand(2, 2, 3, 300, 601).unbind()  # several strips, the last one cut short
    flow, back = torch.randn(2, 2, 2, 300, 601).unbind()
    assert torch.allclose(metrics.psnr(a, b), 10 * torch.log10(1 / (a - b).square().mean((1, 2, 3))))
    theirs = [
        structural_similarity(*(x[i].permute(1, 2, 0).numpy() for x in (a, b)), channel_axis=-1, data_range=1)
        for i in (0, 1)
    ]
    assert metrics.ssim(a, b).tolist() == pytest.approx(theirs, rel=1e-4)
    differences = metrics.ciede2000(100 * a, 100 * b, per_pixel=True)
    assert torch.equal(
        differences[:, 200:], metrics.ciede2000(100 * a[..., 200:, :], 100 * b[..., 200:, :], per_pixel=True)
    )
    assert torch.allclose(metrics.ciede2000(100 * a, 100 * b), differences.mean((1, 2)))
    visible = metrics.unoccluded_mask(flow, metrics.warp(back, flow))
    expected = ((metrics.warp(a, flow) - b).square().mean(1) * visible).sum((1, 2)) / visible.sum((1, 2))
    assert torch.allclose(metrics.warp_errors(a, b, flow, back)[:, 0], expected, rtol=1e-4)


def test_wrong_shapes_say_what_came() -> None:
    """A swapped layout would be measured silently."""
    good = torch.zeros(1, 3, 16, 16)
    for function in (metrics.psnr, metrics.ssim, metrics.ciede2000):
        with pytest.raises(ValueError, match=r"\[1, 16, 16, 3\]"):
            function(good.permute(0, 2, 3, 1), good)
        with pytest.raises(ValueError, match="differ in shape"):
            function(good, good[..., :8])
    with pytest.raises(ValueError, match="int64"):
        metrics.psnr(good.long(), good)
    with pytest.raises(ValueError, match="7×7"):
        metrics.ssim(good[..., :6], good[..., :6])
