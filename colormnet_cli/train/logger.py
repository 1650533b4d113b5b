"""What a run tells afterwards: a CSV always, TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import Any

from torch import Tensor

from ..files import cannot_write, write_whole

__all__ = ["COLUMNS", "RunLogger", "read_losses"]

COLUMNS = ("step", "loss", "error", "lr", "grad_norm", "seconds", "psnr")
_log = logging.getLogger(__name__)


class RunLogger:
    """Appends rows to RUN/log.csv; going on from a checkpoint first drops the rows after it."""

    def __init__(self, folder: Path, step: int):
        self.path = folder / "log.csv"
        kept = [row for row in _rows(self.path) if int(row["step"]) <= step]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(kept)
        try:
            write_whole(self.path, text.getvalue().encode())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._board = _board(folder, step)

    def write(self, **values: Any) -> None:
        """One row; what is not given stays empty."""
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, COLUMNS).writerow({"psnr": "", **values})
        except OSError as error:
            raise cannot_write(self.path, error, ", and go on with --resume") from error
        if self._board is not None:
            for name in set(values) - {"step", "seconds"}:
                self._board.add_scalar(name, float(values[name]), int(values["step"]))

    def picture(self, step: int, rgb: Tensor) -> None:
        """A picture [3, H, W] in 0..1 for TensorBoard."""
        if self._board is not None:
            self._board.add_image("validation", rgb, step)

    def close(self) -> None:
        """Bring what TensorBoard's writer still holds to the disk, and end its thread."""
        if self._board is not None:
            self._board.close()
            self._board = None


def read_losses(folder: Path) -> list[float]:
    """The loss of every step of a run, as logged."""
    return [float(row["loss"]) for row in _rows(folder / "log.csv")]


def _rows(path: Path) -> list[dict[str, str]]:
    """The whole rows: one cut off by a kill has fewer entries, and a power cut leaves zeros."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace").replace("\0", "")
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in csv.reader(text.splitlines()) if len(row) == len(COLUMNS)]
    return [row for row in rows if row["step"].isdecimal()]  # the heading is none


def _board(folder: Path, step: int) -> Any:
    """TensorBoard's writer, which hides what an earlier process wrote behind the step."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _log.debug("TensorBoard is not installed; the run is logged to log.csv alone")
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
