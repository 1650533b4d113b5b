"""Training Deep Exemplar: each loss alone, what is trained, resuming, and learning a clip by heart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.errors import CheckpointError, UsageError
from colormnet_cli.train.data import SyntheticClips
from colormnet_cli.train.exemplar_clip_loss import ExemplarClipLoss
from colormnet_cli.train.init_weights import initial_model
from colormnet_cli.train.loop import train
from colormnet_cli.train.presets import preset
from colormnet_cli.train.train_settings import TrainSettings
from colormnet_cli.weights import load_model
from support.networks import make_small_deep_exemplar
from support.training import losses, make_frames

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = preset("deep-exemplar").with_overrides(
    network={"width": 8}, synthetic=True, frames=3, crops=((0.0, 32),), jumps=((0.0, 2),), steps=4, batch=2, lr=1e-3,
    checkpoint_every=100, validate_every=4, validation_clips=1,
)  # fmt: skip
WEIGHTS = ("l1_loss", "perceptual_loss", "contextual_loss", "smoothness_loss", "adversarial_loss", "temporal_loss")
NONE = dict.fromkeys(WEIGHTS, 0.0)


def batch(settings: TrainSettings) -> list[torch.Tensor]:
    clips = SyntheticClips(settings)
    return [torch.stack(parts) for parts in zip(clips[0], clips[1], strict=True)]


@pytest.mark.slow
def test_each_loss_can_be_switched_alone() -> None:
    """Fails where `--set smoothness_loss=0` leaves it on, or a weight is that of another loss."""
    lab, flow, seen = batch(SMALL)
    net = initial_model(SMALL)
    assert isinstance(net, cm.DeepExemplar)

    def value(**weights: float) -> float:
        result = ExemplarClipLoss(net, SMALL.with_overrides(**{**NONE, **weights}))(lab, flow, seen)
        return float(result.loss.detach())

    assert value() == 0
    alone = {name: value(**{name: 1.0}) for name in WEIGHTS}
    assert all(one > 0 for one in alone.values()), alone
    assert value(**dict.fromkeys(WEIGHTS[:4], 1.0)) == pytest.approx(sum(alone[name] for name in WEIGHTS[:4]), rel=1e-4)
    assert value(l1_loss=2.0) == pytest.approx(2 * alone["l1_loss"], rel=1e-4)


def test_what_is_trained() -> None:
    """Fails where VGG changes, a part of the network does not learn, or the opponents train each other."""
    net = initial_model(SMALL)
    loss = ExemplarClipLoss(net, SMALL).train()
    loss(*batch(SMALL)).loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in net.vgg.parameters())
    for part in (net.warp, net.color, loss.discriminator):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in part.parameters())
    for generator, discriminator in ((1.0, 0.0), (0.0, 1.0)):  # of the two sides, each changes only its own
        net.zero_grad()
        loss.zero_grad()
        made = torch.rand(2, 2, 2, 32, 32, requires_grad=True)
        sides = [value for _, value in loss._against(loss.discriminator, batch(SMALL)[0], made)]
        (generator * sides[0] + discriminator * sides[1]).backward()
        assert bool((made.grad != 0).any()) == bool(generator)
        moved = any(bool((p.grad != 0).any()) for p in loss.discriminator.parameters() if p.grad is not None)
        assert moved == bool(discriminator)


@pytest.mark.slow
def test_a_stopped_run_resumes_exactly(tmp_path: Path) -> None:
    """Fails where a run that was stopped gives other weights, the discriminator's among them."""
    train(SMALL, tmp_path / "whole")
    train(SMALL, tmp_path / "stopped", stop_after=2)
    train(SMALL, tmp_path / "stopped", resume=True)
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
    ends = [torch.load(tmp_path / run / "last.pt", weights_only=True) for run in ("whole", "stopped")]
    for part in ("model", "loss"):
        assert ends[0][part].keys() == ends[1][part].keys() != set()
        assert all(torch.equal(x, ends[1][part][name]) for name, x in ends[0][part].items())
    torch.testing.assert_close(ends[0]["optimizer"]["state"], ends[1]["optimizer"]["state"], rtol=0, atol=0)
    assert isinstance(load_model(tmp_path / "whole" / "best.pt"), cm.DeepExemplar)
    with pytest.raises(CheckpointError, match="trains other parameters"):
        train(SMALL.with_overrides(adversarial_loss=0.0), tmp_path / "stopped", resume=True)


@pytest.mark.slow
def test_a_batch_can_be_split(tmp_path: Path) -> None:
    """Fails where `--accumulate 2` trains other weights."""
    settings = SMALL.with_overrides(steps=1, validate_every=1)
    train(settings, tmp_path / "whole")
    train(settings.with_overrides(accumulate=2), tmp_path / "split")
    assert losses(tmp_path / "split") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)


@pytest.mark.slow
def test_a_clip_is_learned_by_heart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fails where gradients do not reach what decides about colors."""
    clip = SyntheticClips.__getitem__
    monkeypatch.setattr(SyntheticClips, "__getitem__", lambda self, k: clip(self, 5))
    settings = SMALL.with_overrides(
        steps=120, validate_every=120, batch=1, lr=3e-3, cut=0.0, perceptual_loss=0.0, contextual_loss=0.0,
        adversarial_loss=0.0,
    )  # fmt: skip
    errors: list[float] = []
    train(settings, tmp_path, progress=lambda at: errors.append(at.error))
    assert sum(errors[-10:]) / 10 < 0.4 * sum(errors[:3]) / 3


def test_films_have_no_known_movement(tmp_path: Path) -> None:
    """Fails where the temporal loss silently holds colors in place while things move."""
    film = make_frames(tmp_path / "film", 8)
    settings = SMALL.with_overrides(data=(str(film),), steps=1)
    settings = settings.with_overrides(synthetic=False, validate_every=1)
    with pytest.raises(UsageError, match="temporal loss needs synthetic clips"):
        train(settings, tmp_path / "run")
    train(settings.with_overrides(temporal_loss=0.0), tmp_path / "run")
    assert len(losses(tmp_path / "run")) == 1


def test_trained_weights_can_be_the_start(tmp_path: Path) -> None:
    """Fails where Deep Exemplar cannot be fine-tuned, or ColorMNet's weights are taken for it."""
    from colormnet_cli.networks.weight_file import save_network

    save_network(make_small_deep_exemplar(seed=3), tmp_path / "start.pt")
    started = initial_model(SMALL.with_overrides(init=str(tmp_path / "start.pt")))
    assert torch.equal(started.color.ab.weight, make_small_deep_exemplar(seed=3).color.ab.weight)
    with pytest.raises(UsageError, match="those of another network"):
        initial_model(SMALL.with_overrides(init="preview"))


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    """Fails where `--config deep-exemplar` or one of its settings is unknown to the command."""
    options = ["--set", "network.width=8", "--set", "adversarial_loss=0", "--frames", "2", "--crop", "32"]
    command = [
        sys.executable, "-m", "colormnet_cli", "train", "--config", "deep-exemplar", "--synthetic", "--steps", "1",
        "--batch", "1", "--out", str(tmp_path / "run"), "--device", "cpu", *options,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 step done" in done.stderr
