"""What a run tells afterwards."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from colormnet_cli.errors import OutputError
from colormnet_cli.train.logger import COLUMNS, RunLogger, read_losses


def test_going_on_drops_later_rows_and_never_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed just as it went on, or met a full disk then, lost the log of all its days."""
    logger = RunLogger(tmp_path, 0)
    for step in (1, 2, 3):
        logger.write(step=step, loss=step / 2, error=0, lr=0, grad_norm=0, seconds=0)

    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(csv.DictWriter, "writerows", fails)
        with pytest.raises(OSError, match="full"):
            RunLogger(tmp_path, 2)
    assert read_losses(tmp_path) == [0.5, 1.0, 1.5]
    RunLogger(tmp_path, 2)
    assert read_losses(tmp_path) == [0.5, 1.0]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["log.csv"]


ROW = {"loss": 0.5, "error": 0, "lr": 0, "grad_norm": 0, "seconds": 0}


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
    """After a power cut a run could not go on, for a row of its log that nothing depends on."""
    RunLogger(tmp_path, 0).write(step=1, **ROW)
    with (tmp_path / "log.csv").open("ab") as log:
        log.write(damage)
    logger = RunLogger(tmp_path, 2)
    assert read_losses(tmp_path) == kept
    logger.write(step=3, **ROW)
    assert read_losses(tmp_path) == [*kept, 0.5]


def test_something_else_called_log_is_begun_anew(tmp_path: Path) -> None:
    """A traceback for a file that somebody left there."""
    (tmp_path / "log.csv").write_text("hello\n1,2\n")
    RunLogger(tmp_path, 2)
    assert (tmp_path / "log.csv").read_text().split() == [",".join(COLUMNS)]


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The system's words stood alone, without what to do."""
    logger = RunLogger(tmp_path, 0)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(OutputError, match=r"log\.csv cannot be written .* go on with --resume"):
        logger.write(step=1, **ROW)


def test_tensorboard_shows_what_was_logged(tmp_path: Path) -> None:
    """Where it is installed, nothing would be seen in it."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = RunLogger(tmp_path, 0)
    logger.write(step=1, **ROW, psnr=30.0)
    logger.picture(1, torch.rand(3, 8, 4))
    logger.close()
    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.value for event in shown.Scalars("loss")] == [0.5]
    assert [event.step for event in shown.Images("validation")] == [1]
