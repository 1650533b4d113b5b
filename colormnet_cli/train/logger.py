"""The log of a training run: a CSV file, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import Any

from torch import Tensor

from ..files import cannot_write
from .run_state import write_file

__all__ = ["COLUMNS", "RunLogger"]

_log = logging.getLogger(__name__)
COLUMNS = {  # and how each is written
    "step": "{}",
    "loss": "{!r}",
    "error": "{:.4f}",
    "lr": "{:.4g}",
    "grad_norm": "{:.4g}",
    "seconds": "{:.1f}",
    "psnr": "{:.3f}",  # empty where there was no validation
}


class RunLogger:
    """Appends rows to RUN/log.csv. On resume, rows after the checkpoint's step are removed first.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, folder: Path, step: int):
        self.path = folder / "log.csv"
        text = io.StringIO(newline="")
        csv.writer(text).writerows([COLUMNS, *(row for row in _complete_rows(self.path) if int(row[0]) <= step)])
        write_file(self.path, text.getvalue().encode())
        self._tensorboard = _tensorboard(folder, step)

    def write(self, **values: Any) -> None:
        """Append one row; a column that is not given, or None, stays empty."""
        values = {name: value for name, value in values.items() if value is not None}
        row = [form.format(values[name]) if name in values else "" for name, form in COLUMNS.items()]
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(row)
        except OSError as error:
            raise cannot_write(self.path, error, ", and resume") from error
        if self._tensorboard is not None:
            for name in values.keys() - {"step", "seconds"}:
                self._tensorboard.add_scalar(name, values[name], values["step"])

    def image(self, step: int, rgb: Tensor) -> None:
        """Show an image [3, H, W] in 0..1 in TensorBoard."""
        if self._tensorboard is not None:
            self._tensorboard.add_image("validation", rgb, step)

    def close(self) -> None:
        """Flush TensorBoard's queue to the disk and end its thread."""
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = None


def _complete_rows(path: Path) -> list[list[str]]:
    """Rows that are complete: one cut off by a kill has fewer entries, and a power failure leaves zeros."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace").replace("\0", "")
    return [row for row in csv.reader(text.splitlines()) if len(row) == len(COLUMNS) and row[0].isdecimal()]


def _tensorboard(folder: Path, step: int) -> Any:
    """TensorBoard's writer, which hides what an earlier process wrote after the step; None if it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _log.debug("TensorBoard is not installed; the run is logged to log.csv only")
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
