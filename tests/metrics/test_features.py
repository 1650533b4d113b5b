"""FID and LPIPS out of features: figures that are compared with everyone else's."""

from __future__ import annotations

import math

import pytest
import torch

from colormnet_cli import metrics


class Extractor(torch.nn.Module):
    """A small random stand-in for Inception."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv = torch.nn.Conv2d(3, self.num_features, 5, stride=4)

    @torch.inference_mode()
    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return self.conv(rgb.float() / 255).relu().mean((2, 3))


@pytest.mark.parametrize("count", [40, 6])
def test_frechet_distance_is_torchmetrics(count: int) -> None:
    """FID would differ from everyone else's on the same features (also with fewer frames than features)."""
    fid_module = pytest.importorskip("torchmetrics.image.fid")
    extractor = Extractor()
    torch.manual_seed(1)
    result = torch.randint(0, 200, (count, 3, 32, 32), dtype=torch.uint8)
    reference = torch.randint(50, 256, (count, 3, 32, 32), dtype=torch.uint8)
    theirs = fid_module.FrechetInceptionDistance(feature=extractor)
    ours = metrics.FrechetDistance()
    for a, b in zip(result.split(5), reference.split(5), strict=True):
        theirs.update(a, real=False)
        theirs.update(b, real=True)
        ours.update(extractor(a), extractor(b))
    assert ours.compute() == pytest.approx(theirs.compute().item(), rel=1e-4)


def test_frechet_distance_of_nothing() -> None:
    """One frame has no covariance: a number would be invented."""
    distance = metrics.FrechetDistance()
    distance.update(torch.ones(1, 4), torch.ones(1, 4))
    assert math.isnan(distance.compute())


def test_lpips_is_torchmetrics() -> None:
    """LPIPS would differ from everyone else's on the same network."""
    lpips_module = pytest.importorskip("torchmetrics.functional.image.lpips")
    torch.manual_seed(2)
    network = lpips_module._LPIPS(pretrained=False, pnet_rand=True, net="alex", use_dropout=False)
    a, b = torch.rand(3, 3, 64, 80), torch.rand(3, 3, 64, 80)
    with torch.inference_mode():
        features = [network.net(network.scaling_layer(2 * x - 1)) for x in (a, b)]
        ours = metrics.lpips(*features, [lin.model[-1].weight.flatten() for lin in network.lins])
        theirs = network(a, b, normalize=True).flatten()
    assert torch.allclose(ours, theirs, rtol=1e-4)
