"""weights.lock: which exact file a model name stands for, and where it can be had."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import WeightsError

__all__ = ["LOCK_VARIABLE", "HubSource", "LockEntry", "UrlSource", "default_lock_path", "parse_toml", "read_lock"]

LOCK_VARIABLE = "COLORMNET_LOCK"
_PACKAGE = Path(__file__).resolve().parent.parent


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
        if not self.url.startswith(("https://", "http://")):
            raise ValueError(f"url {self.url!r} is neither https nor http")

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class LockEntry:
    """One model name: an exact file, its licence, and either sources or a file inside the package (`bundled`)."""

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    credit: str = ""
    bundled: str = ""  # a file of the package, relative to colormnet_cli/
    training: str = ""  # the command that made a bundled file
    sources: tuple[HubSource | UrlSource, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 {self.sha256!r} is not 64 hexadecimal digits")
        if not isinstance(self.size, int) or self.size <= 0:
            raise ValueError(f"size {self.size!r} is not a number of bytes")
        if Path(self.file).name != self.file:
            raise ValueError(f"file {self.file!r} is not a plain file name")
        if bool(self.bundled) == bool(self.sources):
            raise ValueError("either bundled or sources must be given, and not both")


def default_lock_path() -> Path:
    """$COLORMNET_LOCK, or the file inside the installed package, or the one at the top of a checkout."""
    if os.environ.get(LOCK_VARIABLE):
        return Path(os.environ[LOCK_VARIABLE])
    inside = _PACKAGE / "weights.lock"
    return inside if inside.exists() else _PACKAGE.parent / "weights.lock"


def read_lock(path: Path | None = None) -> dict[str, LockEntry]:
    """The entries of a lock file by model name; a WeightsError names the file and what is wrong in it."""
    path = path or default_lock_path()
    try:
        tables = parse_toml(path.read_text(encoding="utf-8"))
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
        raise ValueError("a model is a table of its own")
    known = {field.name for field in fields(LockEntry)} - {"name"}
    if unknown := sorted(set(table) - known):
        raise ValueError(f"unknown key {unknown[0]!r}")
    sources = tuple(UrlSource(**s) if "url" in s else HubSource(**s) for s in table.get("sources", ()))
    table = {"file": Path(table.get("bundled", "")).name, **table, "sources": sources}
    return LockEntry(name=name, **table)


_TABLE = re.compile(r"(\[\[?)\s*([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\s*(\]\]?)\s*(?:#.*)?")
_PAIR = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"([^"\\]*)"|(\d+))\s*(?:#.*)?')


def parse_toml(text: str) -> dict[str, Any]:
    """The TOML that weights.lock uses (tables, arrays of tables, strings without escapes, whole numbers).

    Python has a TOML reader of its own only from 3.11 on. What is not in this subset is a ValueError, never a guess.
    """
    root: dict[str, Any] = {}
    table = root
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if (match := _TABLE.fullmatch(line)) and len(match[1]) == len(match[3]):
            table = _open_table(root, match[2].split("."), number, append=len(match[1]) == 2)
        elif match := _PAIR.fullmatch(line):
            if match[1] in table:
                raise ValueError(f"line {number}: {match[1]} is given twice")
            table[match[1]] = match[2] if match[3] is None else int(match[3])
        else:
            raise ValueError(f"line {number}: cannot read {line!r}")
    return root


def _open_table(root: dict[str, Any], keys: list[str], number: int, *, append: bool) -> dict[str, Any]:
    parent = root
    for key in keys[:-1]:
        parent = parent.setdefault(key, {})
        if not isinstance(parent, dict):
            raise ValueError(f"line {number}: {key} is no table")
    new: dict[str, Any] = {}
    if append:
        array = parent.setdefault(keys[-1], [])
        if not isinstance(array, list):
            raise ValueError(f"line {number}: {keys[-1]} is no array of tables")
        array.append(new)
    elif keys[-1] in parent:
        raise ValueError(f"line {number}: [{'.'.join(keys)}] is given twice")
    else:
        parent[keys[-1]] = new
    return new
