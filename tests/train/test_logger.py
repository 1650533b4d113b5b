"""The log of a training run."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from colormnet_cli import files
from colormnet_cli.errors import OutputError
from colormnet_cli.train.clip_loss import ClipLoss
from colormnet_cli.train.logger import COLUMNS, RunLogger
from colormnet_cli.train.loop import train
from support.training import SMALL, losses

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other

ROW = {"loss": 0.5, "error": 0, "lr": 0, "grad_norm": 0, "seconds": 0}


def test_resuming_removes_later_rows_and_never_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed just as it was resumed, or met a full disk then, lost the log of days."""
    logger = RunLogger(tmp_path, 0)
    for step in (1, 2, 3):
        logger.write(**{**ROW, "step": step, "loss": step / 2})

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", fails)
        with pytest.raises(OutputError, match="full"):
            RunLogger(tmp_path, 2)
    assert losses(tmp_path) == [0.5, 1.0, 1.5]
    RunLogger(tmp_path, 2)
    assert losses(tmp_path) == [0.5, 1.0]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["log.csv"]


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (b"2,0.25,0,0", [0.5]),
        (b"\0\0\0\0", [0.5]),
        (b"2,\xff\xfe", [0.5]),
        (b"\xff,0.25,0,0,0,0,\r\n2,0.25,0,0,0,0,\r\n", [0.5, 0.25]),
    ],
)
def test_a_damaged_log_does_not_stop_a_run(tmp_path: Path, damage: bytes, kept: list[float]) -> None:
    """After a power failure a run could not be resumed, because of a row of its log that nothing depends on."""
    RunLogger(tmp_path, 0).write(step=1, **ROW)
    with (tmp_path / "log.csv").open("ab") as log:
        log.write(damage)
    logger = RunLogger(tmp_path, 2)
    assert losses(tmp_path) == kept
    logger.write(step=3, **ROW)
    assert losses(tmp_path) == [*kept, 0.5]


def test_another_file_of_that_name_is_replaced(tmp_path: Path) -> None:
    """A traceback because of a file that somebody left there."""
    (tmp_path / "log.csv").write_text("hello\n1,2\n")
    RunLogger(tmp_path, 2)
    assert (tmp_path / "log.csv").read_text().split() == [",".join(COLUMNS)]


def test_a_log_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """The operating system's message does not say what to do."""
    logger = RunLogger(tmp_path, 0)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(OutputError, match=r"log\.csv cannot be written .* and resume"):
        logger.write(step=1, **ROW)


def test_tensorboard_shows_what_was_logged(tmp_path: Path) -> None:
    """TensorBoard, where it is installed, would show nothing."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = RunLogger(tmp_path, 0)
    logger.write(step=1, **ROW, psnr=30.0)
    logger.image(1, torch.rand(3, 8, 4))
    logger.close()
    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.value for event in shown.Scalars("loss")] == [0.5]
    assert [event.step for event in shown.Images("validation")] == [1]


class _SummaryWriter:
    """Stands in for TensorBoard's, which is not installed in every environment."""

    opened: ClassVar[list[_SummaryWriter]] = []

    def __init__(self, folder: str, purge_step: int):
        self.purge_step, self.closed, self.scalars = purge_step, False, []  # type: bool, list[Any]
        self.opened.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert not self.closed
        self.scalars.append((name, step))

    def add_image(self, name: str, image: Tensor, step: int) -> None:
        assert not self.closed
        assert image.shape[0] == 3

    def close(self) -> None:
        self.closed = True


@pytest.mark.slow
def test_tensorboard_is_closed_however_a_run_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last two minutes stayed in a queue, and its thread with them; a resumed run showed steps twice."""
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = _SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(_SummaryWriter, "opened", [])
    train(SMALL, tmp_path, stop_after=3)
    monkeypatch.setattr(ClipLoss, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(SMALL, tmp_path, resume=True)
    first, second = _SummaryWriter.opened
    assert (first.purge_step, second.purge_step) == (1, 4)
    assert ("loss", 3) in first.scalars
    assert first.closed
    assert second.closed
