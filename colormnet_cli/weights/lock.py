"""weights.lock: which exact file a model name stands for, and where it can be downloaded."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from ..errors import WeightsError

__all__ = ["LOCK_VARIABLE", "HubSource", "LockEntry", "Source", "UrlSource", "default_lock_path", "read_lock"]

LOCK_VARIABLE = "COLORMNET_LOCK"
PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class HubSource:
    """A file in a repository on the Hugging Face Hub, at one commit."""

    hub: str
    commit: str
    path: str
    type: str = "model"

    def __post_init__(self) -> None:
        if self.type not in ("model", "space", "dataset"):
            raise ValueError(f"type is {self.type!r}, not model, space or dataset")
        if not re.fullmatch(r"[0-9a-f]{40}", self.commit):
            raise ValueError(f"commit {self.commit!r} is not 40 hexadecimal digits")

    def __str__(self) -> str:
        return f"the Hugging Face {self.type} {self.hub}"


@dataclass(frozen=True)
class UrlSource:
    """A plain download."""

    url: str

    def __post_init__(self) -> None:
        if not str(self.url).startswith(("https://", "http://")):
            raise ValueError(f"url {self.url!r} is neither https nor http")

    def __str__(self) -> str:
        return self.url


Source = HubSource | UrlSource


@dataclass(frozen=True)
class LockEntry:
    """One model name: an exact file, its license, and either sources or a file inside the package (`bundled`)."""

    name: str
    file: str
    size: int
    sha256: str
    license: str
    credit: str = ""
    bundled: str = ""  # a file of the package, relative to colormnet_cli/
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 {self.sha256!r} is not 64 hexadecimal digits")
        if not isinstance(self.size, int) or self.size <= 0:
            raise ValueError(f"size {self.size!r} is not a number of bytes")
        if Path(self.file).name != self.file:
            raise ValueError(f"file {self.file!r} is not a plain file name")
        if bool(self.bundled) == bool(self.sources):
            raise ValueError("either bundled or sources must be given, and not both")

    @property
    def bundled_path(self) -> Path:
        return PACKAGE / self.bundled


def default_lock_path() -> Path:
    """$COLORMNET_LOCK, or the file inside the installed package, or the one at the top of a checkout."""
    if os.environ.get(LOCK_VARIABLE):
        return Path(os.environ[LOCK_VARIABLE])
    inside = PACKAGE / "weights.lock"
    return inside if inside.exists() else PACKAGE.parent / "weights.lock"


def read_lock(path: Path | None = None) -> dict[str, LockEntry]:
    """The entries of a lock file by model name; a WeightsError names the file and what is wrong in it."""
    path = path or default_lock_path()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); is {LOCK_VARIABLE} right?") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not a lock file: {error}") from error
    entries = {}
    for name, table in tables.items():
        try:
            entries[name] = _entry(name, table)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{path}, [{name}]: {error}") from error
    return entries


def _entry(name: str, table: Any) -> LockEntry:
    if not isinstance(table, dict):
        raise ValueError("a model must be a table")
    if "licence" in table:  # the key's name in the first lock files
        table = {"license": table["licence"], **{key: value for key, value in table.items() if key != "licence"}}
    known = {field.name for field in fields(LockEntry)} - {"name"}
    if unknown := sorted(set(table) - known):
        raise ValueError(f"unknown key {unknown[0]!r}")
    sources = tuple(UrlSource(**s) if "url" in s else HubSource(**s) for s in table.get("sources", ()))
    table = {"file": Path(table.get("bundled", "")).name, **table, "sources": sources}
    return LockEntry(name=name, **table)
