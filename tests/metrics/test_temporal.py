"""CDC and warp error: with errors here, a steady film with a moving camera would count as flickering."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import metrics
from colormnet_cli.metrics.temporal import flow_luma
from support.golden_metrics import GOLDEN, close, frames


def moving_picture(shift: int, size: tuple[int, int] = (96, 160)) -> np.ndarray:
    """A textured picture, cropped `shift` pixels to the right, so that content moves left."""
    noise = np.random.default_rng(3).integers(0, 256, (size[0], size[1] + 64, 3), dtype=np.uint8)
    return np.ascontiguousarray(cv2.GaussianBlur(noise, (0, 0), 3)[:, shift : shift + size[1]])


def flows(shift: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Flow to the past and to the future, between pictures `shift` pixels apart."""
    past, now = (cv2.cvtColor(moving_picture(s), cv2.COLOR_RGB2GRAY) for s in (0, shift))
    return metrics.dis_flow(now, past)[None], metrics.dis_flow(past, now)[None]


def unit(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 255


def test_warp_error_follows_the_motion() -> None:
    """A steady film with a moving camera would count as flickering, or a flickering one as steady."""
    past, now = unit(moving_picture(0)), unit(moving_picture(5))
    reddened = now + torch.tensor([0.1, 0, 0]).view(1, 3, 1, 1)
    to_past, to_future = flows(shift=5)
    assert to_past[0, 0, 20:-20, 20:-20].median().item() == pytest.approx(5, abs=0.1)
    films = torch.cat((past, past), 1), torch.cat((now, reddened), 1)
    steady, flicker = metrics.warp_errors(*films, to_past, to_future)[0]
    still = torch.zeros_like(to_past)
    unaligned = metrics.warp_errors(past, now, still, still)
    assert unaligned.item() == pytest.approx((past - now).square().mean().item(), rel=1e-4)
    assert steady.item() < unaligned.item() / 50
    assert flicker.item() == pytest.approx(0.01 / 3, rel=0.1)  # 0.1² in one of three channels


def test_color_alone_has_no_error_where_only_the_luma_changes() -> None:
    """A film whose light flickers would count as one whose colors do."""
    still = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    brighter, redder = still + 0.1, still + torch.tensor([0.1, 0, 0]).view(1, 3, 1, 1)
    no_motion = torch.zeros(1, 2, 24, 32)

    def error(now: torch.Tensor) -> float:
        return metrics.warp_errors(*map(metrics.color_only, (still, now)), no_motion, no_motion).item()

    assert error(brighter) < 1e-12
    assert error(redder) == pytest.approx(0.01 * ((1 - 0.299) ** 2 + 2 * 0.299**2) / 3, rel=1e-4)


def test_warp_error_leaves_out_what_was_occluded() -> None:
    """Whatever comes into view would count as flicker."""
    past, now = unit(moving_picture(0)), unit(moving_picture(5))
    to_past, to_future = flows(shift=5)
    changed = now.clone()
    changed[..., -4:] = 1  # came in at the right edge: outside the previous frame
    plain, with_change = (metrics.warp_errors(past, x, to_past, to_future) for x in (now, changed))
    assert plain == with_change
    visible = metrics.unoccluded_mask(to_past, metrics.warp(to_future, to_past))
    assert visible.float().mean() > 0.85
    to_past[:, :, 40:50, 40:50] += 8  # there the two flows disagree
    assert not metrics.unoccluded_mask(to_past, metrics.warp(to_future, to_past))[0, 40:50, 40:50].any()
    away = torch.full_like(to_past, 1000)
    assert metrics.warp_errors(past, now, away, away).isnan().all()


def test_large_frames_are_downscaled_alike_for_flow_and_for_color() -> None:
    """The flow would be that of another picture than the one that is warped."""
    rgb = torch.randint(0, 256, (1, 3, 485, 721), dtype=torch.uint8)
    small = metrics.downscale_for_flow(rgb)
    assert torch.allclose(small[0, :, 1, 2], rgb[0, :, 2:4, 4:6].float().mean((1, 2)) / 255)
    assert torch.allclose(metrics.downscale_for_flow(rgb / 255), small)
    gray = flow_luma(rgb[0].permute(1, 2, 0).numpy())
    assert gray.shape == small.shape[-2:] == (242, 360)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    assert ((small[0] * weights).sum(0) * 255 - torch.from_numpy(gray)).abs().max() < 1.1
    assert torch.allclose(metrics.downscale_for_flow(rgb[..., :479, :]) * 255, rgb[..., :479, :].float())


def test_warp_is_opencvs_remap() -> None:
    """Frames would be warped by a fraction of a pixel too far."""
    picture = moving_picture(0).astype(np.float32)
    rng = np.random.default_rng(1)
    flow = cv2.GaussianBlur(rng.normal(0, 40, (*picture.shape[:2], 2)).astype(np.float32), (0, 0), 4)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    theirs = cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ours = metrics.warp(torch.from_numpy(picture).permute(2, 0, 1)[None], torch.from_numpy(flow).permute(2, 0, 1)[None])
    difference = np.abs(ours[0].permute(1, 2, 0).numpy() - theirs)
    assert difference.max() < 5  # remap rounds its weights to 1/32 pixel
    assert difference.mean() < 0.2


def test_frames_too_small_for_opencv_are_an_error() -> None:
    """OpenCV would end the process instead of raising an error."""
    with pytest.raises(ValueError, match="at least 12"):
        metrics.dis_flow(np.zeros((8, 40), np.uint8), np.zeros((8, 40), np.uint8))
    assert metrics.dis_flow(np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)).shape == (2, 12, 12)


@pytest.mark.parametrize("sizes", [(8,), (1, 3, 4), (1,) * 8])
@pytest.mark.parametrize(("name", "golden"), [("gt", "cdc_gt"), ("result", "cdc_res")])
def test_golden_cdc_in_batches_of_any_size(name: str, golden: str, sizes: tuple[int, ...]) -> None:
    """CDC would depend on the batch size of a run."""
    consistency = metrics.ColorDistributionConsistency()
    for part in frames(name).split(sizes):
        consistency.update(part)
    close(consistency.compute(), GOLDEN[golden])


def test_cdc_of_short_films() -> None:
    """A clip of one frame would end a benchmark with a division by zero, or count as perfectly steady."""
    consistency = metrics.ColorDistributionConsistency()
    assert math.isnan(consistency.compute())
    consistency.update(frames("gt")[:1])
    assert math.isnan(consistency.compute())
    consistency.update(frames("gt")[1:2])
    assert 0 < consistency.compute() < math.log(2)
