"""What all metrics have in common: types, ranges, shapes, sizes and devices of frames."""

from __future__ import annotations

import pytest
import torch
from skimage.metrics import structural_similarity

from colormnet_cli import metrics
from support.golden_metrics import GOLDEN, PAIR, close, lab


def test_floats_in_0_to_1_measure_as_uint8_does() -> None:
    """Float frames would be measured on another scale than decoded ones."""
    result, reference = (x.double() / 255 for x in PAIR)
    close(metrics.psnr(result, reference), GOLDEN["psnr"])
    close(metrics.ssim(result, reference), GOLDEN["ssim"])
    close(metrics.colorfulness(result), GOLDEN["colorfulness"])
    consistency = metrics.ColorDistributionConsistency()
    consistency.update(result)
    close(consistency.compute(), GOLDEN["cdc_res"])


def test_identical_frames() -> None:
    """A perfect result would be shown as nan, or as an arbitrary maximum."""
    same = PAIR[0], PAIR[0]
    assert metrics.psnr(*same).isinf().all()
    assert metrics.psnr_as_published(*same).isinf().all()
    assert metrics.ab_psnr(lab(PAIR[0])[:, 1:], lab(PAIR[0])[:, 1:]).isinf().all()
    assert torch.allclose(metrics.ssim(*same), torch.ones(8), atol=1e-6)
    assert metrics.ciede2000(lab(PAIR[0]), lab(PAIR[0])).abs().max() < 1e-4


def test_large_frames_are_measured_in_strips_without_seams() -> None:
    """Rows between two strips would be left out, counted twice, or compared with their neighbors."""
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


def test_errors_name_the_shape() -> None:
    """Frames with a swapped layout would be measured silently."""
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


@pytest.mark.gpu
def test_figures_on_a_gpu_are_those_of_the_cpu() -> None:
    """Results would depend on the machine."""
    result, reference = (x.cuda() for x in PAIR)
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
