"""The training run: that it learns, what it leaves, when it stops, and that several processes do the same."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from colormnet_cli.errors import CheckpointError, Interrupted, MediaError, OutputError, TrainingError, UsageError
from colormnet_cli.train import trainer
from colormnet_cli.train.clip_loss import ClipLoss
from colormnet_cli.train.data import SyntheticClips
from colormnet_cli.train.init_weights import initial_model
from colormnet_cli.train.loop import train
from colormnet_cli.train.presets import preset
from colormnet_cli.train.run_state import read_checkpoint, read_settings
from colormnet_cli.train.trainer import Trainer
from colormnet_cli.weights import load_model
from support.networks import small_config
from support.training import SMALL, column, command, losses

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other


@pytest.mark.slow
def test_averaged_weights_are_saved(tmp_path):
    """The last step's weights would be saved, or an average that still contains its own initial value."""
    settings = SMALL.with_overrides(steps=3, ema_decay=0.75, validate_every=3)
    expected = {}
    for step in range(3):
        train(settings, tmp_path, resume=step > 0, stop_after=1)
        weights = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
        for name, now in weights.items():
            expected[name] = now if step == 0 else 0.75 * expected[name] + 0.25 * now
    for file in ("final.pt", "best.pt"):
        saved = torch.load(tmp_path / file, weights_only=True)["state"]
        floats = [name for name in saved if saved[name].is_floating_point()]
        torch.testing.assert_close({n: saved[n] for n in floats}, {n: expected[n] for n in floats})
    assert not torch.equal(expected["decoder.predict.weight"], weights["decoder.predict.weight"])


@pytest.mark.slow
def test_accumulated_gradients_are_those_of_the_batch(tmp_path):
    """`accumulate` would change the training instead of only its memory."""
    train(SMALL, tmp_path / "whole")
    train(SMALL.with_overrides(accumulate=2), tmp_path / "parts")
    assert np.allclose(losses(tmp_path / "parts"), losses(tmp_path / "whole"), rtol=1e-4)


@pytest.mark.slow
def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    """A run would continue for days, writing checkpoints full of NaN."""
    do_step = Trainer.step

    def with_nan(self, step, batches):
        if step == 3:
            next(self.model.parameters()).data.fill_(math.nan)
        return do_step(self, step, batches)

    monkeypatch.setattr(Trainer, "step", with_nan)
    with pytest.raises(
        TrainingError, match=r"loss became nan at step 4: resume the run from .*last\.pt, with a lower lr"
    ):
        train(SMALL, tmp_path)
    saved = torch.load(tmp_path / "last.pt", weights_only=True)
    assert saved["step"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in saved["model"].values())


@pytest.mark.slow
def test_a_run_leaves_its_settings_and_usable_weights(tmp_path):
    """Nothing could be colorized with the trained weights, or nobody would know how they were trained."""
    result = train(SMALL, tmp_path)
    assert result.best_psnr is not None
    assert read_settings(tmp_path) == SMALL
    model = load_model(result.weights)
    assert model.config == SMALL.network
    with pytest.raises(OutputError, match="resume it, or choose another folder"):
        train(SMALL, tmp_path)
    assert train(SMALL, tmp_path, resume=True) == replace(result, loss=None)  # no step is left
    with pytest.raises(CheckpointError, match="without resuming"):
        train(SMALL, tmp_path / "nothing", resume=True)
    with pytest.raises(CheckpointError, match="another network"):
        train(SMALL.with_overrides(network=small_config(key_dim=8)), tmp_path, resume=True)


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    """Training on several GPUs would give other weights, resume only on as many, or report everything twice."""
    settings = SMALL.with_overrides(steps=4, clip_norm=0.5, hidden_renewal=0.5, validate_every=4)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = subprocess.run(
        [sys.executable, *torchrun, *command(settings, tmp_path / "two", "--stop-after", "3")],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert len(losses(tmp_path / "two")) == 3
    assert run.stderr.count("3 of 4 steps done") == 1  # only the main process reports
    train(settings, tmp_path / "two", resume=True)
    train(settings, tmp_path / "one")
    for name, rtol in {"loss": 1e-5, "error": 1e-4, "grad_norm": 2e-3, "psnr": 1e-3}.items():
        ours, expected = (
            [float(x or 0) for x in column(tmp_path / name_of_run, name)] for name_of_run in ("two", "one")
        )
        assert np.allclose(ours, expected, rtol=rtol), name


@pytest.mark.slow
def test_the_full_configuration_can_be_trained(tmp_path):
    """The paper's network could not be trained at all."""
    settings = preset("full").with_overrides(
        synthetic=True, frames=2, crops=((0.0, 112),), steps=2, batch=1, validation_clips=1, plain_share=0.0
    )
    result = train(settings, tmp_path, stop_after=1)
    assert result.steps == 1
    assert math.isfinite(result.loss)


@pytest.mark.slow
def test_a_frozen_transformer_does_not_change(tmp_path):
    """Fine-tuning would degrade the features that the paper keeps frozen."""
    settings = SMALL.with_overrides(freeze_transformer=True, steps=2)
    before = initial_model(settings).state_dict()
    train(settings, tmp_path)
    after = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any("transformer" in name or "running" in name for name in changed)
    assert any("decoder" in name for name in changed)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_gpu_trains_in_half_precision(tmp_path, precision):
    """Training on a GPU would stop at the first step."""
    seen = []
    settings = SMALL.with_overrides(precision=precision, steps=12, validate_every=12, crops=((0.0, 64),))
    train(settings, tmp_path, device="cuda", progress=lambda at: seen.append(at.loss))
    assert all(map(math.isfinite, seen))


@pytest.mark.slow
def test_an_image_that_cannot_be_read_costs_no_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One damaged frame lost all steps since the last checkpoint, up to a thousand."""
    settings = SMALL.with_overrides(steps=4, checkpoint_every=100, accumulate=2, norm_share=1.0)
    train(settings, tmp_path / "whole")
    read = SyntheticClips.__getitem__

    def damaged(self: SyntheticClips, k: int) -> tuple[Tensor, Tensor]:
        if k == 5:  # the second part of step 3
            raise MediaError("The image 5.png is damaged.")
        return read(self, k)

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticClips, "__getitem__", damaged)
        with pytest.raises(MediaError, match="damaged"):
            train(settings, tmp_path / "broken")
    assert read_checkpoint(tmp_path / "broken" / "last.pt")["step"] == 2
    train(settings, tmp_path / "broken", resume=True)
    assert column(tmp_path / "broken", "loss") == column(tmp_path / "whole", "loss")


@pytest.mark.slow
def test_a_resumed_run_has_its_own_weights(tmp_path: Path) -> None:
    """`--resume --init colormnet` changed only what settings.json says about the initial weights."""
    train(SMALL, tmp_path, stop_after=1)
    before = (tmp_path / "settings.json").read_text()
    with pytest.raises(UsageError, match=r"started from init random.* another folder"):
        train(SMALL.with_overrides(init="preview"), tmp_path, resume=True)
    assert (tmp_path / "settings.json").read_text() == before


@pytest.mark.slow
def test_a_run_cannot_end_before_its_last_step(tmp_path: Path) -> None:
    """The summary was "3 of 2 steps done"."""
    train(SMALL, tmp_path, stop_after=3)
    with pytest.raises(UsageError, match="is at step 3 already, beyond the 2 steps asked for"):
        train(SMALL.with_overrides(steps=2), tmp_path, resume=True)


@pytest.mark.slow
def test_a_run_can_be_resumed_in_another_precision(tmp_path: Path) -> None:
    """fp16 after fp32 was refused as another network."""
    train(SMALL, tmp_path, stop_after=1)
    train(SMALL.with_overrides(precision="fp16"), tmp_path, resume=True, stop_after=1)
    assert read_checkpoint(tmp_path / "last.pt")["scaler"]["_growth_tracker"] == 1
    train(SMALL.with_overrides(precision="bf16"), tmp_path, resume=True, stop_after=1)
    assert len(column(tmp_path, "loss")) == 3


def test_nan_before_the_first_checkpoint_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice was to resume, with no checkpoint to resume from."""
    monkeypatch.setattr(trainer, "learning_rate", lambda *_: math.inf)
    with pytest.raises(TrainingError, match=r"step 2: start again, with a lower lr"):
        train(SMALL.with_overrides(checkpoint_every=100), tmp_path)


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_step_says_how_to_continue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With several processes, or after a second Ctrl-C, the only message was "Interrupted"."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ClipLoss, "forward", interrupted)
    with pytest.raises(Interrupted, match="start again"):
        train(SMALL, tmp_path)
    monkeypatch.undo()
    train(SMALL, tmp_path, stop_after=2)
    monkeypatch.setattr(ClipLoss, "forward", interrupted)
    with pytest.raises(Interrupted, match=r"resume the run from .*last\.pt"):
        train(SMALL, tmp_path, resume=True)
