"""Training the removal of flicker: each loss alone, resuming, what is learned, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.errors import UsageError
from colormnet_cli.train.data import FlickeringClips
from colormnet_cli.train.init_weights import initial_model
from colormnet_cli.train.loop import train
from colormnet_cli.train.presets import preset
from colormnet_cli.train.steady_clip_loss import SteadyClipLoss
from colormnet_cli.train.train_settings import TrainSettings
from colormnet_cli.weights import load_model
from support.training import losses, make_frames

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = preset("steady").with_overrides(
    network={"channels_in": 6, "channels_out": 2, "width": 4, "blocks": 1}, frames=4, crops=((0.0, 32),), steps=4,
    batch=2, lr=1e-3, preview_share=0.0, checkpoint_every=100, validate_every=4, validation_clips=1,
)  # fmt: skip
WEIGHTS = ("short_term_loss", "long_term_loss", "content_loss")
NONE = dict.fromkeys(WEIGHTS, 0.0)


def batch(settings: TrainSettings, *indices: int) -> list[torch.Tensor]:
    clips = FlickeringClips(settings)
    return [torch.stack(parts) for parts in zip(*(clips[i] for i in indices), strict=True)]


def test_each_loss_can_be_switched_alone() -> None:
    """Fails where `--set content_loss=0` leaves it on, or a weight is that of another loss."""
    clips = batch(SMALL, 0, 1)
    net = initial_model(SMALL)
    assert isinstance(net, cm.BlindConsistency)

    def value(**weights: float) -> float:
        return float(SteadyClipLoss(net, SMALL.with_overrides(**{**NONE, **weights}))(*clips).loss.detach())

    assert value() == 0
    alone = {name: value(**{name: 1.0}) for name in WEIGHTS}
    assert all(one > 0 for one in alone.values()), alone
    assert value(**dict.fromkeys(WEIGHTS, 1.0)) == pytest.approx(sum(alone.values()), rel=1e-4)
    assert value(content_loss=2.0) == pytest.approx(2 * alone["content_loss"], rel=1e-4)


@torch.no_grad()
def test_what_moves_is_no_flicker() -> None:
    """Fails where colors are held in place while things move: a clip without flicker has hardly any loss."""
    lab, ab, *motion = batch(SMALL, *range(6))
    net = initial_model(SMALL)
    net.deconv3.weight.zero_()  # corrects nothing
    net.deconv3.bias.zero_()
    still = [torch.zeros_like(motion[0]), torch.ones_like(motion[1])] * 2
    for name in ("short_term_loss", "long_term_loss"):
        loss = SteadyClipLoss(net, SMALL.with_overrides(**{**NONE, name: 1.0}))
        steady = float(loss(lab, lab[:, :, 1:], *motion).loss)
        assert steady < 0.5 * float(loss(lab, ab, *motion).loss)
        assert steady < 0.5 * float(loss(lab, lab[:, :, 1:], *still).loss)


@pytest.mark.slow
def test_a_stopped_run_resumes_exactly(tmp_path: Path) -> None:
    """Fails where a run that was stopped gives other weights."""
    train(SMALL, tmp_path / "whole")
    train(SMALL, tmp_path / "stopped", stop_after=2)
    train(SMALL, tmp_path / "stopped", resume=True)
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
    net = load_model(tmp_path / "whole" / "best.pt")
    assert isinstance(net, cm.BlindConsistency)
    assert net.config == SMALL.network


@pytest.mark.slow
def test_flicker_is_unlearned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fails where gradients do not reach what decides about colors."""
    clip = FlickeringClips.__getitem__
    monkeypatch.setattr(FlickeringClips, "__getitem__", lambda self, k: clip(self, 0))
    errors: list[float] = []
    settings = SMALL.with_overrides(steps=60, validate_every=60, lr=5e-3, batch=1)
    train(settings, tmp_path, progress=lambda at: errors.append(at.error))
    assert sum(errors[-5:]) / 5 < 0.7 * errors[0]


def test_films_have_no_known_movement(tmp_path: Path) -> None:
    """Fails where the losses silently hold colors in place while things move."""
    film = make_frames(tmp_path / "film", 8)
    with pytest.raises(UsageError, match="trained on synthetic clips"):
        train(SMALL.with_overrides(data=(str(film),), synthetic=False), tmp_path / "run")


def test_some_clips_have_the_flicker_of_the_preview() -> None:
    """Fails where the network never sees the flicker of a real network."""
    lab, ab, *_ = FlickeringClips(SMALL.with_overrides(preview_share=1.0))[0]
    ours = FlickeringClips(SMALL)[0][1]
    assert ab.shape == ours.shape == lab[:, 1:].shape
    assert not torch.equal(ab, ours)
    assert (ab[0] - lab[0, 1:]).abs().mean() < 0.5 * lab[0, 1:].abs().mean()  # near its exemplar's
