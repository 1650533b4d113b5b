"""`colormnet bench`: tables for people, JSON for programs, and nothing is downloaded."""

from __future__ import annotations

import json

import pytest

import colormnet_cli as cm
from support.commands import command, world  # noqa: F401

QUICK = ["bench", "--model", "small.pt", "--device", "cpu", "--size", "48x32", "--frames", "5", "--long-term", "200"]


@pytest.fixture
def quick_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The true ones would take most of the time; tests/bench measures them."""
    for name in ("convolution_rate", "product_rate"):
        monkeypatch.setattr(f"colormnet_cli.bench.measure.{name}", lambda *_: 1e9)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_rates")
def test_the_command(command) -> None:  # noqa: F811
    """Fails where a person sees no table, or a program no JSON."""
    code, out, _ = command(*QUICK, "--film", "none", "--json", "--m", "8", "--lookahead", "2")
    assert code == 0
    found = json.loads(out)
    assert found["film"] is None
    assert found["network"]["lookahead"] == 2
    assert found["memory_settings"]["m"] == 8
    code, out, _ = command(*QUICK, "--film", "64x48", "--stage-times")
    assert code == 0
    for words in ("frames a second", "film, 64×48", "p95", "slope", "GFLOP a frame", "decode:", "encode:", "(MFP)"):
        assert words in out


@pytest.mark.slow
@pytest.mark.usefixtures("quick_rates")
def test_no_weights_no_download(command, monkeypatch: pytest.MonkeyPatch, small_model: cm.ColorMNet) -> None:  # noqa: F811
    """Fails where bench fetches half a gigabyte, or does not say that it measured random weights."""
    monkeypatch.setattr("colormnet_cli.weights.find", lambda *_: None)
    monkeypatch.setattr("colormnet_cli.weights.ensure", lambda *_, **__: pytest.fail("it fetches"))
    monkeypatch.setattr("colormnet_cli.networks.colormnet.ColorMNet", lambda: small_model)  # the full one takes minutes
    code, out, err = command(*QUICK, "--film", "none", "--json", "--model", "colormnet")
    assert code == 0
    assert json.loads(out)["weights"] == "random"
    assert "not on disk" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--size", "480"], "960x536"), (["--film", "97x64"], "--film"), (["--model", "nosuch"], "nosuch")],
)
def test_wrong_usage(command, arguments: list[str], says: str) -> None:  # noqa: F811
    """One sentence, before anything is measured."""
    code, _, err = command("bench", "--device", "cpu", *arguments)
    assert code in (1, 2)
    assert says in err
    assert "Traceback" not in err
