"""A training run that is stopped, by Ctrl-C, by a kill, or between two commands, resumes exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from colormnet_cli.errors import Interrupted
from colormnet_cli.train import loop
from colormnet_cli.train.clip_loss import ClipLoss
from colormnet_cli.train.logger import COLUMNS
from colormnet_cli.train.loop import hold_interrupt, train
from colormnet_cli.train.validation import Validation
from colormnet_cli.weights import load_model
from support.networks import small_config
from support.training import SMALL, column, command, losses

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other


def assert_same_end(one, other):
    """Log, weights and optimizer state of two runs are bit-identical."""
    for name in set(COLUMNS) - {"seconds"}:
        assert column(one, name) == column(other, name)
    ends = [torch.load(run / "last.pt", weights_only=True) for run in (one, other)]
    assert [end["step"] for end in ends] == [len(column(one, "step"))] * 2
    assert ends[0]["best"] == ends[1]["best"]
    torch.testing.assert_close(ends[0]["model"], ends[1]["model"], rtol=0, atol=0)
    torch.testing.assert_close(ends[0]["ema"], ends[1]["ema"], rtol=0, atol=0)
    torch.testing.assert_close(ends[0]["optimizer"]["state"], ends[1]["optimizer"]["state"], rtol=0, atol=0)


# Everything that a step can depend on besides the weights: Adam's moments, BatchNorm's statistics, the learning rate
# schedule, which loss is used, and which clips and crops come next. At step 3, where runs are stopped, stages change.
CHANGING = SMALL.with_overrides(
    network=small_config(preview=True, detail_dim=8), schedule="cosine", warmup=2, norm_share=0.9, matching_share=0.3,
    hidden_renewal=0.5, clip_norm=1.0, validate_every=2, checkpoint_every=100, raw_loss=0.3,
    crops=((0.0, 32), (0.6, 48)), frames=((0.0, 3), (0.5, 5)), batch=((0.0, 2), (0.5, 1)),
    jumps=((0.0, 1), (0.5, 3)), fade_loss=((0.0, 0.5), (0.5, 0.1)), chroma_loss=((0.0, 0.02), (0.5, 0.0)),
    ema_decay=((0.0, 0.0), (0.34, 0.5)), exemplar_weight=((0.0, 6.0), (0.8, 40.0)),
)  # fmt: skip


@pytest.mark.slow
def test_a_stopped_run_resumes_exactly(tmp_path):
    """A run that was stopped would give other weights than one that was not."""
    train(CHANGING, tmp_path / "whole")
    train(CHANGING, tmp_path / "stopped", stop_after=3)
    train(CHANGING, tmp_path / "stopped", resume=True)
    assert len(losses(tmp_path / "whole")) == 6
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.slow
def test_averaging_can_start_on_resume(tmp_path):
    """`--resume --set ema_decay=0.999` would fail, or average in random initial weights."""
    train(SMALL, tmp_path, stop_after=5)
    train(SMALL.with_overrides(ema_decay=0.9), tmp_path, resume=True)
    end = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.testing.assert_close(load_model(tmp_path / "final.pt").state_dict(), end["model"])


@pytest.fixture
def terminal():
    """Ctrl-C as at a terminal: background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("terminal")
def test_ctrl_c_completes_the_step_and_the_run_resumes_exactly(tmp_path, monkeypatch):
    """All steps since the last checkpoint would be lost, or half a step be saved."""
    train(CHANGING, tmp_path / "whole")
    with monkeypatch.context() as patch:
        forward = ClipLoss.forward

        def interrupted(self, *inputs):
            if len(column(tmp_path / "stopped", "step")) == 2:
                signal.raise_signal(signal.SIGINT)
            return forward(self, *inputs)

        patch.setattr(ClipLoss, "forward", interrupted)
        with pytest.raises(Interrupted, match=r"after step 3 of 6: resume the run"):
            train(CHANGING, tmp_path / "stopped")
    train(CHANGING, tmp_path / "stopped", resume=True)
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


def test_sigterm_completes_the_step_too():
    """`kill` and a shutdown lost all steps since the last checkpoint."""
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    try:
        with hold_interrupt() as interrupted:
            signal.raise_signal(signal.SIGTERM)
            assert interrupted() == signal.SIGTERM
            assert not got
        assert Interrupted("", interrupted()).exit_code == 143
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("terminal")
def test_the_second_ctrl_c_stops_at_once():
    """Nobody could stop a step that takes minutes."""
    before = signal.getsignal(signal.SIGINT)
    with hold_interrupt() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.slow
def test_resuming_keeps_the_best_weights(tmp_path, monkeypatch):
    """The best weights before the stop would be replaced by worse ones."""
    found = [30.0, 20.0, 10.0]
    monkeypatch.setattr(loop, "validate", lambda *_: Validation(found.pop(0), 1.0, torch.zeros(3, 2, 2)))
    train(CHANGING, tmp_path, stop_after=2)
    best = (tmp_path / "best.pt").read_bytes()
    assert train(CHANGING, tmp_path, resume=True).best_psnr == 30
    assert found == []
    assert (tmp_path / "best.pt").read_bytes() == best


@pytest.mark.slow
def test_a_killed_run_resumes_from_its_last_checkpoint(tmp_path):
    """Log rows after the checkpoint would be there twice, or half a row would stop the run."""
    endless = SMALL.with_overrides(steps=100_000, checkpoint_every=3, validate_every=100_000)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, *command(endless, tmp_path / "killed")], env=environment) as run:
        while run.poll() is None and not (tmp_path / "killed" / "last.pt").exists():
            time.sleep(0.02)
        while run.poll() is None and len(column(tmp_path / "killed", "step")) % 3 != 2:
            time.sleep(0.001)
        run.kill()
    assert run.returncode == -signal.SIGKILL
    done = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)["step"]
    with (tmp_path / "killed" / "log.csv").open("a") as log:
        log.write(f"{done + 1},0.1,1,1,1,1,\n{done + 2},0.")  # as a kill while a row is written leaves it
    train(endless, tmp_path / "killed", stop_after=2, resume=True)
    train(endless, tmp_path / "whole", stop_after=done + 2)
    assert_same_end(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.slow
def test_the_best_result_on_earlier_validation_clips_is_not_kept(tmp_path):
    """A run of before there were people in synthetic clips would never again have a best.pt that is new."""
    train(SMALL.with_overrides(steps=2, validate_every=1), tmp_path, stop_after=1)
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    content["best"] = 99.0
    torch.save(content, tmp_path / "last.pt")
    settings = SMALL.with_overrides(steps=2, validate_every=1)
    (tmp_path / "best.pt").unlink()
    assert train(settings, tmp_path, resume=True, stop_after=0).best_psnr == 99
    del content["settings"]["people"]
    torch.save(content, tmp_path / "last.pt")
    assert train(settings, tmp_path, resume=True).best_psnr < 99
    assert (tmp_path / "best.pt").exists()
