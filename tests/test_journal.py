"""What a run tells afterwards."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from colormnet_cli.train.journal import Journal, read_losses


def test_going_on_drops_later_rows_and_never_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed just as it went on, or met a full disk then, lost the log of all its days."""
    journal = Journal(tmp_path, 0)
    for step in (1, 2, 3):
        journal.write(step=step, loss=step / 2, error=0, lr=0, grad_norm=0, seconds=0)

    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(csv.DictWriter, "writerows", fails)
        with pytest.raises(OSError, match="full"):
            Journal(tmp_path, 2)
    assert read_losses(tmp_path) == [0.5, 1.0, 1.5]
    Journal(tmp_path, 2)
    assert read_losses(tmp_path) == [0.5, 1.0]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["log.csv"]
