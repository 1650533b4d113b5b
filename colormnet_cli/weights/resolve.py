"""From an entry of weights.lock to exactly its file: on disk, or downloaded, or an error that says why not."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from ..errors import DownloadError, WeightsError
from ..files import file_sha256, write_whole
from .download import FetchProgress, OnFetch, SourceError, fetch_url
from .hub import cached_in_hub, fetch_hub, hub_cache_folder, is_offline
from .lock import HubSource, LockEntry, Source, add_file, read_lock, user_lock_path

__all__ = ["Notice", "cache_folder", "candidates", "ensure", "find", "require_storage"]

_log = logging.getLogger(__name__)
_SPARE_BYTES = 64 << 20  # to leave free on the disk

Notice = Callable[[str], None]


def cache_folder() -> Path:
    """Where this program keeps files that it can download or compute again."""
    return Path(platformdirs.user_cache_dir("colormnet", appauthor=False))


# --- on disk --------------------------------------------------------------------------------------------------------


def find(entry: LockEntry, *, rehash: bool = False) -> Path | None:
    """The path of the right file if it is on disk; no request is made. `rehash` ignores the hash cache."""
    right = (path for path in candidates(entry) if _has_hash(path, entry.size, entry.sha256, rehash=rehash))
    return next(right, None)


def candidates(entry: LockEntry) -> list[Path]:
    """Where the entry's file may be on disk, right or not."""
    downloads = (_downloaded(entry, source) for source in entry.sources)
    local = [entry.local_path] if entry.local_path else []
    return list(dict.fromkeys([*local, *(path for path in downloads if path and path.exists())]))


def _downloaded(entry: LockEntry, source: Source) -> Path | None:
    return cached_in_hub(source) if isinstance(source, HubSource) else _download_path(entry)


def _download_path(entry: LockEntry) -> Path:
    """Where downloads from plain URLs are stored."""
    return cache_folder() / "weights" / _id(entry) / entry.file


def _id(entry: LockEntry) -> str:
    return entry.sha256[:16] or entry.name


def _has_hash(path: Path, size: int, sha256: str, *, rehash: bool = False) -> bool:
    """Whether `path` is a file of this size and SHA-256.

    Hashing half a gigabyte takes up to a second, so a match is cached by path, size and modification time.
    """
    try:
        path = path.resolve(strict=True)
        stat = path.stat()
        if stat.st_size != size:
            return False
        known = {"size": size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256}
        if not rehash and _cached_hashes().get(str(path)) == known:
            return True
        if file_sha256(path) != sha256:
            return False
    except OSError as error:
        _log.debug("%s cannot be hashed: %s", path, error)
        return False
    _cache_hash(path, known)
    return True


def _hash_cache() -> Path:
    return cache_folder() / "hashes.json"


def _cached_hashes() -> dict[str, Any]:
    try:
        cached = json.loads(_hash_cache().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cached if isinstance(cached, dict) else {}


def _cache_hash(path: Path, known: dict[str, Any]) -> None:
    """Failing to write only costs time: the file is hashed again next time."""
    others = {name: other for name, other in _cached_hashes().items() if Path(name).exists()}
    try:
        _hash_cache().parent.mkdir(parents=True, exist_ok=True)
        write_whole(_hash_cache(), json.dumps({**others, str(path): known}, indent=1).encode())
    except OSError as error:
        _log.debug("the hash of %s cannot be cached: %s", path, error)


def require_storage(entry: LockEntry) -> None:
    """Raise WeightsError where a download from the entry's first source could not be stored."""
    hub = isinstance(entry.sources[0], HubSource)
    folder = _existing(hub_cache_folder() if hub else _download_path(entry).parent)
    advice = "or move the caches by setting HF_HOME and XDG_CACHE_HOME"
    for place in (folder, _existing(cache_folder())):  # the second holds the lock of the download
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise WeightsError(
                f"The weights {entry.name!r} cannot be stored: {place} is not writable; change that, {advice}"
            )
    if (free := shutil.disk_usage(folder).free) < entry.size + _SPARE_BYTES:
        raise WeightsError(
            f"The weights {entry.name!r} need {entry.size / 1e6:,.0f} MB in {folder}, where {free / 1e6:,.0f} MB are "
            f"free: make room, {advice}"
        )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest parent that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


# --- downloads ------------------------------------------------------------------------------------------------------


def ensure(entry: LockEntry, *, notice: Notice | None = None, progress: OnFetch | None = None) -> Path:
    """The path of the right file, downloaded if need be.

    `notice` gets sentences for people, among them the license before the first download; `progress` gets the bytes.

    Raises:
        WeightsError: no source gave exactly this file, or it cannot be stored.
    """
    if path := find(entry):
        return path
    if not entry.sources:
        added = Path(entry.path).is_absolute()
        advice = f"add it again under the name {entry.name!r}" if added else "reinstall this program"
        raise WeightsError(f"{entry.local_path} is missing, or another file than it was: {advice}")
    say = notice or _log.warning
    try:
        with _one_at_a_time(entry, say):
            return find(entry) or _download(entry, say, progress)  # another process may have downloaded it by now
    except OSError as error:
        raise WeightsError(f"The weights {entry.name!r} cannot be stored: {error}") from error


def _download(entry: LockEntry, say: Notice, progress: OnFetch | None) -> Path:
    if is_offline():
        sources = ", ".join(map(str, entry.sources))
        raise _unavailable(entry, f"HF_HUB_OFFLINE is set, which forbids asking {sources}", "Unset it")
    require_storage(entry)
    size = f"{entry.size / 1e6:,.0f} MB" if entry.size else "of unknown size"
    credit = f" ({entry.credit})" if entry.credit else ""
    say(
        f"Downloading the weights {entry.name!r}, {size}, from {entry.sources[0]}. Their license: "
        f"{entry.license}{credit}."
    )
    failures = []
    for source in entry.sources:
        try:
            path = _download_from(source, entry, progress)
        except SourceError as error:
            failures.append(f"{source} {error}")
            if source is not entry.sources[-1]:
                say(f"Downloading failed: {failures[-1]}; trying the next source.")
            continue
        if not entry.sha256:
            sha256 = add_file(entry.name, path).sha256
            say(
                f"Nobody has verified the weights {entry.name!r} yet: {user_lock_path()} now holds the sha256 of this "
                f"first download, {sha256}, and no other file will be accepted."
            )
        return path
    raise _unavailable(entry, "; ".join(failures), "Try again later")


def _download_from(source: Source, entry: LockEntry, progress: OnFetch | None, attempts: int = 2) -> Path:
    """The right file from this source; SourceError where it did not come, after a retry where that may help."""
    done = 0

    def count(number: int) -> None:
        nonlocal done
        done += number
        if progress:
            progress(FetchProgress(entry.name, str(source), done, entry.size or None))

    count(0)  # the first bytes may take a while
    try:
        if isinstance(source, HubSource):
            path = fetch_hub(source, entry.size, count)
        else:
            path = _download_path(entry)
            fetch_url(source, path, entry.size, count)
        if not entry.sha256 or _has_hash(path, entry.size, entry.sha256, rehash=True):
            return path
        for wrong in (path.resolve(), path):  # neither a later run nor another program must find it
            wrong.unlink(missing_ok=True)
        raise SourceError("gave a file with another sha256", retry=True)
    except SourceError as error:
        if attempts == 1 or not error.retry:
            raise
        _log.info("%s %s; trying once more", source, error)
        return _download_from(source, entry, progress, attempts - 1)


def _unavailable(entry: LockEntry, why: str, remedy: str) -> DownloadError:
    names = read_lock()
    if entry.name in names:  # not for the weights that training starts from
        setting = "model" if entry.network != "DDColor" else "auto_model"
        if setting == "model" and entry.name != "preview" and "preview" in names:
            remedy += ', use the small model that is part of this program (`model="preview"`)'
        facts = f" ({entry.size:,} bytes, sha256 {entry.sha256})" if entry.sha256 else ""
        remedy += f", or get {entry.file}{facts} from elsewhere and give its path (`{setting}=PATH`)"
    return DownloadError(f"The weights {entry.name!r} could not be downloaded: {why}. {remedy}")


@contextmanager
def _one_at_a_time(entry: LockEntry, say: Notice) -> Iterator[None]:
    """Two processes that start together download once. Without this lock each would, and both files would be right."""
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    lock = cache_folder() / "locks" / f"{_id(entry)}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(lock, timeout=0.5))
        except TimeoutError:
            say(f"Another process is downloading the weights {entry.name!r}; waiting for it.")
            stack.enter_context(WeakFileLock(lock))
        yield
