"""The progress of an interrupted run, in a folder beside the output.

`<output>.colormnet-part/` contains the encoded segments, the Colorizer's state at the end of one of them, and
`progress.json`, which names both. Every file is written completely or not at all; the folder is deleted when the output
is complete.
"""

from __future__ import annotations

import io
import json
import logging
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import torch

from ..errors import OutputError, UsageError
from ..files import sync_folder, write_whole
from .checkpoint import Checkpoint

__all__ = ["ProgressFolder", "progress_folder"]

log = logging.getLogger(__name__)

FORMAT = 1  # of the folder's content
MARKER = "colormnet.id"  # a file with a random id: the folder was created by us
OURS = re.compile(r"progress\.json|state-\d+\.pt|segment-\d+(\.part)?|muxed\.\w+|\..+\.part")  # files that a run writes


def progress_folder(output: Path) -> Path:
    """The folder for the progress towards an output: beside it."""
    return output.with_name(output.name + ".colormnet-part")


class ProgressFolder:
    """The folder beside the output, locked while it is entered.

    Args:
        output: path of the finished film.
        fingerprint: everything that the result depends on, in JSON; only a run with an equal one is resumed.
        resume: False discards an interrupted run.
    """

    def __init__(self, output: Path, fingerprint: Mapping[str, Any], resume: bool) -> None:
        self.path = progress_folder(output)
        self.fingerprint = json.loads(json.dumps({"format": FORMAT, **fingerprint}, default=str))
        self.resume = resume
        self.checkpoint: Checkpoint | None = None
        self._lock: BinaryIO | None = None

    def __enter__(self) -> ProgressFolder:
        self._claim()
        self._lock = _locked(self.path / "lock")
        try:
            if self.resume:
                self.checkpoint = self._read()
            if self.checkpoint is None:
                self._clear()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):  # the film is complete, or there is a more important error
            done = kind is None or self.checkpoint is None
            try:
                if done:
                    self._clear()  # while no other run can have begun in it
            finally:
                if self._lock is not None:
                    self._lock.close()
            if done:
                (self.path / "lock").unlink()
                (self.path / MARKER).unlink()
                self.path.rmdir()  # fails, and leaves the folder, if someone has put other files into it

    def save(self, checkpoint: Checkpoint, state: Mapping[str, Any] | None) -> None:
        """Make `checkpoint`, with the Colorizer's state at it, the one from which a run is resumed."""
        if state is not None:
            buffer = io.BytesIO()  # torch.save turns a full disk into an error that does not say so
            torch.save(dict(state), buffer)
            write_whole(self._state_path(checkpoint), buffer.getbuffer())
            sync_folder(self.path)
        data = json.dumps({"fingerprint": self.fingerprint, "checkpoint": checkpoint.to_json()}, indent=1).encode()
        write_whole(self.path / "progress.json", data)
        sync_folder(self.path)
        before, self.checkpoint = self.checkpoint, checkpoint
        if before is not None and self._state_path(before) != self._state_path(checkpoint):
            self._state_path(before).unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget the checkpoint: its run starts again."""
        self.checkpoint = None
        self._clear()

    def state(self) -> dict[str, Any]:
        """The Colorizer's state at `checkpoint`."""
        if self.checkpoint is None:
            raise ValueError("there is no checkpoint whose state could be loaded")
        path = self._state_path(self.checkpoint)
        try:
            loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # torch.load has no single class for a damaged file
            raise OutputError(f"{path} is damaged: start again (`resume=False`).") from error
        return loaded

    def _claim(self) -> None:
        """Create the folder, or check that it is one of ours: files of a run are deleted in it."""
        try:
            self.path.mkdir(parents=True)
        except FileExistsError:
            marked = (self.path / MARKER).is_file() and not (self.path / MARKER).is_symlink()
            if self.path.is_symlink() or not self.path.is_dir():
                kind = "a symbolic link" if self.path.is_symlink() else "a file"
                raise OutputError(
                    f"{self.path} is {kind}, but progress is kept in a folder of that name: rename or remove it."
                ) from None
            if not marked and any(child.name != "lock" for child in self.path.iterdir()):
                raise OutputError(
                    f"{self.path} exists and was not created by colormnet: rename it, or choose another output name."
                ) from None
            if marked:
                return
        write_whole(self.path / MARKER, f"{uuid.uuid4()}\n".encode())

    def _state_path(self, checkpoint: Checkpoint) -> Path:
        return self.path / f"state-{checkpoint.frames:08d}.pt"

    def _read(self) -> Checkpoint | None:
        path = self.path / "progress.json"
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_text())
            found, checkpoint = data["fingerprint"], Checkpoint.from_json(data["checkpoint"])
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("%s is damaged; the run starts again.", path)
            return None
        names = sorted({*found, *self.fingerprint})
        changed = [name for name in names if found.get(name) != self.fingerprint.get(name)]
        if changed:
            raise UsageError(
                f"{self.path} contains an unfinished run with another {_listed(changed)}: give the command as it was "
                "to resume it, or start again (`resume=False`)."
            )
        if not checkpoint.complete and not self._state_path(checkpoint).exists():
            log.warning("%s lacks the state of frame %d; the run starts again.", self.path, checkpoint.frames)
            return None
        return checkpoint

    def _clear(self) -> None:
        (self.path / "progress.json").unlink(missing_ok=True)  # first: what it names must exist as long as it does
        for child in self.path.iterdir():
            if OURS.fullmatch(child.name) and not child.is_dir():
                child.unlink()  # of a symbolic link the link alone


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _locked(path: Path) -> BinaryIO:
    """Refuse a second run on the same output, where the system has file locks; the lock ends with the process."""
    file = open(path, "wb")  # noqa: SIM115 (open as long as the run)
    try:
        import fcntl
    except ImportError:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise OutputError(f"{path.parent} is in use: another run is writing the same output.") from error
    except OSError:  # a file system without locks
        pass
    return file
