"""A broken run goes on: what is done lies in a folder beside the output, with what it takes to continue.

`<output>.colormnet-part/` holds the segments of encoded film, the Colorizer's state at the end of one of them, and
`progress.json`, which names both. Every file appears whole or not at all; the folder goes when the output is there.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from torch import Tensor

from ..errors import OutputError, UsageError
from ..files import file_identity, sync_folder, write_whole
from ..media.exemplar import split_reference
from ..settings import NetworkSettings
from ..video.reader import Frame, FrameChecksum
from .receipt import versions

if TYPE_CHECKING:
    from ..inference.memory import MemoryConfig

__all__ = [
    "Checkpoint",
    "ProgressFolder",
    "Save",
    "Saver",
    "fingerprint",
    "model_sha256",
    "progress_folder",
    "snapshot",
]

log = logging.getLogger(__name__)

FORMAT = 1  # of the folder's content
CHECKPOINT_SECONDS = 60.0  # at least so far apart
SEGMENT_FRAMES = {"cuda": 240, "cpu": 48}  # by device: what a broken run loses at most, beyond the last checkpoint
INDIFFERENT = ("overwrite", "resume", "strict", "audio", "lookahead")  # settings on which no frame depends
MARKER = "colormnet.id"  # a file with a random id: says that the folder is ours
OURS = re.compile(r"progress\.json|state-\d+\.pt|segment-\d+(\.part)?|muxed\.\w+|\..+\.part")  # what a run leaves in it
CHECKSUMS = 4  # frames before a checkpoint by which its place is known again


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands, at the end of a segment."""

    frames: int  # coloured
    segments: int  # whole
    checksums: tuple[FrameChecksum, ...]  # of the last frames
    counts: dict[str, Any]  # of the reader
    complete: bool = False  # every frame is done; only joining is left

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Checkpoint:
        values = dict(data)
        values["checksums"] = tuple(FrameChecksum(**checksum) for checksum in values["checksums"])
        return Checkpoint(**values)


def fingerprint(
    references: Sequence[str],
    settings: NetworkSettings,
    memory: MemoryConfig,
    weights: str,
    device: Sequence[Any],
) -> dict[str, Any]:
    """What an output depends on besides its input, under the names that a person is told when it has changed.

    Args:
        weights: sha256 of the model's tensors.
        device: its type, the number format, how many frames it takes at once: what changes the rounding.
    """
    counted = [field.name for field in fields(settings) if field.name not in INDIFFERENT]
    return {
        "exemplar": [[file_identity(path), str(moment)] for path, moment in map(split_reference, references)],
        "settings": {name: getattr(settings, name) for name in counted},
        "memory settings": asdict(memory),
        "weights": weights,
        "device or precision": list(device),
        "version": {name: version for name, version in versions().items() if name in ("colormnet", "torch", "av")},
    }


def progress_folder(output: Path) -> Path:
    """Where the progress towards an output lies: beside it."""
    return output.with_name(output.name + ".colormnet-part")


class ProgressFolder:
    """The folder beside the output.

    Args:
        output: the finished film's path.
        fingerprint: everything that the result depends on, in JSON; a broken run only goes on with an equal one.
        resume: False forgets a broken run.
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
        with suppress(OSError):  # the film is there, or there is a better error to tell
            done = kind is None or self.checkpoint is None
            if done:
                self._clear()  # while no other run can have begun in it
            if self._lock is not None:
                self._lock.close()
            if done:
                (self.path / "lock").unlink()
                (self.path / MARKER).unlink()
                self.path.rmdir()  # fails, and leaves the folder, where someone has put files of their own into it

    def _claim(self) -> None:
        """Create the folder, or check that it is one of ours: everything in a foreign one would be deleted."""
        try:
            self.path.mkdir()
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

    def save(self, checkpoint: Checkpoint, state: Mapping[str, Any] | None) -> None:
        """Make `checkpoint`, with the Colorizer's state at it, the one from which a run goes on."""
        if state is not None:
            buffer = io.BytesIO()  # torch.save makes of a full disk an error that does not say so
            torch.save(dict(state), buffer)
            write_whole(self._state_path(checkpoint), buffer.getbuffer())
            sync_folder(self.path)
        data = json.dumps({"fingerprint": self.fingerprint, "checkpoint": checkpoint.to_json()}, indent=1).encode()
        write_whole(self.path / "progress.json", data)
        sync_folder(self.path)
        before, self.checkpoint = self.checkpoint, checkpoint
        if before is not None and self._state_path(before) != self._state_path(checkpoint):
            self._state_path(before).unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """The Colorizer's state at `checkpoint`."""
        assert self.checkpoint is not None
        path = self._state_path(self.checkpoint)
        try:
            loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # torch.load has no one class for a damaged file
            raise OutputError(f"{path} is damaged: run once more with --no-resume.") from error
        return loaded

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
            log.warning("%s is damaged; the run begins anew.", path)
            return None
        names = sorted({*found, *self.fingerprint})
        changed = [name for name in names if found.get(name) != self.fingerprint.get(name)]
        if changed:
            raise UsageError(
                f"{self.path} holds an unfinished run with another {_listed(changed)}: give the command as it was to "
                "go on with it, or --no-resume to start anew."
            )
        if not checkpoint.complete and not self._state_path(checkpoint).exists():
            log.warning("%s lacks the state of frame %d; the run begins anew.", self.path, checkpoint.frames)
            return None
        return checkpoint

    def _clear(self) -> None:
        (self.path / "progress.json").unlink(missing_ok=True)  # first: what it names must be there as long as it is
        for child in self.path.iterdir():
            if OURS.fullmatch(child.name) and not child.is_dir():
                child.unlink()  # of a symbolic link the link alone


@dataclass(frozen=True, eq=False)
class Save:
    """A checkpoint that is to be saved when every frame before it is on the disk."""

    checkpoint: Checkpoint
    state: dict[str, Any]


class Saver:
    """Remembers where the run stood at the end of the last segment, and saves that every minute, or when it ends early.

    `hand_over` gives a Save to the thread that writes the film, behind the frames that it is about.
    """

    def __init__(self, folder: ProgressFolder, segment_frames: int) -> None:
        self.folder, self.segment_frames = folder, segment_frames
        self._checksums: deque[FrameChecksum] = deque(maxlen=CHECKSUMS)
        self._latest: Save | None = None
        self._handed = time.monotonic()

    def after(
        self, frames: Sequence[Frame], state: Callable[[], Mapping[str, Any]], hand_over: Callable[[Save], None]
    ) -> None:
        """These frames are coloured; `state` gives the Colorizer's."""
        near = self.segment_frames - CHECKSUMS  # only the frames before the end of a segment are asked for again
        self._checksums.extend(f.checksum() for f in frames if f.number % self.segment_frames >= near)
        last = frames[-1]
        if (last.number + 1) % self.segment_frames:
            return
        self._latest = Save(self._checkpoint(last.number + 1, last.statistics), snapshot(state()))
        if time.monotonic() - self._handed >= CHECKPOINT_SECONDS:
            self.rescue(hand_over)

    def rescue(self, hand_over: Callable[[Save], None]) -> None:
        """Save the last end of a segment now."""
        if self._latest is not None:
            latest, self._latest, self._handed = self._latest, None, time.monotonic()
            hand_over(latest)

    def finish(self, frames: int, counts: dict[str, Any]) -> None:
        """All frames are on the disk: only joining is left."""
        self.folder.save(self._checkpoint(frames, counts, complete=True), None)
        self._latest = None

    def _checkpoint(self, frames: int, counts: dict[str, Any], complete: bool = False) -> Checkpoint:
        segments = -(-frames // self.segment_frames)
        return Checkpoint(frames, segments, tuple(self._checksums), counts, complete)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _locked(path: Path) -> BinaryIO:
    """Keep a second run of the same command out, where the system has such locks; the lock goes with the process."""
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


def snapshot(state: Any) -> Any:
    """A copy of nested tensors and plain values on the CPU, which later steps do not touch."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, Mapping):
        return {key: snapshot(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(snapshot(value) for value in state)
    return state


def model_sha256(model: torch.nn.Module) -> str:
    """Of all tensors, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
