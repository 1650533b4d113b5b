"""LPIPS and FID: torchmetrics computes them, evaluation feeds it. The networks here are small and random stand-ins."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from colormnet_cli.errors import UsageError, WeightsError
from colormnet_cli.evaluation.evaluate import EvaluateSettings, evaluate
from colormnet_cli.evaluation.perceptual import PerceptualNetworks, load_networks
from support.clips import faded, picture, two_clips


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return two_clips(tmp_path_factory.mktemp("clips"))


class Extractor(torch.nn.Module):
    """In place of Inception-v3."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, self.num_features, 5, stride=4)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return self.conv(rgb / 255).tanh().mean((2, 3))


@pytest.fixture(scope="module")
def networks() -> PerceptualNetworks:
    lpips = pytest.importorskip("torchmetrics.functional.image.lpips")
    fid = pytest.importorskip("torchmetrics.image.fid")
    torch.manual_seed(0)
    random_alexnet = lpips._LPIPS(pretrained=False, pnet_rand=True, net="alex", use_dropout=False)
    for linear in random_alexnet.lins:
        linear.model[-1].weight.data.abs_()  # as the trained ones are
    return PerceptualNetworks(random_alexnet, fid.FrechetInceptionDistance(feature=Extractor()))


def all_frames(change: Callable[[np.ndarray, float], np.ndarray]) -> torch.Tensor:
    """The frames of both clips of `two_clips`: [18, 3, H, W] uint8."""
    frames = [change(picture(i), share) for count, share in ((6, 0.3), (12, 0.8)) for i in range(count)]
    return torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in frames])


@pytest.mark.slow
def test_lpips_and_fid_are_those_of_their_papers(folders: tuple[Path, Path], networks: PerceptualNetworks) -> None:
    """Figures beside the published ones would be of another formula, of other frames, or of some frames only."""
    x, y = all_frames(faded), all_frames(lambda frame, _: frame)
    with torch.inference_mode():
        expected = lpips_by_definition(networks.lpips, x / 255, y / 255)
        distance = frechet_distance(*(networks.fid.inception(frames).double().numpy() for frames in (x, y)))
    for batch in (4, 1):  # the second time it must not add to what the first left
        settings = EvaluateSettings(perceptual=True, batch=batch)
        found = evaluate(*folders, device="cpu", settings=settings, networks=networks)
        measured = [*found.clips[0].columns["lpips"], *found.clips[1].columns["lpips"]]
        np.testing.assert_allclose(measured, expected, rtol=1e-4)
        assert found.overall["fid"] == pytest.approx(distance, rel=1e-4)
        assert "fid" not in found.clips[0].means()


def lpips_by_definition(network: torch.nn.Module, result: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Zhang et al. (2018), equation 1: unit features, squared differences weighted by channel, mean over the pixels of
    each layer, sum over the layers."""
    features = [network.net(network.scaling_layer(2 * rgb - 1)) for rgb in (result, reference)]
    total = torch.zeros(len(result))
    for x, y, linear in zip(*features, network.lins, strict=True):
        x, y = (f / (f.square().sum(1, keepdim=True) + 1e-8).sqrt() for f in (x, y))
        total += torch.einsum("nchw,c->nhw", (x - y).square(), linear.model[-1].weight.flatten()).mean((1, 2))
    return total


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Heusel et al. (2017), equation 6: |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2·(Σ₁Σ₂)^½) of features [N, D]."""
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    means = np.square(x.mean(0) - y.mean(0)).sum()
    return float(means + np.trace(cov_x + cov_y - 2 * sqrtm(cov_x @ cov_y).real))


@pytest.mark.slow
def test_fid_of_one_frame_is_not_known(networks: PerceptualNetworks) -> None:
    """One frame has no covariance: torchmetrics would end the command with a traceback."""
    networks.fid.reset()
    frame = torch.from_numpy(picture(0)).permute(2, 0, 1)[None]
    networks.update(frame, frame)
    assert math.isnan(networks.compute_fid())
    networks.update(frame, frame)
    assert networks.compute_fid() == pytest.approx(0, abs=1e-6)


def test_weights_that_cannot_be_downloaded_are_one_sentence(
    tmp_path: Path, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Offline, a traceback of urllib would end the command, or torch.hub would write into the output of --json."""
    pytest.importorskip("torchmetrics")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=r"cannot be downloaded .* leave LPIPS and FID out"):
        evaluate(*folders, device="cpu", settings=EvaluateSettings(perceptual=True))
    assert capsys.readouterr().out == ""


def test_without_torchmetrics_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users would not know what to install."""
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    with pytest.raises(UsageError, match=r"pipx inject colormnet 'torchmetrics\[image\]'"):
        load_networks()
