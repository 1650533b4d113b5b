"""A training run that meets what it should not: a full disk, a damaged picture, changed options, a dead process."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from colormnet_cli import files
from colormnet_cli.errors import CheckpointError, Interrupted, MediaError, OutputError, TrainingError, UsageError
from colormnet_cli.train import loop, trainer
from colormnet_cli.train.clip_loss import ClipLoss
from colormnet_cli.train.data import SyntheticClips, batches
from colormnet_cli.train.distributed import Distributed
from colormnet_cli.train.loop import train
from colormnet_cli.train.run_state import read_checkpoint, write_checkpoint
from support.training import SMALL, column

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other


def test_a_picture_that_cannot_be_read_costs_no_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One damaged frame threw away all steps since the last checkpoint, a thousand of them."""
    settings = SMALL.with_overrides(steps=4, checkpoint_every=100, accumulate=2, norm_share=1.0)
    train(settings, tmp_path / "whole")
    read = SyntheticClips.__getitem__

    def damaged(self: SyntheticClips, k: int) -> tuple[Tensor, Tensor]:
        if k == 5:  # the second part of step 3
            raise MediaError("The picture 5.png is damaged.")
        return read(self, k)

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticClips, "__getitem__", damaged)
        with pytest.raises(MediaError, match="damaged"):
            train(settings, tmp_path / "broken")
    assert read_checkpoint(tmp_path / "broken" / "last.pt")["step"] == 2
    train(settings, tmp_path / "broken", resume=True)
    assert column(tmp_path / "broken", "loss") == column(tmp_path / "whole", "loss")


def test_a_run_goes_on_with_its_own_weights(tmp_path: Path) -> None:
    """`--resume --init colormnet` changed nothing but what settings.json says of the run's origin."""
    train(SMALL, tmp_path, stop_after=1)
    before = (tmp_path / "settings.json").read_text()
    with pytest.raises(UsageError, match=r"began with --init random .* another --out"):
        train(SMALL.with_overrides(init="preview"), tmp_path, resume=True)
    assert (tmp_path / "settings.json").read_text() == before


def test_a_run_cannot_end_before_where_it_is(tmp_path: Path) -> None:
    """It said "3 of 2 steps done"."""
    train(SMALL, tmp_path, stop_after=3)
    with pytest.raises(UsageError, match="is at step 3 already, and --steps 2 ends before"):
        train(SMALL.with_overrides(steps=2), tmp_path, resume=True)


def test_a_run_can_go_on_in_another_precision(tmp_path: Path) -> None:
    """fp16 begun behind fp32 was refused as another network."""
    train(SMALL, tmp_path, stop_after=1)
    train(SMALL.with_overrides(precision="fp16"), tmp_path, resume=True, stop_after=1)
    assert read_checkpoint(tmp_path / "last.pt")["scaler"]["_growth_tracker"] == 1
    train(SMALL.with_overrides(precision="bf16"), tmp_path, resume=True, stop_after=1)
    assert len(column(tmp_path, "loss")) == 3


def test_nan_at_the_first_step_is_told_rightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence said "start again with --resume", where there is nothing to go on from."""
    monkeypatch.setattr(trainer, "learning_rate", lambda *_: math.inf)
    with pytest.raises(TrainingError, match=r"step 2; start again with a lower --lr"):
        train(SMALL.with_overrides(checkpoint_every=100), tmp_path)


def test_ctrl_c_in_the_middle_of_a_step_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several processes, or after a second Ctrl-C, one word was said: "Interrupted"."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ClipLoss, "forward", interrupted)
    with pytest.raises(Interrupted, match="start again"):
        train(SMALL, tmp_path)
    monkeypatch.undo()
    train(SMALL, tmp_path, stop_after=2)
    monkeypatch.setattr(ClipLoss, "forward", interrupted)
    with pytest.raises(Interrupted, match="--resume goes on at the last checkpoint"):
        train(SMALL, tmp_path, resume=True)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The system's words alone do not tell what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"settings\.json cannot be written \(Not a directory\): choose another"):
        train(SMALL, tmp_path / "file" / "run")


def test_settings_are_whole_or_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut or a full disk as a run goes on left half a settings.json, and no way back."""
    train(SMALL, tmp_path, stop_after=1)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fails)
    with pytest.raises(OutputError, match="is full: make room, and go on with --resume"):
        train(SMALL.with_overrides(lr=1e-4), tmp_path, resume=True)
    assert json.loads((tmp_path / "settings.json").read_text())["lr"] == SMALL.lr


@pytest.mark.parametrize("damage", [b"", b"garbage" * 100, None])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path, damage: bytes | None) -> None:
    """PyTorch says it in six lines, one of which advises to let the file run code."""
    write_checkpoint(tmp_path / "last.pt", {"optimizer": torch.zeros(1000)})
    whole = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(whole[:1000] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"last\.pt is damaged; .* --init .*best\.pt") as told:
        read_checkpoint(tmp_path / "last.pt")
    assert "\n" not in str(told.value)


class _Killed(Dataset[Any]):
    """Its reader is killed, as by the system where memory is short."""

    def __getitem__(self, k: int) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_said(tmp_path: Path) -> None:
    """In a container with a small /dev/shm a run ended with PyTorch's "exited unexpectedly"."""
    with pytest.raises(TrainingError, match="fewer --workers"):
        next(batches(_Killed(), SMALL.with_overrides(workers=1), step=0))


def test_a_batch_that_cannot_be_shared_is_told_at_once(tmp_path: Path) -> None:
    """Hours of film were unpacked before."""
    settings = SMALL.with_overrides(batch=3, synthetic=False, data=(str(tmp_path / "gone"),))
    with pytest.raises(UsageError, match="batch of 3 cannot be shared by 2"):
        loop._Run(settings, tmp_path / "run", torch.device("cpu"), Distributed(0, 2, 0), False)


class _Board:
    """Stands in for TensorBoard's SummaryWriter, which is not there in every environment."""

    opened: ClassVar[list[_Board]] = []

    def __init__(self, folder: str, purge_step: int):
        self.purge_step, self.closed, self.scalars = purge_step, False, []  # type: bool, list[Any]
        self.opened.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert not self.closed
        self.scalars.append((name, step))

    def add_image(self, name: str, picture: Tensor, step: int) -> None:
        assert not self.closed
        assert picture.shape[0] == 3

    def close(self) -> None:
        self.closed = True


def test_tensorboard_is_closed_however_a_run_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last two minutes stayed in a queue, and its thread with them; a run that goes on drew steps twice."""
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = _Board  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(_Board, "opened", [])
    train(SMALL, tmp_path, stop_after=3)
    monkeypatch.setattr(ClipLoss, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(SMALL, tmp_path, resume=True)
    first, second = _Board.opened
    assert (first.purge_step, second.purge_step) == (1, 4)
    assert ("loss", 3) in first.scalars
    assert first.closed
    assert second.closed
