"""Films that workers color, and the film that one process makes of each."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from colormnet_cli import ColorizeSettings, colorize, plan_video
from colormnet_cli.film.plan import FilmPlan
from colormnet_cli.networks.weight_file import save_network
from colormnet_cli.settings import ColorSource
from support.networks import make_small_model
from support.planned_film import make_planned_film


class Studio:
    """A film with a plan, a small network, and the film as one process colors it."""

    def __init__(self, folder: Path, lengths: Sequence[int], spans: dict[int, int], rate: int = 24) -> None:
        self.folder, self.film, self.weights = folder, folder / "old.mp4", folder / "small.pt"
        self.plan = make_planned_film(folder, lengths, spans, size=(32, 48), rate=rate)
        self.frames = sum(lengths) + sum(spans.values())
        for index in spans:  # such a shot borrows: color goes forward only, and the film is cut behind the dissolve
            (self.plan / "colored" / f"{index + 1:04}.png").unlink()
            self._borrow(index + 1, index + 2 if index + 1 < len(lengths) else index)
        self.model = make_small_model()
        save_network(self.model, self.weights)
        self.expected = self.alone()
        self.forget()

    def _borrow(self, number: int, lender: int) -> None:
        table = self.plan / "shots.csv"
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
        rows[number - 1]["borrowed_from"] = str(lender)
        with open(table, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def planned(self, output: str, *, fill: Any = None, **settings: Any) -> FilmPlan:
        chosen = ColorizeSettings(**{"size": 16, "preset": "ultrafast", "overwrite": True, "threads": 1, **settings})
        return plan_video(self.film, ColorSource(plan=self.plan, fill=fill), self.folder / output, settings=chosen)

    def alone(self, **settings: Any) -> bytes:
        """The film as one process colors it."""
        colorize(self.planned("alone.mp4", **settings), self.model, device="cpu")
        return self.result("alone.mp4")

    def forget(self) -> None:
        """Delete the finished shots."""
        shutil.rmtree(self.plan / "segments", ignore_errors=True)

    def result(self, output: str) -> bytes:
        return (self.folder / output).read_bytes()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Studio]:
    """`studio(lengths, spans)`: frames of each shot, and of the dissolves with which shots begin, by index."""
    torch.set_num_threads(1)

    def make(lengths: Sequence[int], spans: dict[int, int] | None = None, rate: int = 24) -> Studio:
        return Studio(tmp_path_factory.mktemp("studio"), lengths, spans or {}, rate)

    return make
