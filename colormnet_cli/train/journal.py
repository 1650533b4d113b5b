"""What a run tells afterwards: a CSV always, TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import Any

from torch import Tensor

from ..files import write_whole

__all__ = ["COLUMNS", "Journal", "read_losses"]

COLUMNS = ("step", "loss", "error", "lr", "grad_norm", "seconds", "psnr")
_log = logging.getLogger(__name__)


class Journal:
    """Appends rows to RUN/log.csv; going on from a checkpoint first drops the rows after it."""

    def __init__(self, folder: Path, step: int):
        self.path = folder / "log.csv"
        kept = [row for row in _rows(self.path) if int(row["step"]) <= step]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(kept)
        write_whole(self.path, text.getvalue().encode())
        self._board = _board(folder)

    def write(self, **values: Any) -> None:
        """One row; what is not given stays empty."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow({"psnr": "", **values})
        if self._board is not None:
            for name in set(values) - {"step", "seconds"}:
                self._board.add_scalar(name, float(values[name]), int(values["step"]))

    def picture(self, step: int, rgb: Tensor) -> None:
        """A picture [3, H, W] in 0..1 for TensorBoard."""
        if self._board is not None:
            self._board.add_image("validation", rgb, step)


def read_losses(folder: Path) -> list[float]:
    """The loss of every step of a run, as logged."""
    return [float(row["loss"]) for row in _rows(folder / "log.csv")]


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["psnr"] is not None]  # a row cut off by a kill has fewer


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _log.debug("TensorBoard is not installed; the run is logged to log.csv alone")
        return None
    return SummaryWriter(str(folder / "tensorboard"))
