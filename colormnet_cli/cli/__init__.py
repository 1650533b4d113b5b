"""The command line. Nothing heavy is imported before a command runs: `colormnet --help` answers at once."""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """The entry point; Ctrl-C while it is still being imported ends it as quietly as later."""
    try:
        from .app import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run(arguments)
