"""One step in a process of its own: `python -m tests.gpu.step MODULE.FUNCTION SETUP GIVEN`, both as JSON.

Writes what the function returns to stdout as JSON, and everything else to stderr. {"skipped": why} means that it could
not be tried here; {"failed": why} beside figures that they are not as they should be. Logged warnings are added.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import sys

from .setup import Setup


def main(function: str, setup: str, given: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    warnings = _Warnings(logging.WARNING)
    logging.getLogger("colormnet_cli").addHandler(warnings)
    module, name = function.split(".")
    with contextlib.redirect_stdout(sys.stderr):
        work = getattr(importlib.import_module(f"tests.gpu.step_{module}"), name)
        figures = work(Setup.of(json.loads(setup)), **json.loads(given))
    sys.stdout.write(json.dumps({**figures, "warnings": "; ".join(warnings.said)}, indent=2, ensure_ascii=False))


class _Warnings(logging.Handler):
    """Keeps what was said."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


if __name__ == "__main__":
    main(*sys.argv[1:])
