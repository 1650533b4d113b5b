"""The network on color alone: what it is given of each frame, and sizes that are no multiples of four."""

from __future__ import annotations

import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.networks.blind_consistency import ColorSteadier


def network() -> cm.BlindConsistency:
    torch.manual_seed(0)
    return cm.BlindConsistency(6, 2, width=2, blocks=1)


def test_each_frame_gets_the_one_before_and_the_state() -> None:
    """The network would be given its channels in another order than in training, or forget the film."""
    net = network()
    L, ab = 100 * torch.rand(3, 1, 1, 12, 16), 40 * torch.randn(3, 1, 2, 12, 16)
    steadier = ColorSteadier(net)
    first, second, third = (steadier.step(*frame) for frame in zip(L, ab, strict=True))
    assert torch.equal(first, ab[0])
    y, state = net(torch.cat((ab[1] / 110, ab[0] / 110, L[1] / 100 - 0.5, L[0] / 100 - 0.5), 1))
    torch.testing.assert_close(second, ab[1] + 110 * y)
    y, _ = net(torch.cat((ab[2] / 110, second / 110, L[2] / 100 - 0.5, L[1] / 100 - 0.5), 1), state)
    torch.testing.assert_close(third, ab[2] + 110 * y)


def test_any_size() -> None:
    """Films of 1,080 lines have 540 of chroma, others 270."""
    steadier = ColorSteadier(network())
    for _ in range(2):
        assert steadier.step(torch.zeros(1, 1, 9, 14), torch.zeros(1, 2, 9, 14)).shape == (1, 2, 9, 14)


def test_a_network_of_other_channels_is_refused() -> None:
    """The published network takes RGB, and would fail with an error about shapes, or color at random."""
    with pytest.raises(ValueError, match="needs a network of 6 channels in and 2 out"):
        ColorSteadier(cm.BlindConsistency())
