"""The progress of an interrupted run, in a folder beside the output.

`<output>.colormnet-part/` contains the encoded segments, the Colorizer's state at the last two checkpoints, and
`progress.json`, which names all of them, with checksums. Every file is written completely or not at all; the folder is
deleted when the output is complete.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from ..errors import OutputError, UsageError
from ..files import file_sha256, sync_folder, write_whole
from ..wording import listed
from .checkpoint import Checkpoint

__all__ = ["ProgressFolder", "progress_folder"]

log = logging.getLogger(__name__)

FORMAT = 3  # of the folder's content
MARKER = "colormnet.id"  # a file with a random id: the folder was created by us
# files that a run writes
OURS = re.compile(
    r"progress\.json|state-\d+(-[0-9a-f]*)?\.pt|segment-\d+(\.part)?|(pass|fill)-\d+-\d+\..+|notes-\d+\.npz|(muxed|passage)\.\w+|"
    r"\..+\.part"
)


@dataclass(frozen=True)
class _Saved:
    """A checkpoint in the folder."""

    checkpoint: Checkpoint
    state: str | None  # sha256 of the file with the Colorizer's state; None where only muxing is left

    @property
    def file(self) -> str:
        return f"state-{self.checkpoint.frames:08d}-{(self.state or '')[:8]}.pt"

    def to_json(self) -> dict[str, Any]:
        return {"checkpoint": self.checkpoint.to_json(), "state": self.state}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> _Saved:
        return _Saved(Checkpoint.from_json(data["checkpoint"]), data["state"])


def progress_folder(output: Path) -> Path:
    """The folder for the progress towards an output: beside it."""
    return output.with_name(output.name + ".colormnet-part")


class ProgressFolder:
    """The folder beside the output, locked while it is entered.

    Args:
        output: path of the finished film.
        fingerprint: everything that the result depends on, in JSON; only a run with an equal one is resumed.
        resume: False discards an interrupted run.
        replaceable: parts of the fingerprint; if only these have changed, an interrupted run is discarded as well.
    """

    def __init__(
        self, output: Path, fingerprint: Mapping[str, Any], resume: bool, replaceable: Collection[str] = ()
    ) -> None:
        self.path = progress_folder(output)
        self.fingerprint = json.loads(json.dumps({"format": FORMAT, **fingerprint}, default=str))
        self.resume, self.replaceable = resume, replaceable
        self.is_removed = False  # someone removed the folder, or its files, during the run
        self.threads: int | None = None  # CPU threads of the run; saved, but not compared
        self._saved: list[_Saved] = []  # the newest first
        self._lock: BinaryIO | None = None

    def __enter__(self) -> ProgressFolder:
        self._claim()
        self._lock = _locked(self.path / "lock")
        try:
            if self.resume:
                self._saved = self._read()
            if self.checkpoint is None:
                self._clear()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.is_removed = not (self.path / MARKER).exists()
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

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The one from which a run is resumed."""
        return self._saved[0].checkpoint if self._saved else None

    def save(self, checkpoint: Checkpoint, state: Mapping[str, Any] | None) -> None:
        """Make `checkpoint`, with the Colorizer's state at it, the one from which a run is resumed."""
        saved = _Saved(checkpoint, None)
        if state is not None:
            import torch  # a folder's plan asks for this one's name before PyTorch is imported

            buffer = io.BytesIO()  # torch.save turns a full disk into an error that does not say so
            torch.save(dict(state), buffer)
            saved = _Saved(checkpoint, hashlib.sha256(buffer.getbuffer()).hexdigest())
            write_whole(self.path / saved.file, buffer.getbuffer())
            sync_folder(self.path)
        before = self._saved
        kept = [saved, *[old for old in before if old.checkpoint.frames < checkpoint.frames][:1]]
        self._write([old.to_json() for old in kept])
        self._saved = kept
        for file in {old.file for old in before} - {old.file for old in kept}:
            (self.path / file).unlink(missing_ok=True)

    def _write(self, checkpoints: list[dict[str, Any]]) -> None:
        content = {"fingerprint": self.fingerprint, "threads": self.threads, "checkpoints": checkpoints}
        write_whole(self.path / "progress.json", json.dumps({"sha256": _sha256(content), **content}, indent=1).encode())
        sync_folder(self.path)

    def discard(self) -> None:
        """Forget the checkpoints: their run starts again."""
        self._saved = []
        self._clear()

    def state(self) -> dict[str, Any]:
        """The Colorizer's state at `checkpoint`."""
        if not self._saved:
            raise ValueError("there is no checkpoint whose state could be loaded")
        import torch

        path = self.path / self._saved[0].file
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
            unmarked = ("lock", f".{MARKER}.part")  # of a run that was killed before its mark was written
            if not marked and any(child.name not in unmarked for child in self.path.iterdir()):
                raise OutputError(
                    f"{self.path} exists and was not created by colormnet: rename it, or choose another output name."
                ) from None
            if marked:
                return
        write_whole(self.path / MARKER, f"{uuid.uuid4()}\n".encode())

    def _read(self) -> list[_Saved]:
        """The checkpoints whose files are intact."""
        path = self.path / "progress.json"
        if not path.exists():
            return []
        try:
            data = json.loads(path.read_text())
            if data.pop("sha256", None) != _sha256(data):
                raise ValueError("another checksum")
            found, checkpoints = data["fingerprint"], [_Saved.from_json(saved) for saved in data["checkpoints"]]
            threads = data.get("threads")
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("%s is damaged; the run starts again.", path)
            return []
        names = sorted({*found, *self.fingerprint})
        changed = [name for name in names if found.get(name) != self.fingerprint.get(name)]
        if changed and set(changed) <= set(self.replaceable):
            log.info("%s is of a run with another %s; it starts again.", path, listed(changed))
            return []
        if changed:
            raise UsageError(
                f"{self.path} contains an unfinished run with another {listed(changed)}: give the command as it was "
                "to resume it, or start again (`resume=False`)."
            )
        intact = [saved for saved in checkpoints if self._is_intact(saved)]
        damaged = [saved for saved in checkpoints if saved not in intact]
        if damaged and not intact:
            raise OutputError(f"{self.path / damaged[0].file} is damaged: start again (`resume=False`).")
        if damaged and intact[0] != checkpoints[0]:
            log.warning("%s is damaged; the run resumes from the checkpoint before it.", self.path / damaged[0].file)
        self.threads = threads
        return intact

    def _is_intact(self, saved: _Saved) -> bool:
        path = self.path / saved.file
        return saved.state is None or (path.exists() and file_sha256(path) == saved.state)

    def _clear(self) -> None:
        (self.path / "progress.json").unlink(missing_ok=True)  # first: what it names must exist as long as it does
        for child in self.path.iterdir():
            if OURS.fullmatch(child.name) and not child.is_dir():
                child.unlink()  # of a symbolic link the link alone


def _sha256(content: Mapping[str, Any]) -> str:
    """Of JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
