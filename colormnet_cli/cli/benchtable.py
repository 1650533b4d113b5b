"""A benchmark's figures as tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..wording import many
from .reporter import bytes_text

if TYPE_CHECKING:
    from rich.table import Table

    from ..bench import BenchResult, FilmFigures, MemoryFill, NetworkFigures
    from ..bench.worker_times import WorkerFigures

__all__ = ["show", "worker_text"]


def show(result: BenchResult) -> None:
    """Print tables to stdout; as wide as they need to be where that is not a terminal."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(_heading(result), markup=False)
    console.print(_speed(result))
    if result.stages:
        console.print(_stages(result.stages))


def worker_text(times: WorkerFigures) -> str:
    """How long a film takes with one worker and with several, in a sentence."""
    same = "the films are identical" if times.identical else "the films differ"
    return (
        f"{times.shots} shots, {many(times.frames, 'frame')} of {times.width}×{times.height}, {times.model}, "
        f"{many(times.threads, 'thread')} for each worker: {times.alone:.1f} s with 1 worker ({times.devices[0]}), "
        f"{times.together:.1f} s with {len(times.devices)}: {times.ratio:.2f} times as long; {same}."
    )


def _heading(result: BenchResult) -> str:
    weights = "random weights" if result.weights == "random" else result.weights
    threads = "" if result.device.startswith("cpu") else f", {many(result.threads, 'thread')}"  # a CPU's name has them
    return (
        f"{result.model} ({result.parameters / 1e6:.1f} million parameters, {weights}) in {result.precision} on "
        f"{result.device}; {result.processor}{threads}; PyTorch {result.versions.get('torch', '?')}."
        f"{_fill(result.fill)}"
    )


def _fill(fill: MemoryFill | None) -> str:
    if fill is None:
        return ""
    return (
        f"\nMemory full of random elements: {fill.long_term:,} long-term, {fill.exemplars:,} exemplar and "
        f"{fill.recent:,} recent."
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _speed(result: BenchResult) -> Table:
    """The network, and the film where there is one, side by side."""
    network, film = result.network, result.film
    parts: list[NetworkFigures | FilmFigures] = [network, film] if film else [network]
    columns = ["", f"network, {result.width}×{result.height}", f"film, {film.width}×{film.height}" if film else ""]
    rows = [
        ("frames a second", *(f"{part.fps:.3g}" for part in parts)),
        ("a frame: mean", *(time_text(part.times.mean) for part in parts)),
        ("a frame: p50, p95", *(f"{time_text(part.times.p50)}, {time_text(part.times.p95)}" for part in parts)),
        (f"memory, {network.memory.kind}: peak", *(_bytes(part.memory.peak) for part in parts)),
        ("memory: slope, a frame", *(_bytes(part.memory.slope) for part in parts)),
    ]
    if network.memory.reserved_peak is not None:
        rows.append(("memory, reserved: peak", *(_bytes(part.memory.reserved_peak) for part in parts)))
        rows.append(("memory, reserved: slope", *(_bytes(part.memory.reserved_slope) for part in parts)))
    rows += [
        ("GFLOP a frame; one not remembered", f"{network.gflop:,.4g}; {network.gflop_plain:,.4g}"),
        ("attainable: 3×3 convolution", f"{result.rates.convolution / 1e9:,.0f} GFLOP/s"),
        ("attainable: matrix product", f"{result.rates.product / 1e9:,.0f} GFLOP/s"),
        ("time ÷ (GFLOP ÷ convolution)", f"{result.ratio:.2f}"),
        ("time ÷ (GFLOP ÷ product)", f"{result.ratio_to_product:.2f}"),
    ]
    title = f"{many(network.frames, 'frame')}, {network.lookahead} at once"
    return _table(title, columns[: 1 + len(parts)], rows)


def _stages(stages: Mapping[str, float]) -> Table:
    from ..bench.figures import STAGES

    network = {stage for stage in stages if stage not in ("decode", "color", "encode")}
    step = sum(stages[stage] for stage in network)
    rows = [
        (f"{stage}: {STAGES[stage]}", time_text(took), f"{100 * took / step:.1f} %" if stage in network else "")
        for stage, took in stages.items()
    ]
    return _table("Stages, a frame", ("stage", "time", "of the network's step"), rows)


def time_text(seconds: float) -> str:
    """2.41 s, 41.3 ms, 87 µs."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def _bytes(count: float | None) -> str:
    if count is None:
        return "unknown here"
    return f"{'−' if count <= -0.5 else ''}{bytes_text(abs(count))}"
