"""LPIPS and FID: the networks come from outside, the arithmetic is ours."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from colormnet_cli import metrics
from colormnet_cli.errors import UsageError, WeightsError
from colormnet_cli.evaluation.evaluate import EvaluateSettings, evaluate
from colormnet_cli.evaluation.perceptual import PerceptualNetworks, from_lpips, load_networks
from support.clips import faded, picture, two_clips


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return two_clips(tmp_path_factory.mktemp("clips"))


def small_networks() -> PerceptualNetworks:
    torch.manual_seed(0)
    conv, deep = torch.nn.Conv2d(3, 6, 3, stride=2), torch.nn.Conv2d(6, 8, 3, stride=2)

    def layers(rgb: torch.Tensor) -> list[torch.Tensor]:
        one = conv(rgb).relu()
        return [one, deep(one).relu()]

    return PerceptualNetworks(layers, (torch.rand(6), torch.rand(8)), lambda rgb: deep(conv(rgb / 255)).mean((2, 3)))


def test_lpips_and_fid_of_given_networks(folders: tuple[Path, Path]) -> None:
    """The figures beside the papers' would be of other frames, or of some frames only."""
    networks = small_networks()
    found = evaluate(*folders, device="cpu", settings=EvaluateSettings(perceptual=True, batch=4), networks=networks)
    results = [
        torch.from_numpy(faded(picture(i), s)).permute(2, 0, 1) for n, s in ((6, 0.3), (12, 0.8)) for i in range(n)
    ]
    truths = [torch.from_numpy(picture(i)).permute(2, 0, 1) for n in (6, 12) for i in range(n)]
    x, y = torch.stack(results), torch.stack(truths)
    with torch.inference_mode():
        expected = networks.lpips(x / 255, y / 255)
        distance = metrics.FrechetDistance()
        distance.update(networks.features(x), networks.features(y))
    measured = [*found.clips[0].columns["lpips"], *found.clips[1].columns["lpips"]]
    np.testing.assert_allclose(measured, expected, rtol=1e-4)
    assert found.overall["fid"] == pytest.approx(distance.compute(), rel=1e-4)
    assert "fid" not in found.clips[0].means()


def test_torchmetrics_networks_as_functions() -> None:
    """LPIPS would lack the network's own scaling, or take other layers."""
    lpips_module = pytest.importorskip("torchmetrics.functional.image.lpips")
    torch.manual_seed(4)
    network = lpips_module._LPIPS(pretrained=False, pnet_rand=True, net="squeeze", use_dropout=False)
    a, b = torch.rand(2, 2, 3, 64, 64).unbind()
    with torch.inference_mode():
        ours = from_lpips(network, lambda rgb: rgb).lpips(a, b)
        assert torch.allclose(ours, network(a, b, normalize=True).flatten(), rtol=1e-4)


def test_weights_of_lpips_that_cannot_be_had_are_one_sentence(
    tmp_path: Path, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the network, a traceback of urllib would end the command; with it, torch.hub would write into --json."""
    pytest.importorskip("torchmetrics")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=r"cannot be fetched .* without --perceptual"):
        evaluate(*folders, device="cpu", settings=EvaluateSettings(perceptual=True))
    assert capsys.readouterr().out == ""


def test_without_the_extra_the_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """People would not know what to install."""
    monkeypatch.setitem(sys.modules, "torchmetrics.image", None)
    with pytest.raises(UsageError, match=r"colormnet\[eval\]"):
        load_networks()
