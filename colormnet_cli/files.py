"""Files on disk: written completely or not at all, and identified by their content."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import OutputError, UsageError
from .wording import did_you_mean

__all__ = [
    "FileStamp",
    "cannot_write",
    "check_folder",
    "check_output",
    "file_identity",
    "file_sha256",
    "location",
    "place_output",
    "sample_sha256",
    "sync_file",
    "sync_folder",
    "write_whole",
]

_END = 1 << 20  # bytes at the beginning and at the end by which a file is identified
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC)


def cannot_write(output: Path, error: OSError, kept: str = "") -> OutputError:
    """An OSError as a sentence; `kept` is added about the work that is done."""
    if error.errno in _NO_ROOM:
        return OutputError(f"The disk of {output.parent.resolve()} is full: make room{kept}.")
    return OutputError(f"{output} cannot be written ({os.strerror(error.errno or 0)}): choose another place{kept}.")


def not_found(path: Path) -> str:
    """``gone.mp4 does not exist: check its name``, or which name was probably meant."""
    try:
        close = did_you_mean(path.name, os.listdir(path.parent))
    except OSError:
        return f"{path} does not exist: there is no folder {path.parent}."
    return f"{path} does not exist{close or ': check its name.'}"


def location(path: Path) -> tuple[int, int] | Path:
    """Equal for all names of one file, whether it exists or not: links, `..` and relative names included."""
    try:
        status = path.stat()
    except OSError:
        return path.resolve()
    return status.st_dev, status.st_ino


def check_output(output: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Check that a file can be written: it is no input, does not exist (unless `overwrite`), and its folder is usable.

    A folder that does not exist is created by whoever writes the file.
    """
    if output.is_dir():
        raise UsageError(f"{output} is a folder: give the output a file name.")
    if output.exists():
        if any(path.exists() and path.samefile(output) for path in inputs):
            raise UsageError(f"{output} is the input itself: give the output another name.")
        if not overwrite:
            raise OutputError(f"{output} exists: choose another name, or allow it to be replaced (`overwrite=True`).")
    check_folder(output.parent)


def check_folder(folder: Path) -> None:
    """Check that files can be written into a folder, or that it can be created."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise OutputError(f"{existing} is a file, not a folder: choose another output.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {existing} is not writable: choose another, or change its permissions.")


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a hidden file beside it, flush it to the disk, and rename it. Raises OSError."""
    part = path.with_name(f".{path.name}.part")  # not the name's own suffix: it must not be taken for a whole file
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def place_output(path: Path, output: Path, overwrite: bool) -> None:
    """Give a finished file its name, for good. Raises OutputError: since it was checked, the name has been taken."""
    if output.exists() and not overwrite:
        raise OutputError(
            f"{output} has been created in the meantime: choose another name, or allow it to be replaced "
            "(`overwrite=True`)."
        )
    os.replace(path, output)
    sync_folder(output.resolve().parent)


def sync_file(path: Path) -> None:
    """Flush a file to the disk."""
    with path.open("r+b") as file:  # Windows does not flush what is open for reading only
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system supports that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems know no fsync of folders
        pass
    finally:
        os.close(descriptor)


def file_sha256(path: str | Path) -> str:
    """The hexadecimal sha256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class FileStamp(NamedTuple):
    """Changes when a file is replaced or written to; `file_identity` tells whether its content changed, too."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @staticmethod
    def of(path: Path) -> FileStamp:
        """Raises OSError."""
        status = path.stat()
        return FileStamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def fits(self, path: Path) -> bool:
        """Whether the file exists and is unchanged."""
        try:
            return FileStamp.of(path) == self
        except OSError:
            return False


def sample_sha256(path: Path, blocks: int = 64, block: int = 1 << 18) -> str:
    """sha256 of `blocks` pieces spread over a file, its beginning and end among them; of all of a smaller file."""
    size, digest = path.stat().st_size, hashlib.sha256()
    count = blocks if size > blocks * block else -(-size // block)
    with path.open("rb") as file:
        for number in range(count):
            file.seek((size - block) * number // (blocks - 1) if count == blocks else number * block)
            digest.update(file.read(block))
    return digest.hexdigest()


def file_identity(path: Path) -> dict[str, Any]:
    """Identifies a large file by its content without reading all of it: size, hash of both ends, hash of a sample.

    The modification time does not count: copying a file, or restoring it from a backup, changes it.
    """
    size, digest = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as file:
        for place in (0, max(0, size - _END)):
            file.seek(place)
            digest.update(file.read(_END))
    return {"size": size, "ends": digest.hexdigest(), "sample": sample_sha256(path)}
