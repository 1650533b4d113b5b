"""Flicker: wrong here, and a steady film with a moving camera is called a flickering one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import metrics
from colormnet_cli.metrics.temporal import flow_luma


def moving_picture(shift: int, size: tuple[int, int] = (96, 160)) -> np.ndarray:
    """A textured picture whose window moves `shift` pixels to the right: content moves left."""
    noise = np.random.default_rng(3).integers(0, 256, (size[0], size[1] + 64, 3), dtype=np.uint8)
    return np.ascontiguousarray(cv2.GaussianBlur(noise, (0, 0), 3)[:, shift : shift + size[1]])


def flows(shift: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Flow to the past and to the future."""
    past, now = (cv2.cvtColor(moving_picture(s), cv2.COLOR_RGB2GRAY) for s in (0, shift))
    return metrics.dis_flow(now, past)[None], metrics.dis_flow(past, now)[None]


def unit(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 255


def test_warp_error_follows_the_motion() -> None:
    """A steady film with a moving camera would be called flickering, or a flickering one steady."""
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


def test_warp_error_leaves_out_what_was_hidden() -> None:
    """Whatever comes into view would count as flicker."""
    past, now = unit(moving_picture(0)), unit(moving_picture(5))
    to_past, to_future = flows(shift=5)
    changed = now.clone()
    changed[..., -4:] = 1  # came in at the right edge: it lay outside the frame before
    plain, with_change = (metrics.warp_errors(past, x, to_past, to_future) for x in (now, changed))
    assert plain == with_change
    visible = metrics.unoccluded_mask(to_past, metrics.warp(to_future, to_past))
    assert visible.float().mean() > 0.85
    to_past[:, :, 40:50, 40:50] += 8  # there the two flows say different things
    assert not metrics.unoccluded_mask(to_past, metrics.warp(to_future, to_past))[0, 40:50, 40:50].any()
    away = torch.full_like(to_past, 1000)
    assert metrics.warp_errors(past, now, away, away).isnan().all()


def test_large_frames_are_reduced_alike_for_motion_and_for_color() -> None:
    """Motion would be found in another picture than the one that is moved."""
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
    """The warp would be off by part of a pixel."""
    picture = moving_picture(0).astype(np.float32)
    rng = np.random.default_rng(1)
    flow = cv2.GaussianBlur(rng.normal(0, 40, (*picture.shape[:2], 2)).astype(np.float32), (0, 0), 4)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    theirs = cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ours = metrics.warp(torch.from_numpy(picture).permute(2, 0, 1)[None], torch.from_numpy(flow).permute(2, 0, 1)[None])
    apart = np.abs(ours[0].permute(1, 2, 0).numpy() - theirs)
    assert apart.max() < 5  # remap rounds its weights to 1/32 pixel
    assert apart.mean() < 0.2


def test_flow_refuses_pictures_that_opencv_cannot_take() -> None:
    """OpenCV would end the process instead of saying why."""
    with pytest.raises(ValueError, match="at least 12"):
        metrics.dis_flow(np.zeros((8, 40), np.uint8), np.zeros((8, 40), np.uint8))
    assert metrics.dis_flow(np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)).shape == (2, 12, 12)
