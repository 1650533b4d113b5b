"""The first hour on a GPU in one command: whether everything works, how fast, and with how much memory.

    python -m tests.gpu OUT/                    # from a checkout; all parts
    python -m tests.gpu OUT/ --parts colors,tests
    python -m tests.gpu OUT/ --device cpu --tiny    # a trial with a small network

Writes OUT/figures.json and OUT/report.txt after each step, and OUT/logs/. No network and no downloaded weights are
needed. Exit code 1 if a step failed or ran into its time limit.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .plan import PARTS, make_steps
from .runner import PART_SECONDS, ROOT, Report, run_steps

_PROBE = (
    "import sys\n"
    "from colormnet_cli.errors import ColormnetError\n"
    "from colormnet_cli.inference.device import describe_device, resolve_device\n"
    "try: print(describe_device(resolve_device(sys.argv[1])))\n"
    "except ColormnetError as error: sys.exit(str(error))\n"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for; the exit code."""
    options = _parse(arguments)
    out = Path(options.out)
    described, problem = ("", "") if options.list else _probe(options.device)
    steps = make_steps(options.parts, options.device, out.resolve() / "work", tiny=options.tiny, problem=problem)
    if options.list:
        for step in steps:
            sys.stdout.write(f"{step.part} {step.name}: at most {min(step.seconds, PART_SECONDS):.0f} s\n")
        return 0
    report = Report(
        out,
        {
            "command": f"python -m tests.gpu {' '.join(sys.argv[1:])}",
            "began": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
            "device": described or f"none: {problem}",
            "platform": platform.platform(),
            "commit": _commit(),
            "tiny": options.tiny,
        },
        steps,
    )
    try:
        for outcome in run_steps(steps, out / "logs"):
            report.add(outcome)
            sys.stdout.write(report.line(outcome) + "\n")
            sys.stdout.flush()
    finally:
        shutil.rmtree(out / "work", ignore_errors=True)
    sys.stdout.write(f"{len(report.failed)} of {len(steps)} steps did not pass: see {out / 'report.txt'}\n")
    return 1 if report.failed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", metavar="OUT", nargs="?", help="folder of the results")
    parser.add_argument("--parts", default=",".join(PARTS), metavar="A,B", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--list", action="store_true", help="only show the steps and their time limits")
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:N, or cpu together with --tiny")
    parser.add_argument("--tiny", action="store_true", help="small networks, few frames: tries the steps themselves")
    options = parser.parse_args(arguments)
    options.parts = [part for part in options.parts.split(",") if part]
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}: {', '.join(PARTS)}")
    if options.device == "cpu" and not options.tiny:
        parser.error("--device cpu is a trial: give --tiny as well")
    if options.out is None and not options.list:
        parser.error("give a folder for the results")
    options.out = options.out or "."
    return options


def _probe(device: str) -> tuple[str, str]:
    """The device's name, or why there is none; in a process of its own, since a broken driver may hang."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, device], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return "", "PyTorch does not answer within 120 s"
    if done.returncode:
        return "", (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return done.stdout.strip().splitlines()[-1], ""


def _commit() -> str:
    """Of the checkout; empty where that is not known."""
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
