"""A worker process: gets assignments through a pipe, answers with what comes of them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from ..errors import ColormnetError

__all__ = ["PATIENCE", "work"]

PATIENCE = 8.0  # seconds for saving what was begun, after which a worker is killed


def work(pipe: Connection, device: str) -> None:
    """What the process does: "ready", then for each assignment "progress" and in the end "done", "failed" or "lost".

    The first thing that it gets is its `Setup`. As an argument it would be unpickled, and PyTorch imported for it,
    before anything here looks whether the parent still runs. Ctrl-C of a terminal reaches all processes; only the
    parent acts on it, and ends its workers by SIGTERM.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.getLogger("colormnet_cli").addHandler(logging.NullHandler())  # warnings are the parent's
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        _answer(pipe, device)


def _answer(pipe: Connection, device: str) -> None:
    setup = pipe.recv_bytes()  # the parent does not wait until PyTorch is imported, and starts the next worker

    from .unit_worker import UnitWorker

    try:
        worker = UnitWorker(pickle.loads(setup), device)
        pipe.send(("ready", None))
        while True:
            assignment = pipe.recv()
            pipe.send(("done", worker.color(assignment, lambda frames: pipe.send(("progress", frames)))))
    except ColormnetError as error:
        pipe.send(("failed", error))
    except (BrokenPipeError, EOFError):
        raise
    except Exception as error:  # such as memory that ran out: this process does not go on with it
        pipe.send(("lost", f"{type(error).__name__}: {error}".splitlines()[0][:200]))


def _stop(*_: object) -> None:
    """Ends what is colored as Ctrl-C does: its progress is saved. Once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """No worker outlives the process that started it, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)
