"""A worker process that ends at its first assignment, or before it is ready. It imports nothing heavy."""

from __future__ import annotations

import os
import time
from typing import Any

REASON = "OutOfMemoryError: no room for a frame"


def work(pipe: Any, device: str) -> None:
    """As `process_worker.work`; on the device "missing" it is never ready."""
    if device == "missing":
        os._exit(3)
    pipe.recv_bytes()  # its setup
    pipe.send(("ready", None))
    pipe.recv()
    pipe.send(("lost", REASON))
    time.sleep(0.5)  # a process with a network takes a while to end
