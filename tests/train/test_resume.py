"""A training run that is broken off, by hand, by a kill, or between two commands: it goes on exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from colormnet_cli.errors import Interrupted, OutputError
from colormnet_cli.train import loop
from colormnet_cli.train.clip_loss import ClipLoss
from colormnet_cli.train.interrupt import interrupt_held
from colormnet_cli.train.logger import COLUMNS, read_losses
from colormnet_cli.train.loop import train
from colormnet_cli.train.run_state import write_checkpoint
from colormnet_cli.train.validation import Validation
from colormnet_cli.weights import load_model
from support.training import SMALL, column, command

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other


def assert_same_end(one, other):
    """Log, weights and the optimiser's state of two runs are the same to the last bit."""
    for name in set(COLUMNS) - {"seconds"}:
        assert column(one, name) == column(other, name)
    ends = [torch.load(run / "last.pt", weights_only=True) for run in (one, other)]
    assert [end["step"] for end in ends] == [len(column(one, "step"))] * 2
    assert ends[0]["best"] == ends[1]["best"]
    torch.testing.assert_close(ends[0]["model"], ends[1]["model"], rtol=0, atol=0)
    torch.testing.assert_close(ends[0]["mean"], ends[1]["mean"], rtol=0, atol=0)
    torch.testing.assert_close(ends[0]["optimizer"]["state"], ends[1]["optimizer"]["state"], rtol=0, atol=0)


# Everything that a step can depend on besides the weights: Adam's moments, BatchNorm's statistics, the learning rate's
# place in its schedule, the kind of loss, which clips and crops come next.
CHANGING = SMALL.with_overrides(
    schedule="cosine", warmup=2, norm_share=0.9, matching_share=0.3, hidden_renewal=0.5, clip_norm=1.0,
    crops=((0.0, 32), (0.6, 48)), validate_every=2, checkpoint_every=100, ema_decay=0.5,
)  # fmt: skip


def test_a_broken_run_goes_on_exactly(tmp_path):
    """A run that was stopped would end elsewhere than one that was not."""
    train(CHANGING, tmp_path / "whole")
    train(CHANGING, tmp_path / "broken", stop_after=3)
    train(CHANGING, tmp_path / "broken", resume=True)
    assert len(read_losses(tmp_path / "whole")) == 6
    assert_same_end(tmp_path / "broken", tmp_path / "whole")


def test_a_run_can_begin_to_average_when_it_goes_on(tmp_path):
    """`--resume --set ema_decay=0.999` would fail, or mix in the random weights that it was made with."""
    train(SMALL, tmp_path, stop_after=5)
    train(SMALL.with_overrides(ema_decay=0.9), tmp_path, resume=True)
    end = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.testing.assert_close(load_model(tmp_path / "final.pt").state_dict(), end["model"])


@pytest.fixture
def terminal():
    """Ctrl-C as at a terminal: jobs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_ends_the_step_and_the_run_goes_on_exactly(tmp_path, monkeypatch):
    """All steps since the last checkpoint would be lost, or half a step would be kept."""
    train(CHANGING, tmp_path / "whole")
    with monkeypatch.context() as patch:
        forward = ClipLoss.forward

        def interrupted(self, *given):
            if len(column(tmp_path / "broken", "step")) == 2:
                signal.raise_signal(signal.SIGINT)
            return forward(self, *given)

        patch.setattr(ClipLoss, "forward", interrupted)
        with pytest.raises(Interrupted, match=r"after step 3 of 6: .* --resume"):
            train(CHANGING, tmp_path / "broken")
    train(CHANGING, tmp_path / "broken", resume=True)
    assert_same_end(tmp_path / "broken", tmp_path / "whole")


@pytest.mark.usefixtures("terminal")
def test_the_second_ctrl_c_is_let_through():
    """Nobody could stop a step that takes minutes."""
    before = signal.getsignal(signal.SIGINT)
    with interrupt_held() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_going_on_keeps_the_best(tmp_path, monkeypatch):
    """What a run had of best before the break would be replaced by something worse."""
    found = [30.0, 20.0, 10.0]
    monkeypatch.setattr(loop, "validate", lambda *_: Validation(found.pop(0), 1.0, torch.zeros(3, 2, 2)))
    train(CHANGING, tmp_path, stop_after=2)
    best = (tmp_path / "best.pt").read_bytes()
    assert train(CHANGING, tmp_path, resume=True).best_psnr == 30
    assert found == []
    assert (tmp_path / "best.pt").read_bytes() == best


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    """Rows behind the checkpoint, or half a row, would stand twice or stop the run."""
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
        log.write(f"{done + 1},0.1,1,1,1,1,\n{done + 2},0.")  # as a kill in the middle of a row leaves it
    train(endless, tmp_path / "killed", stop_after=2, resume=True)
    train(endless, tmp_path / "whole", stop_after=done + 2)
    assert_same_end(tmp_path / "killed", tmp_path / "whole")


def test_a_full_disk_is_said(tmp_path):
    """PyTorch's own words for it are "unexpected pos 81216 vs 81168"."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_checkpoint(tmp_path / "last.pt", {"step": 1})
    whole = (tmp_path / "last.pt").read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"last\.pt cannot be written"):
            write_checkpoint(tmp_path / "last.pt", {"step": 2, "model": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [whole]
