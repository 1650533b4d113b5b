"""Getting one file from one source. What a source answers, when it does not give the file, is a `SourceError`."""

from __future__ import annotations

import errno
import http.client
import logging
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from ..errors import WeightsError
from .hash_cache import cache_folder
from .hub import hub_cache_folder, hub_library, progress_bar_class, quiet
from .lock import HubSource, LockEntry, UrlSource

__all__ = ["FetchProgress", "OnFetch", "SourceError", "cached_path", "fetch_from", "require_storage"]

_log = logging.getLogger(__name__)
_TIMEOUT_S = 20.0  # without a byte from a plain URL
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
_PIECE = 1 << 18  # bytes between two reports
_SPARE_BYTES = 64 << 20  # to leave free on the disk


@dataclass(frozen=True)
class FetchProgress:
    """How far a download is, in bytes."""

    name: str
    source: str
    done: int
    total: int


OnFetch = Callable[[FetchProgress], None]


class SourceError(Exception):
    """What a source answered instead of giving the file; `retry` where a second try may end otherwise."""

    def __init__(self, answer: str, *, retry: bool = False) -> None:
        super().__init__(answer)
        self.retry = retry


def cached_path(entry: LockEntry, source: HubSource | UrlSource) -> Path | None:
    """Where this source's file lies on disk, unchecked, without any request; None if it does not."""
    if isinstance(source, HubSource):
        found = hub_library().try_to_load_from_cache(
            source.hub, source.path, revision=source.commit, repo_type=source.type
        )
        return Path(found) if isinstance(found, str) else None
    path = _own_path(entry)
    return path if path.exists() else None


def fetch_from(entry: LockEntry, source: HubSource | UrlSource, progress: OnFetch | None) -> Path:
    """Download the file anew and return its path; its hash is the caller's to check. Raises SourceError."""
    report = _Report(entry, str(source), progress)
    if isinstance(source, HubSource):
        return _fetch_hub(entry, source, report)
    return _fetch_url(entry, source, report)


@dataclass
class _Report:
    """Counts bytes and passes them on."""

    entry: LockEntry
    source: str
    callback: OnFetch | None
    done: int = 0

    def add(self, count: int) -> None:
        self.done += count
        if self.callback:
            self.callback(FetchProgress(self.entry.name, self.source, self.done, self.entry.size))


def _own_path(entry: LockEntry) -> Path:
    return cache_folder() / "weights" / entry.sha256[:16] / entry.file


def require_storage(entry: LockEntry) -> None:
    """A WeightsError where what the entry's first source gives could not be stored."""
    folder = hub_cache_folder() if isinstance(entry.sources[0], HubSource) else _own_path(entry).parent
    for place in (folder, cache_folder()):  # the second holds the lock of whoever fetches
        there = _existing(place)
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise WeightsError(
                f"The weights {entry.name!r} cannot be stored: {there} may not be written to; change that, or move the "
                "caches by setting HF_HOME and XDG_CACHE_HOME"
            )
    _require_space(folder, entry)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _require_space(folder: Path, entry: LockEntry) -> None:
    """Half a gigabyte that does not fit is better said before than after the download."""
    folder = _existing(folder)
    free = shutil.disk_usage(folder).free
    if free < entry.size + _SPARE_BYTES:
        raise WeightsError(
            f"The weights {entry.name!r} need {entry.size / 1e6:,.0f} MB in {folder}, where {free / 1e6:,.0f} MB are "
            "free: make room, or move the caches by setting HF_HOME and XDG_CACHE_HOME"
        )


# --- the Hugging Face Hub -------------------------------------------------------------------------------------------


def _fetch_hub(entry: LockEntry, source: HubSource, report: _Report) -> Path:
    hub = hub_library()
    where = {"repo_id": source.hub, "filename": source.path, "revision": source.commit, "repo_type": source.type}
    try:
        # One quick question first: hf_hub_download tries for 23 s to reach a server that is down.
        meta = hub.get_hf_file_metadata(
            hub.hf_hub_url(**where), timeout=hub.constants.HF_HUB_ETAG_TIMEOUT, token=hub.get_token()
        )
        if meta.size is not None and meta.size != entry.size:
            raise SourceError(f"offers a file of {meta.size:,} bytes instead of {entry.size:,}")
        _require_space(hub_cache_folder(), entry)
        _drop_cached(entry, source)
        bar = (
            {"tqdm_class": progress_bar_class(report.add)}
            if "tqdm_class" in signature(hub.hf_hub_download).parameters
            else {}
        )
        report.add(0)  # the first piece may take a while
        with quiet(_PIECE):
            return Path(hub.hf_hub_download(**where, force_download=True, **bar))
    except (SourceError, WeightsError):
        raise
    except Exception as error:  # httpx and requests errors, by version, besides OSError and ValueError
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise
        _log.debug("%s failed", source, exc_info=True)
        if "Consistency check failed" in str(error):  # the library's words for a body of the wrong length
            raise SourceError(f"gave {report.done:,} bytes instead of {entry.size:,}", retry=True) from error
        raise SourceError(_hub_answer(error)) from error


def _drop_cached(entry: LockEntry, source: HubSource) -> None:
    """Remove a cached file that failed its check: without symlinks the Hub's library would not overwrite it."""
    if path := cached_path(entry, source):
        _log.warning("%s is not the file that weights.lock means; fetching it again", path)
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _hub_answer(error: Exception) -> str:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status in (401, 403):
        return (
            f"answered {status}: it is gone, or wants a login (accept its terms on the web site, then set HF_TOKEN or "
            "run `hf auth login`)"
        )
    if status is not None:
        return f"answered {status} {getattr(response, 'reason_phrase', '')}".rstrip()
    if type(error).__name__ == "LocalEntryNotFoundError" and isinstance(error.__cause__, Exception):
        return _first_line(error.__cause__)  # the library's own sentence speaks of a cache, not of what happened
    return _first_line(error)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"failed with {type(error).__name__}: {text[0]}" if text else f"failed with {type(error).__name__}"


# --- plain URLs -----------------------------------------------------------------------------------------------------


def _fetch_url(entry: LockEntry, source: UrlSource, report: _Report) -> Path:
    """To a .part file beside the final name, flushed, then renamed: what has the final name is whole."""
    path = _own_path(entry)
    _require_space(path.parent, entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob("*.part"):  # of a run that was killed; we hold the lock
        left_over.unlink(missing_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        report.add(0)
        with part.open("wb") as file:
            for block in _blocks(entry, source):
                file.write(block)
                report.add(len(block))
            file.flush()
            os.fsync(file.fileno())
        if report.done != entry.size:
            raise SourceError(f"ended after {report.done:,} of {entry.size:,} bytes", retry=True)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _blocks(entry: LockEntry, source: UrlSource) -> Iterator[bytes]:
    """The body of the answer; anything but a body of the right size is SourceError, an error in writing is not."""
    from .. import __version__

    request = urllib.request.Request(source.url, headers={"User-Agent": f"colormnet/{__version__}"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            offered = answer.headers.get("Content-Length")
            if offered is not None and int(offered) != entry.size:
                raise SourceError(f"offers a file of {int(offered):,} bytes instead of {entry.size:,}")
            while block := _read(answer):
                yield block
    except urllib.error.HTTPError as error:
        raise SourceError(f"answered {error.code} {error.reason}".rstrip(), retry=error.code >= 500) from error
    except urllib.error.URLError as error:
        raise SourceError(f"could not be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:  # it was reached, and did not answer, or not in HTTP
        raise SourceError(_first_line(error), retry=True) from error
    except ValueError as error:  # HTTPS_PROXY is no address, say
        raise SourceError(_first_line(error)) from error


def _read(answer: Any) -> bytes:
    try:
        block: bytes = answer.read(_PIECE)
    except Exception as error:  # timeouts, resets, http.client.IncompleteRead
        raise SourceError(_first_line(error), retry=True) from error
    return block
