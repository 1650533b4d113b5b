"""`bench --workers`: a film of many shots by one worker and by several. The processes are tested in tests/workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import colormnet_cli as cm
from colormnet_cli.bench import worker_times
from colormnet_cli.cli.benchtable import worker_text


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_both_films_are_colored_from_the_start(
    tmp_path: Path, small_model: cm.ColorMNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second film would be joined from the segments of the first, and seem to take no time."""
    colored, used = list[int](), list[tuple[str, ...]]()

    def here(plan: Any, model: Any, weights: Path, workers: Any, *, memory: Any, precision: str) -> None:
        receipt = cm.colorize(plan, model, memory=memory, device="cpu", precision=precision)
        assert weights.exists()
        colored.append(receipt.frames - receipt.reused)
        used.append(workers.devices)

    monkeypatch.setattr(worker_times, "colorize_with_workers", here)
    times = worker_times.time_workers(
        tmp_path, small_model, devices=["cpu"] * 3, size=(32, 48), frames=1, name="small.pt"
    )
    assert used == [("cpu",), ("cpu",) * 3]
    assert colored == [20, 20]
    assert times.identical
    assert times.ratio == times.together / times.alone
    assert "20 shots, 20 frames of 48×32, small.pt, 1 thread for each worker" in worker_text(times)
    assert "with 3: " in worker_text(times)
