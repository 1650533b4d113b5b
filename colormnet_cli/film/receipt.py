"""The receipt of a run: inputs, output, settings, versions and warnings."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .._version import __version__
from ..files import FileStamp, file_sha256

__all__ = ["FileRecord", "Receipt", "versions"]


def versions() -> dict[str, str]:
    """Of the packages that the result depends on."""
    found = {"colormnet": __version__, "python": platform.python_version()}
    for package in ("torch", "torchvision", "av", "opencv-python", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # another build of it, or not installed
            continue
    return found


@dataclass(frozen=True)
class FileRecord:
    """A file that was read or written."""

    path: str
    size: int
    sha256: str | None  # None: an input that has changed since it was read

    @staticmethod
    def of(path: str | Path) -> FileRecord:
        path = Path(path)
        return FileRecord(str(path), path.stat().st_size, file_sha256(path))

    @staticmethod
    def of_input(path: Path, stamp: FileStamp) -> FileRecord:
        """Of a file that had this stamp when it was read."""
        digest = file_sha256(path) if stamp.fits(path) else None
        return FileRecord(str(path), stamp.size, digest if stamp.fits(path) else None)


@dataclass(frozen=True)
class Receipt:
    """The same for every command that colorizes; `to_json` is what `--json` prints."""

    inputs: tuple[FileRecord, ...]
    references: tuple[FileRecord, ...]
    output: FileRecord
    weights: dict[str, Any]  # name, sha256 of the tensors or of the file
    settings: dict[str, Any]
    memory: dict[str, Any]  # the memory's settings, in the paper's letters
    versions: dict[str, str]
    device: str
    precision: str
    frames: int
    seconds: float  # of this run
    fps: float  # frames per second of this run
    automatic: tuple[FileRecord, ...] = ()  # stills whose colors fill in where the references show nothing similar
    resumed_at: int = 0  # frames done by an earlier, interrupted run
    masks: tuple[FileRecord, ...] = ()  # images that say which parts stay neutral
    reused: int = 0  # frames of shots that are as an earlier run of the same plan made them
    match: float | None = None  # how well the references show what is in the frames: 1 for the same
    expected_error: float | None = None  # mean error of a and b that the network expects, in Lab units
    shots: tuple[dict[str, Any], ...] = ()  # of a plan: frames, references, and from which shots they are borrowed
    findings: dict[str, Any] | None = None  # passages whose colors may be wrong; see `film.findings`
    undecodable: int = 0  # packets that could not be decoded
    peak_memory: int | None = None  # bytes on the device; on the CPU of the process
    streams: tuple[dict[str, Any], ...] = ()  # what was done with each audio, subtitle and attachment stream
    changes: tuple[dict[str, Any], ...] = ()  # passages that were colored again since, by `recolor`
    warnings: tuple[str, ...] = field(default=())

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Receipt:
        """The inverse of `to_dict`; what this version does not know is left out. Raises TypeError."""
        values = {one.name: data[one.name] for one in fields(Receipt) if one.name in data}
        for name in ("inputs", "references", "automatic", "masks"):
            values[name] = tuple(FileRecord(**record) for record in data.get(name, ()))
        values["output"] = FileRecord(**data["output"])
        return Receipt(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_json(self, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, default=str)
