"""Is a file on disk exactly the one that was meant? Hashing half a gigabyte takes up to a second: remember it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import platformdirs

from ..files import file_sha256

__all__ = ["cache_folder", "has_hash"]

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where this program keeps what can be had again."""
    return Path(platformdirs.user_cache_dir("colormnet", appauthor=False))


def has_hash(path: Path, size: int, sha256: str, *, trust_memory: bool = True) -> bool:
    """Whether `path` is a file of this size and hash. A file seen before is known by its path, size and time."""
    try:
        path = path.resolve(strict=True)
        if path.stat().st_size != size:
            return False
        if trust_memory and _memory().get(str(path)) == _card(path, sha256):
            return True
        before = _card(path, sha256)
        right = file_sha256(path) == sha256
    except OSError as error:
        _log.debug("%s cannot be checked: %s", path, error)
        return False
    if right:
        _remember(path, before)
    return right


def _card(path: Path, sha256: str) -> dict[str, Any]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256}


def _memory_path() -> Path:
    return cache_folder() / "checked.json"


def _memory() -> dict[str, Any]:
    try:
        memory = json.loads(_memory_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _remember(path: Path, card: dict[str, Any]) -> None:
    """Note a checked file. That the note cannot be written costs only time: the file is hashed again next time."""
    part = _memory_path().with_suffix(f".{os.getpid()}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        known = {p: c for p, c in _memory().items() if Path(p).exists()}
        part.write_text(json.dumps({**known, str(path): card}, indent=1), encoding="utf-8")
        os.replace(part, _memory_path())
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        _log.debug("%s was checked, but that cannot be noted: %s", path, error)
