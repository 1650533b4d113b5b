"""Ctrl-C: a step is finished first, for half a step is nothing that a run could go on from."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interrupt_held"]


@contextmanager
def interrupt_held(*, alone: bool = True) -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back; gives a function that tells whether it came. A second one is let through at once.

    Nothing is held back where several processes would have to stop at the same step (not ``alone``), outside of the
    main thread, or where Ctrl-C is ignored.
    """
    before = signal.getsignal(signal.SIGINT)
    came = False

    def hold(number: int, frame: Any) -> None:
        nonlocal came
        if came and callable(before):
            before(number, frame)
        came = True

    if not alone or not callable(before) or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    signal.signal(signal.SIGINT, hold)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)
