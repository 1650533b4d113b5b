"""The training run: that it learns, goes on exactly, stops at NaN, and is the same with several processes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import small_config

from colormnet_cli.errors import CheckpointError, MediaError, OutputError, TrainingError, UsageError
from colormnet_cli.train import loop
from colormnet_cli.train.clip import ClipLoss, draw_memory
from colormnet_cli.train.journal import Journal, read_losses
from colormnet_cli.train.loop import learning_rate, train
from colormnet_cli.train.settings import TrainSettings, preset
from colormnet_cli.train.starting import starting_model
from colormnet_cli.train.synthetic import synthetic_clip
from colormnet_cli.weights import load_model

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other

SMALL = TrainSettings(
    network=small_config(), synthetic=True, frames=4, crops=((0.0, 32),), jumps=((0.0, 2),), steps=6, plain_steps=0,
    batch=2, lr=1e-3, freeze_transformer=False, checkpoint_every=2, validate_every=6, validation_clips=1,
)  # fmt: skip


def test_the_small_network_learns_one_clip_by_heart():
    """Whatever breaks learning (a detached tensor, a wrong sign, a dead branch) shows here first."""
    torch.manual_seed(0)
    settings = SMALL.with_overrides(frames=4, seed=1)
    model = starting_model(settings)
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


def test_a_broken_run_goes_on_exactly(tmp_path):
    """A run that was stopped would end elsewhere than one that was not."""
    train(SMALL, tmp_path / "whole")
    train(SMALL, tmp_path / "broken", stop_after=3)
    train(SMALL, tmp_path / "broken", resume=True)
    assert read_losses(tmp_path / "broken") == read_losses(tmp_path / "whole")
    assert len(read_losses(tmp_path / "whole")) == 6
    ends = [torch.load(tmp_path / run / "last.pt", weights_only=True)["model"] for run in ("whole", "broken")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    """Rows behind the checkpoint, or half a row, would stand twice or stop the run."""
    train(SMALL, tmp_path, stop_after=4)
    whole = read_losses(tmp_path)
    with (tmp_path / "log.csv").open("a") as log:
        log.write("5,0.1,1,1,1,1,\n6,0.")
    Journal(tmp_path, 4)
    assert read_losses(tmp_path) == whole


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
            next(self.model.parameters()).data.fill_(math.nan)
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
    with pytest.raises(CheckpointError, match="without --resume"):
        train(SMALL, tmp_path / "nothing", resume=True)


def test_two_processes_are_one(tmp_path):
    """Training on several GPUs would be another training than on one."""
    network = small_config().to_dict()
    given = [f"network.{name}={json.dumps(value)}" for name, value in network.items()]
    given += ["freeze_transformer=false", "plain_steps=0", "validation_clips=1"]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "colormnet_cli",
        "train", "--synthetic", "--out", str(tmp_path / "two"), "--device", "cpu", "--frames", "4", "--crop", "32",
        "--jump", "2", "--steps", "3", "--batch", "2", "--lr", "1e-3", "--precision", "fp32", "--progress", "none",
        *(part for setting in given for part in ("--set", setting)),
    ]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    settings = TrainSettings(**json.loads((tmp_path / "two" / "settings.json").read_text()))
    train(settings, tmp_path / "one")
    assert len(read_losses(tmp_path / "two")) == 3
    assert np.allclose(read_losses(tmp_path / "two"), read_losses(tmp_path / "one"), rtol=1e-5)


def test_the_full_configuration_does_a_step(tmp_path):
    """The paper's network could not be trained at all."""
    settings = preset("full").with_overrides(
        synthetic=True, frames=2, crops=((0.0, 112),), steps=2, batch=1, validation_clips=1, plain_steps=0
    )
    losses = []
    result = train(settings, tmp_path, stop_after=1, progress=lambda at: losses.append(at.loss))
    assert result.steps == 1
    assert math.isfinite(losses[0])


def test_the_transformer_stays_as_it_was(tmp_path):
    """Fine-tuning would wear down the features that the paper keeps frozen."""
    settings = SMALL.with_overrides(freeze_transformer=True, steps=2)
    before = starting_model(settings).state_dict()
    train(settings, tmp_path)
    after = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any("transformer" in name or "running" in name for name in changed)
    assert any("decoder" in name for name in changed)


def test_learning_rates():
    """The published schedule would be another."""
    full = preset("full")
    assert [learning_rate(full, step) for step in (0, 119_999)] == [2e-5, 2e-5]
    assert learning_rate(full, 120_000) == pytest.approx(2e-6)
    assert [full.at(full.jumps, step) for step in (0, 16_000, 48_000, 144_000)] == [5, 10, 15, 5]
    preview = preset("preview")
    assert learning_rate(preview, 0) == pytest.approx(preview.lr / preview.warmup)
    assert learning_rate(preview, preview.steps - 1) < 1e-4 * preview.lr


def test_settings_refuse_what_cannot_be():
    """A run would fail hours later, or do something else than was asked."""
    for wrong, said in (
        ({"batch": 3, "accumulate": 2}, "equal parts"), ({"lr": 0.0}, "lr must"), ({"frames": 1}, "at least 2"),
        ({"crops": ((0.0, 40),)}, "multiples of 16"), ({"precision": "fp8"}, "fp32, fp16 or bf16"),
        ({"jumps": ((0.5, 2),)}, "begin at share 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            SMALL.with_overrides(**wrong)
    with pytest.raises(ValueError, match="full, preview"):
        preset("huge")


def test_something_must_be_given_to_learn_from(tmp_path):
    """A run without material would end in a traceback."""
    with pytest.raises(UsageError, match="--data"):
        train(SMALL.with_overrides(synthetic=False), tmp_path)


def test_a_slip_in_the_data_leaves_no_folder(tmp_path):
    """An empty RUN would lie there for every typing error."""
    with pytest.raises(MediaError, match="gone"):
        train(SMALL.with_overrides(synthetic=False, data=(str(tmp_path / "gone"),)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_gpu_learns_in_half_precision(tmp_path, precision):
    """Training where it is meant to run would stop at the first step."""
    losses = []
    settings = SMALL.with_overrides(precision=precision, steps=12, validate_every=12, crops=((0.0, 64),))
    train(settings, tmp_path, device="cuda", progress=lambda at: losses.append(at.loss))
    assert all(map(math.isfinite, losses))
