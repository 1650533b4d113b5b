"""The command line. Nothing heavy is imported until a command runs, so that `colormnet --help` is fast."""

from __future__ import annotations

import signal

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """The entry point; Ctrl-C during its imports ends it without a traceback, as later."""
    try:
        from .app import main as run
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would interrupt the exit
        raise SystemExit(130) from None
    run(arguments)
