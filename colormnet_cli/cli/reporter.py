"""Progress, in four forms: a bar, plain lines, JSON lines, or nothing; `auto` chooses one of the first two."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..wording import many
from .options import ProgressForm
from .session import Session, printable

if TYPE_CHECKING:
    import rich.progress
    from rich.console import Console

    from ..settings import Progress
    from ..train.loop import TrainingProgress
    from ..weights import FetchProgress

__all__ = ["Reporter", "bytes_text", "clock"]

_EVERY_S = {"plain": 5.0, "json": 0.5}
_SHORTEST_BAR = 12  # columns, with the spaces around it
_PHASES = {
    "seek": "seeking",
    "color": "",
    "backward": "propagating backward",
    "join": "writing",
    "shots": "finding shots",
    "stills": "writing stills",
    "automatic": "coloring stills",
    "verify": "comparing",
    "apply": "putting color on",
}


@dataclass(frozen=True)
class _State:
    """What is shown, in whatever form."""

    name: str
    phase: str
    unit: str  # frames, images or bytes
    done: int
    total: int | None
    rate: float
    elapsed: float
    remaining: float | None
    memory: int | None = None
    note: str = ""

    @property
    def title(self) -> str:
        label = _PHASES.get(self.phase, self.phase)
        return printable(f"{self.name}, {label}" if label else self.name)

    def facts(self, long: bool) -> list[str]:
        """Count, percentage, rate, times and memory; `long`: with the unit of each."""
        if self.unit == "bytes":
            count = bytes_text(self.done) + (f" of {bytes_text(self.total)}" if self.total else "")
            rate = f"{bytes_text(self.rate)}/s"
        else:
            unit = self.unit.removesuffix("s") if (self.total or self.done) == 1 else self.unit
            count = f"{self.done:,}" + (f"/{self.total:,}" if self.total else "") + (f" {unit}" if long else "")
            per = "steps/s" if self.unit == "steps" else "fps"
            rate = f"{self.rate:.3g} {per}" if self.rate < 100 else f"{self.rate:,.0f} {per}"
        facts = [count]
        if self.total:
            facts.append(f"{min(100, 100 * self.done // self.total)}%")
        if self.rate:
            facts.append(rate)
        facts.append(clock(self.elapsed) + (" elapsed" if long else ""))
        if self.remaining is not None:
            facts.append(f"{clock(self.remaining)} left")
        if self.memory:
            facts.append(bytes_text(self.memory))
        return [*facts, self.note] if self.note else facts


class Reporter:
    """Shows the progress of downloads, films and training; a context manager."""

    def __init__(self, session: Session, form: ProgressForm) -> None:
        if form == "auto":
            terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
            form = "bar" if terminal else "plain"
            form = "none" if session.verbosity < 0 else form
        self.session = session
        self.form = form
        self._bar: Any = None
        self._shown = (0.0, "")  # time of the last line, and its name and phase
        self._began = (0.0, "")  # start of a download, and its source

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar from the screen, for the message that follows."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def message(self, text: str) -> None:
        """Show a message; the bar comes back with the next report."""
        self.close()
        self.session.say(text)

    def step(self, text: str) -> None:
        """Show what is being done while it cannot be counted."""
        self.session.check_interrupt()
        if self.form == "bar":
            self._draw(printable(text), 0, None, "")
        elif self.form == "plain" and self.session.verbosity > 0:
            self.session.say(text)
        elif self.form == "json":
            self.session.emit({"event": "step", "text": text})

    def film(self, name: str, progress: Progress, unit: str = "frames") -> None:
        """Progress of a film or a folder."""
        self.session.check_interrupt()
        self._show(
            _State(
                name, progress.phase, unit, progress.frame, progress.total, progress.fps, progress.elapsed,
                progress.remaining, progress.device_memory,
                note=many(progress.workers, "worker") if progress.workers else "",
            )
        )  # fmt: skip

    def fetch(self, progress: FetchProgress) -> None:
        """Progress of a download; its times are measured here."""
        now = time.monotonic()
        if self._began[1] != progress.source:
            self._began = now, progress.source
        elapsed = now - self._began[0]
        rate = progress.done / elapsed if elapsed > 0.1 else 0.0
        left = (progress.total - progress.done) / rate if rate and progress.total else None
        name = f"weights {progress.name}"
        self._show(_State(name, "", "bytes", progress.done, progress.total, rate, elapsed, left))

    def training(self, name: str, at: TrainingProgress) -> None:
        """Progress of a training run."""
        rate = at.done / at.seconds if at.seconds else 0.0
        note = f"error {at.error:.2f}" + (f", validation {at.psnr:.2f} dB" if at.psnr is not None else "")
        left = (at.steps - at.step) / rate if rate else None
        self._show(_State(name, "", "steps", at.step, at.steps, rate, at.seconds, left, note=note))

    def _show(self, state: _State) -> None:
        if self.form == "bar":
            self._draw(state.title, state.done, state.total, "  ".join(state.facts(long=False)))
        elif self.form != "none" and self._due(state):
            if self.form == "json":
                values = {**state.__dict__, "rate": round(state.rate, 3), "elapsed": round(state.elapsed, 2)}
                self.session.emit({"event": "progress", **values})
            else:
                self.session.console.print(f"{state.title}: {', '.join(state.facts(long=True))}", markup=False)

    def _due(self, state: _State) -> bool:
        """Whether a line is due: every few seconds, when something begins, and at its end."""
        now, what = time.monotonic(), f"{state.name} {state.phase}"
        last, of = self._shown
        due = what != of or now - last >= _EVERY_S[self.form] or state.done == state.total
        if due:
            self._shown = now, what
        return due

    def _draw(self, title: str, done: int, total: int | None, facts: str) -> None:
        if self._bar is None:
            self._bar = _new_bar(self.session.console)
        room = self.session.console.width - len(facts) - _SHORTEST_BAR
        title = title if len(title) <= room else title[: max(8, room) - 1] + "…"
        self._bar.update(self._bar.task_ids[0], description=title, completed=done, total=total or None, facts=facts)


def _new_bar(console: Console) -> rich.progress.Progress:
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    bar = Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[facts]}", markup=False, table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        expand=True,
    )
    bar.add_task("", total=None, facts="")
    bar.start()
    return bar


def clock(seconds: float) -> str:
    """0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def bytes_text(count: float | None) -> str:
    """In decimal units, as for disks and networks: 495 MB; ``an unknown size`` for None."""
    if count is None:
        return "an unknown size"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 1000 * size else f"{count / size:,.0f} {unit}"
    return f"{count:.0f} B"
