"""A Ray actor that colors shots. Ray is not imported here: the class is made an actor by `ray_team`."""

from __future__ import annotations

import hashlib
import logging
import pickle
import socket
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ColormnetError, WorkerError
from ..files import file_identity, write_whole
from .unit_run import Assignment
from .unit_worker import Setup, UnitWorker

__all__ = ["SHARED", "RayWorker", "Token"]

SHARED = "put the film and its plan on storage that every machine has at the same path."


@dataclass(frozen=True)
class Token:
    """A file with the run's setup, by which a worker shows that it sees the plan folder, and may write there."""

    path: Path

    @staticmethod
    def write(folder: Path, name: str, content: bytes) -> Token:
        """Make one."""
        folder.mkdir(parents=True, exist_ok=True)
        token = Token(folder / f".token-{name}")
        write_whole(token.path, content)
        return token

    def answer(self, worker: str) -> bytes:
        """Its content; writes what only who has read that can write. Raises OSError."""
        content = self.path.read_bytes()
        write_whole(self._answer(worker), _digest(content))
        return content

    def is_answered(self, worker: str) -> bool:
        """Whether the worker's answer is there, and is right; it is removed."""
        path = self._answer(worker)
        try:
            right = path.read_bytes() == _digest(self.path.read_bytes())
            path.unlink()
        except OSError:
            return False
        return right

    def remove(self) -> None:
        """And the answers that nobody has read: a worker that is started again answers again."""
        for path in (self.path, *self.path.parent.glob(f"{self.path.name}-*")):
            path.unlink(missing_ok=True)

    def _answer(self, worker: str) -> Path:
        return self.path.with_name(f"{self.path.name}-{worker}")


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


class RayWorker:
    """Loads the weights once, in its constructor; each call of `color` is one assignment.

    `progress` and `stop` are called while `color` runs. Nothing is raised that another worker would raise as well: it
    is returned, as ("failed", error).
    """

    def __init__(self, film: Path, device: str, token: Token, name: str) -> None:
        logging.getLogger("colormnet_cli").addHandler(logging.NullHandler())
        warnings.simplefilter("ignore")
        self._film, self._token, self._name = film, token, name
        self._frames, self._stopped, self._busy = 0, False, threading.Lock()
        self._worker: UnitWorker | None = None
        self._error: ColormnetError | None = None
        try:
            setup, _ = self._check_storage()
            self._worker = UnitWorker(setup, device)
        except ColormnetError as error:
            self._error = error

    def _check_storage(self) -> tuple[Setup, dict[str, Any]]:
        """Answer the token; the setup, and the identity of the film."""
        try:
            return pickle.loads(self._token.answer(self._name)), file_identity(self._film)
        except OSError as error:
            where = f"The machine {socket.gethostname()} cannot read or write {error.filename} ({error.strerror})"
            raise WorkerError(f"{where}: {SHARED}") from error

    def ready(self) -> tuple[str, Any]:
        """("ready", (host, identity of the film)) when the weights are loaded."""
        try:
            if self._error is not None:
                raise self._error
            return "ready", (socket.gethostname(), self._check_storage()[1])
        except ColormnetError as error:
            return "failed", error

    def color(self, assignment: Assignment) -> tuple[str, Any]:
        """("done", Outcome), ("stopped", None), ("failed", error) or ("lost", reason)."""
        assert self._worker is not None  # for the type checker: only a worker that is ready gets an assignment
        with self._busy:
            self._frames = 0
            try:
                return "done", self._worker.color(assignment, self._report)
            except KeyboardInterrupt:
                return "stopped", None
            except ColormnetError as error:
                return "failed", error
            except Exception as error:  # such as memory that ran out
                return "lost", f"{type(error).__name__}: {error}".splitlines()[0][:200]

    def _report(self, frames: int) -> None:
        if self._stopped:
            raise KeyboardInterrupt
        self._frames = frames

    def progress(self) -> int:
        """Frames of the assignment that are done."""
        return self._frames

    def stop(self) -> None:
        """End `color`; its progress is saved."""
        self._stopped = True
