"""Lock files: which exact file a model name stands for, and where it can be downloaded.

`weights.lock` is part of the program. The user's own lock file adds models that are on this machine, and the hashes of
files whose hash weights.lock does not know.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import platformdirs

from ..errors import WeightsError
from ..files import file_sha256, write_whole

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["HubSource", "LockEntry", "Source", "UrlSource", "add_file", "lock_path", "read_lock", "user_lock_path"]

PACKAGE = Path(__file__).resolve().parent.parent
_VARIABLE = "COLORMNET_LOCK"
_FORMER_KEYS = {"licence": "license", "bundled": "path"}


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
    """One model name: its exact file, the license, and where the file is: sources to download it from, a path, or both.

    Without size and sha256 the file is not known yet: those of its first download are written to the user's lock file.
    """

    name: str
    file: str
    size: int = 0  # bytes
    sha256: str = ""
    license: str = "unknown"
    credit: str = ""
    network: str = "ColorMNet"  # the class of its network
    path: str = ""  # a file on this machine; a relative path is inside the package
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        if self.sha256 and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 {self.sha256!r} is not 64 hexadecimal digits")
        if not isinstance(self.size, int) or self.size < 0 or bool(self.size) != bool(self.sha256):
            raise ValueError(f"size {self.size!r} is not the number of bytes that goes with the sha256")
        if Path(self.file).name != self.file or not self.file:
            raise ValueError(f"file {self.file!r} is not a plain file name")
        if not self.path and not self.sources:
            raise ValueError("neither sources nor a path are given")

    @property
    def local_path(self) -> Path | None:
        """Where the file is on this machine without a download."""
        return PACKAGE / self.path if self.path else None


def lock_path() -> Path:
    """$COLORMNET_LOCK, or weights.lock in the installed package, or the one at the top of a checkout."""
    if variable := os.environ.get(_VARIABLE):
        return Path(variable)
    inside = PACKAGE / "weights.lock"
    return inside if inside.exists() else PACKAGE.parent / "weights.lock"


def user_lock_path() -> Path:
    """The lock file that this program writes: $COLORMNET_LOCK, or weights.lock in the user's configuration folder."""
    if variable := os.environ.get(_VARIABLE):
        return Path(variable)
    return Path(platformdirs.user_config_dir("colormnet", appauthor=False)) / "weights.lock"


def read_lock(path: Path | None = None) -> dict[str, LockEntry]:
    """The entries by model name, of one lock file or of weights.lock and the user's together.

    Where both have a key of a model, the one in weights.lock counts: a hash that is known cannot be replaced.

    Raises:
        WeightsError: a file cannot be read or has a mistake; it says which.
    """
    shipped, user = path or lock_path(), user_lock_path()
    entries = {name: (shipped, table) for name, table in _tables(shipped).items()}
    if path is None and user != shipped and user.exists():
        for name, table in _tables(user).items():
            entries[name] = (shipped, {**table, **entries[name][1]}) if name in entries else (user, table)
    return {name: _entry(name, table, source) for name, (source, table) in entries.items()}


def _tables(path: Path) -> dict[str, Any]:
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); is {_VARIABLE} right?") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not a lock file: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise WeightsError(f"{path}: {name} must be a table, [{name}]")
        tables[name] = {_FORMER_KEYS.get(key, key): value for key, value in table.items()}
    return tables


def _entry(name: str, table: dict[str, Any], lock: Path) -> LockEntry:
    try:
        known = {field.name for field in fields(LockEntry)} - {"name"}
        if unknown := sorted(set(table) - known):
            raise ValueError(f"unknown key {unknown[0]!r}")
        sources = tuple(UrlSource(**s) if "url" in s else HubSource(**s) for s in table.get("sources", ()))
        return LockEntry(**{"name": name, "file": Path(table.get("path", "")).name, **table, "sources": sources})
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{lock}, [{name}]: {error}") from error


def add_file(name: str, file: Path, *, replace: bool = False) -> LockEntry:
    """Write a file's size, SHA-256 and path under a model name into the user's lock file.

    Raises:
        WeightsError: the name stands for another file, in weights.lock or (without `replace`) in the user's lock file;
            or that cannot be written.
        OSError: the file cannot be read.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise WeightsError(f"{name!r} cannot name a model: use letters, digits, '-' and '_'")
    file = Path(os.path.abspath(file))
    size, sha256 = file.stat().st_size, file_sha256(file)
    shipped, user = lock_path(), user_lock_path()
    for lock in (shipped, user):
        known = _tables(lock).get(name, {}).get("sha256", sha256) if lock.exists() else sha256
        replaceable = lock == user
        if known != sha256 and not (replace and replaceable):
            raise WeightsError(
                f"{file} is not the file that {lock} names {name!r} (its sha256 is {sha256}, not {known}): choose "
                f"another name{', or replace that one' if replaceable else ''}"
            )
    try:
        text = user.read_text(encoding="utf-8") if user.exists() else "# Models that were added on this machine.\n"
        text = _with_values(text, name, {"path": str(file), "size": size, "sha256": sha256})
        tomllib.loads(text)  # fails where a file that was edited by hand writes the table's name in another way
        user.parent.mkdir(parents=True, exist_ok=True)
        write_whole(user, text.encode())
    except (OSError, ValueError) as error:
        raise WeightsError(f"The model {name!r} cannot be written to {user}: {error}") from error
    return read_lock()[name]


def _with_values(text: str, name: str, values: dict[str, str | int]) -> str:
    """The TOML text with these values in the table of this name; everything else stays as it is."""
    rows, header = text.rstrip().split("\n"), f"[{name}]"
    if header not in rows:
        rows += ["", header]
    start = rows.index(header) + 1
    end = next((i for i in range(start, len(rows)) if rows[i].startswith("[")), len(rows))
    new = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    others = [row for row in rows[start:end] if row.split("=")[0].strip() not in values]
    return "\n".join([*rows[:start], *new, *others, *rows[end:], ""])
