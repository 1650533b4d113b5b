"""The training run: that it learns, leaves what it should, stops at NaN, and is the same with several processes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from colormnet_cli.errors import CheckpointError, OutputError, TrainingError
from colormnet_cli.train import loop
from colormnet_cli.train.clip_loss import ClipLoss, draw_memory
from colormnet_cli.train.init_weights import initial_model
from colormnet_cli.train.logger import read_losses
from colormnet_cli.train.loop import train
from colormnet_cli.train.scenes import synthetic_clip
from colormnet_cli.train.train_settings import TrainSettings, preset
from colormnet_cli.weights import load_model
from support.networks import small_config
from support.training import SMALL, column, command

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other


def test_the_small_network_learns_one_clip_by_heart():
    """Whatever breaks learning (a detached tensor, a wrong sign, a dead branch) shows here first."""
    torch.manual_seed(0)
    settings = SMALL.with_overrides(frames=4, seed=1)
    model = initial_model(settings)
    loss = ClipLoss(model)
    lab = torch.from_numpy(synthetic_clip(1, 3, frames=4, size=48, jump=1, cut=0.0, vivid=1.0))[None]
    picks, renew = draw_memory(np.random.default_rng(0), 4)[None], torch.zeros(4, dtype=torch.bool)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.0)
    errors = []
    for step in range(400):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * step / 400))
        loss.train()
        result = loss(lab, picks, renew)
        optimizer.zero_grad()
        result.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        errors.append(float(result.error))
        if errors[-1] < errors[0] / 5.5:
            break
    assert min(errors) < errors[0] / 5


def test_the_mean_of_the_weights_is_what_a_run_gives(tmp_path):
    """The last step's weights would be written, or a mean that lags behind by its own beginning."""
    settings = SMALL.with_overrides(steps=3, ema_decay=0.75, validate_every=3)
    expected = {}
    for step in range(3):
        train(settings, tmp_path, resume=step > 0, stop_after=1)
        weights = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
        for name, now in weights.items():
            expected[name] = now if step == 0 else 0.75 * expected[name] + 0.25 * now
    for file in ("final.pt", "best.pt"):
        given = torch.load(tmp_path / file, weights_only=True)["state"]
        learned = [name for name in given if given[name].is_floating_point()]
        torch.testing.assert_close({n: given[n] for n in learned}, {n: expected[n] for n in learned})
    assert not torch.equal(expected["decoder.predict.weight"], weights["decoder.predict.weight"])


def test_parts_of_a_batch_add_up(tmp_path):
    """Accumulating gradients would train something else than the same batch at once."""
    train(SMALL, tmp_path / "whole")
    train(SMALL.with_overrides(accumulate=2), tmp_path / "parts")
    assert np.allclose(read_losses(tmp_path / "parts"), read_losses(tmp_path / "whole"), rtol=1e-4)


def test_nan_stops_the_run_and_keeps_the_last_good_state(tmp_path, monkeypatch):
    """A run would go on for days writing checkpoints full of NaN."""
    step = loop._Run._step

    def poisoned(self, batches):
        if self.step == 3:
            next(self.trainer.model.parameters()).data.fill_(math.nan)
        return step(self, batches)

    monkeypatch.setattr(loop._Run, "_step", poisoned)
    with pytest.raises(TrainingError, match=r"step 4.*last\.pt.*--resume"):
        train(SMALL, tmp_path)
    saved = torch.load(tmp_path / "last.pt", weights_only=True)
    assert saved["step"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in saved["model"].values())


def test_a_run_leaves_what_it_should(tmp_path):
    """Nothing could be coloured with what was trained, or nobody could tell how it was."""
    result = train(SMALL, tmp_path)
    assert result.best_psnr is not None
    assert TrainSettings(**json.loads((tmp_path / "settings.json").read_text())) == SMALL
    model = load_model(result.weights)
    assert model.config == SMALL.network
    with pytest.raises(OutputError, match="--resume"):
        train(SMALL, tmp_path)
    assert train(SMALL, tmp_path, resume=True) == replace(result, loss=None)  # nothing is left to do
    with pytest.raises(CheckpointError, match="without --resume"):
        train(SMALL, tmp_path / "nothing", resume=True)
    with pytest.raises(CheckpointError, match="another network"):
        train(SMALL.with_overrides(network=small_config(key_dim=8)), tmp_path, resume=True)


def test_two_processes_are_one(tmp_path):
    """On several GPUs it would be another training, could only go on with as many, or end in many voices."""
    settings = SMALL.with_overrides(steps=4, clip_norm=0.5, hidden_renewal=0.5, validate_every=4)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *torchrun, *command(settings, tmp_path / "two", "--stop-after", "3")],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(read_losses(tmp_path / "two")) == 3
    assert done.stderr.count("3 of 4 steps done") == 1  # one of them speaks
    train(settings, tmp_path / "two", resume=True)
    train(settings, tmp_path / "one")
    for name, digits in {"loss": 1e-5, "error": 1e-4, "grad_norm": 2e-3, "psnr": 1e-3}.items():
        ours, expected = ([float(x or 0) for x in column(tmp_path / run, name)] for run in ("two", "one"))
        assert np.allclose(ours, expected, rtol=digits), name


def test_the_full_configuration_does_a_step(tmp_path):
    """The paper's network could not be trained at all."""
    settings = preset("full").with_overrides(
        synthetic=True, frames=2, crops=((0.0, 112),), steps=2, batch=1, validation_clips=1, plain_share=0.0
    )
    losses = []
    result = train(settings, tmp_path, stop_after=1, progress=lambda at: losses.append(at.loss))
    assert result.steps == 1
    assert math.isfinite(losses[0])


def test_the_transformer_stays_as_it_was(tmp_path):
    """Fine-tuning would wear down the features that the paper keeps frozen."""
    settings = SMALL.with_overrides(freeze_transformer=True, steps=2)
    before = initial_model(settings).state_dict()
    train(settings, tmp_path)
    after = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any("transformer" in name or "running" in name for name in changed)
    assert any("decoder" in name for name in changed)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_gpu_learns_in_half_precision(tmp_path, precision):
    """Training where it is meant to run would stop at the first step."""
    losses = []
    settings = SMALL.with_overrides(precision=precision, steps=12, validate_every=12, crops=((0.0, 64),))
    train(settings, tmp_path, device="cuda", progress=lambda at: losses.append(at.loss))
    assert all(map(math.isfinite, losses))
