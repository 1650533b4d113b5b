"""A benchmark's figures for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..wording import many
from .progress import bytes_text

if TYPE_CHECKING:
    from rich.table import Table

    from ..bench import AreaScaling, BenchResult, FilmFigures, LengthScaling, MemoryFigures, NetworkFigures, Times

__all__ = ["show"]


def show(result: BenchResult) -> None:
    """Tables on stdout; as wide as they need to be where that is no terminal."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(_head(result), markup=False)
    console.print(_main(result))
    if result.stages:
        console.print(_stages(result))
    if result.area:
        console.print(_area(result.area))
    if result.length:
        console.print(_length(result.length))


def _head(result: BenchResult) -> str:
    weights = "random weights" if result.weights == "random" else result.weights
    fill = result.fill
    threads = "" if result.device.startswith("cpu") else f", {result.threads} threads"  # of a CPU it is said already
    return (
        f"{result.model} ({result.parameters / 1e6:.1f} million parameters, {weights}) in {result.precision} on "
        f"{result.device}; {result.processor}{threads}; PyTorch {result.versions.get('torch', '?')}.\n"
        f"Memory {fill.how}: {fill.long_term:,} long-term, {fill.exemplars:,} exemplar and {fill.recent:,} recent "
        f"elements."
    )


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _main(result: BenchResult) -> Table:
    """The network, and the film where there is one, side by side."""
    network, film = result.network, result.film
    parts: list[NetworkFigures | FilmFigures] = [network]
    headings = [f"network, {result.width}×{result.height}"]
    if film:
        parts.append(film)
        headings.append(f"film, {film.width}×{film.height}")
    table = _table(f"{many(network.frames, 'frame')}, {network.lookahead} at once", "", *headings)
    table.add_row("frames a second", *(f"{part.fps:.3g}" for part in parts))
    table.add_row("a frame: mean", *(time_text(part.times.mean) for part in parts))
    table.add_row("a frame: p50, p95", *(_quantiles(part.times) for part in parts))
    table.add_row(f"memory, {network.memory.kind}: peak", *(_bytes(part.memory.peak) for part in parts))
    table.add_row("memory: slope, a frame", *(_slope(part.memory.slope) for part in parts))
    if network.memory.reserved_peak is not None:
        table.add_row("memory, reserved: peak", *(_bytes(part.memory.reserved_peak) for part in parts))
        table.add_row("memory, reserved: slope", *(_slope(part.memory.reserved_slope) for part in parts))
    table.add_section()
    table.add_row("GFLOP a frame; one not remembered", f"{network.gflop:,.4g}; {network.gflop_plain:,.4g}")
    rates = result.rates
    table.add_row("attainable: 3×3 convolution", f"{rates.convolution / 1e9:,.0f} GFLOP/s")
    table.add_row("attainable: matrix product", f"{rates.product / 1e9:,.0f} GFLOP/s")
    table.add_row("time ÷ (GFLOP ÷ convolution)", f"{result.ratio:.2f}")
    table.add_row("time ÷ (GFLOP ÷ product)", f"{result.ratio_to_product:.2f}")
    return table


def _stages(result: BenchResult) -> Table:
    from ..bench.figures import STAGES

    table = _table("Stages, a frame", "stage", "time", "of the network's step")
    stages = result.stages or {}
    beside = ("decode", "colour", "encode")
    step = sum(seconds for stage, seconds in stages.items() if stage not in beside)
    for stage, seconds in stages.items():
        share = "" if stage in beside else f"{100 * seconds / step:.1f} %"
        table.add_row(f"{stage}: {STAGES[stage]}", time_text(seconds), share)
    return table


def _area(area: AreaScaling) -> Table:
    title = (
        f"Time against area (as padded), without the transformer's attention: {area.ratio:.2f} × linear, exponent "
        f"{area.exponent:.2f}; with it {area.ratio_with_attention:.2f} ×"
    )
    table = _table(title, "size", "pixels computed", "a frame", "attention", "the rest, a megapixel")
    for point in area.points:
        table.add_row(
            f"{point.width}×{point.height}", f"{point.area:,}", time_text(point.seconds), time_text(point.attention),
            time_text(point.rest / point.area * 1e6),
        )  # fmt: skip
    return table


def _length(length: LengthScaling) -> Table:
    title = f"Along {length.frames:,} frames of {length.width}×{length.height}, a network of {length.parameters:,}"
    table = _table(title, "", "")
    table.add_row("a frame at frame 50", time_text(length.early))
    table.add_row(f"a frame at frame {length.frames:,}", time_text(length.late))
    table.add_row("ratio; by chance up to", f"{length.ratio:.2f}; {length.noise:.2f}")
    _memory_rows(table, length.memory)
    return table


def _memory_rows(table: Table, memory: MemoryFigures) -> None:
    table.add_row(f"memory, {memory.kind}: peak", _bytes(memory.peak))
    table.add_row("memory: slope, a frame", _slope(memory.slope))


def _quantiles(times: Times) -> str:
    return f"{time_text(times.p50)}, {time_text(times.p95)}"


def time_text(seconds: float) -> str:
    """2.41 s, 41.3 ms, 87 µs."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 * size else f"{seconds / size:,.0f} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def _bytes(count: int | None) -> str:
    return "unknown here" if count is None else bytes_text(count)


def _slope(slope: float | None) -> str:
    if slope is None:
        return "unknown here"
    return f"{'−' if slope <= -0.5 else ''}{bytes_text(abs(slope))}"
