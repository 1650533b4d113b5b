"""Runs steps, each in a process of its own with a time limit, and writes down what came of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["PART_SECONDS", "ROOT", "Outcome", "Report", "Step", "run_steps"]

ROOT = Path(__file__).resolve().parents[2]
PART_SECONDS = 480.0  # of all steps of a part together
_TAIL = 25  # lines of a failed step's output that are reported
_JUDGED = ("failed", "skipped")  # figures by which a step judges itself
_MARKS = {"passed": "ok", "failed": "FAILED", "timed out": "TIMED OUT", "skipped": "skipped"}


@dataclass(frozen=True)
class Step:
    """One process, which writes its figures as JSON to stdout and everything else to stderr.

    Args:
        arguments: of Python.
        seconds: its time limit.
        show: figures for the page of text, as dotted names; without any, all that are numbers or text.
        skip: why it is not run.
    """

    part: str
    name: str
    arguments: tuple[str, ...]
    seconds: float = 120.0
    environment: Mapping[str, str] = field(default_factory=dict)
    show: tuple[str, ...] = ()
    skip: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a step."""

    part: str
    name: str
    status: str  # passed, failed, timed out, skipped
    seconds: float = 0.0
    reason: str = ""  # why it was skipped, or did not pass
    figures: Any = None
    output: tuple[str, ...] = ()  # the last lines of a step that did not pass


def run_steps(steps: Sequence[Step], folder: Path, part_seconds: float = PART_SECONDS) -> Iterator[Outcome]:
    """Run one after the other, whatever becomes of them; the logs are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    spent: dict[str, float] = {}
    for step in steps:
        left = part_seconds - spent.get(step.part, 0.0)
        if step.skip:
            outcome = Outcome(step.part, step.name, "skipped", reason=step.skip)
        elif left <= 0:
            reason = f"not started: the part's {part_seconds:.0f} seconds were over"
            outcome = Outcome(step.part, step.name, "timed out", reason=reason)
        else:
            outcome = _run(step, folder, min(step.seconds, left))
        spent[step.part] = spent.get(step.part, 0.0) + outcome.seconds
        yield outcome


def _run(step: Step, folder: Path, limit: float) -> Outcome:
    out, log = (folder / f"{step.part}-{step.name}.{suffix}" for suffix in ("json", "txt"))
    paths = [ROOT, ROOT / "tests", ROOT / "tools", *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), **step.environment}
    began = time.monotonic()
    with out.open("wb") as stdout, log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, *step.arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=stderr, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(limit)
            reason = "" if process.returncode == 0 else _exit_reason(process.returncode)
        except subprocess.TimeoutExpired:
            reason = f"not done within {limit:.0f} seconds"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with what it started
                process.wait()
    seconds, figures = time.monotonic() - began, None
    text = out.read_text(errors="replace")
    status = "passed" if not reason else "timed out" if reason.startswith("not done") else "failed"
    try:
        figures = json.loads(text)
    except ValueError:
        if status == "passed":
            status, reason = "failed", "it wrote no figures"
    if status == "passed" and isinstance(figures, dict) and "skipped" in figures:
        status, reason = "skipped", figures["skipped"]
    elif isinstance(figures, dict) and figures.get("failed"):  # its own judgment, with the figures
        status, reason = "failed", figures["failed"]
    tail = () if status in ("passed", "skipped") else tuple(log.read_text(errors="replace").splitlines()[-_TAIL:])
    return Outcome(step.part, step.name, status, round(seconds, 1), reason, figures, tail)


def _exit_reason(code: int) -> str:
    return f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Report:
    """Writes figures.json and report.txt into a folder, anew after each step."""

    def __init__(self, folder: Path, about: Mapping[str, Any], steps: Sequence[Step]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.about, self.steps = folder, dict(about), {(s.part, s.name): s for s in steps}
        self.outcomes: list[Outcome] = []
        self._write()

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._write()

    @property
    def failed(self) -> list[Outcome]:
        """What did not pass and was not skipped."""
        return [outcome for outcome in self.outcomes if outcome.status not in ("passed", "skipped")]

    def line(self, outcome: Outcome) -> str:
        """One step in one line, with its figures; where it did not pass, with why."""
        head = f"{_MARKS[outcome.status]:<9} {outcome.part}: {outcome.name}"
        said = "; ".join(filter(None, [outcome.reason, "" if outcome.status == "skipped" else self._shown(outcome)]))
        took = f" ({outcome.seconds:.0f} s)" if outcome.seconds else ""
        return f"{head}{took}{', ' if said else ''}{said}"

    def _shown(self, outcome: Outcome) -> str:
        if not isinstance(outcome.figures, dict):
            return ""
        names = self.steps[outcome.part, outcome.name].show
        flat = {name: _at(outcome.figures, name) for name in names or outcome.figures}
        plain = {k: v for k, v in flat.items() if isinstance(v, (int, float, str)) and v != "" and k not in _JUDGED}
        return ", ".join(f"{name} {_text(value)}" for name, value in plain.items())

    def _write(self) -> None:
        counts = {status: sum(o.status == status for o in self.outcomes) for status in _MARKS}
        summary = {**counts, "left": len(self.steps) - len(self.outcomes)}
        data = {**self.about, "summary": summary, "steps": [asdict(outcome) for outcome in self.outcomes]}
        _replace(self.folder / "figures.json", json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        lines = [f"{name}: {value}" for name, value in self.about.items()]
        lines += ["", ", ".join(f"{count} {status}" for status, count in summary.items())]
        part = ""
        for outcome in self.outcomes:
            lines += [""] if outcome.part != part else []
            part = outcome.part
            lines += [self.line(outcome), *(f"    | {line}" for line in outcome.output)]
        _replace(self.folder / "report.txt", "\n".join(lines) + "\n")


def _at(figures: Any, name: str) -> Any:
    for key in name.split("."):
        figures = figures.get(key) if isinstance(figures, dict) else None
    return figures


def _text(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)
