"""Downloads from the Hugging Face Hub, by huggingface_hub with its own cache and environment variables."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from .download import CHUNK, Count, SourceError, check_size, first_line
from .lock import HubSource

__all__ = ["cached_in_hub", "fetch_hub", "hub_cache_folder", "is_offline"]

_log = logging.getLogger(__name__)
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


def _library() -> ModuleType:
    """huggingface_hub, imported late because it is slow, and without its telemetry request."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub
    import huggingface_hub.constants

    return huggingface_hub


def hub_cache_folder() -> Path:
    """Where huggingface_hub keeps its downloads."""
    return Path(_library().constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids every request."""
    return bool(_library().constants.HF_HUB_OFFLINE)


def cached_in_hub(source: HubSource) -> Path | None:
    """Where the file lies in huggingface_hub's cache, unchecked; no request is made."""
    found = _library().try_to_load_from_cache(source.hub, source.path, revision=source.commit, repo_type=source.type)
    return Path(found) if isinstance(found, str) else None


def fetch_hub(source: HubSource, size: int, count: Count) -> Path:
    """Download a file of this size (0: any) again into huggingface_hub's cache.

    Raises:
        SourceError: the Hub did not give it completely.
        OSError: the file cannot be written.
    """
    hub = _library()
    where = {"repo_id": source.hub, "filename": source.path, "revision": source.commit, "repo_type": source.type}
    received = 0

    def add(number: int) -> None:
        nonlocal received
        received += number
        count(number)

    try:
        # A short request first: hf_hub_download retries for 23 s where the server is down.
        url, timeout = hub.hf_hub_url(**where), hub.constants.HF_HUB_ETAG_TIMEOUT
        offered = hub.get_hf_file_metadata(url, timeout=timeout, token=hub.get_token()).size
        check_size(offered, size)
        if cached := cached_in_hub(source):  # a file that failed its check; without symlinks it would not be replaced
            cached.resolve().unlink(missing_ok=True)
            cached.unlink(missing_ok=True)
        with _quiet(hub):
            return Path(hub.hf_hub_download(**where, force_download=True, tqdm_class=_progress_bar_class(add)))
    except SourceError:
        raise
    except Exception as error:  # by version errors of httpx or requests, besides OSError and ValueError
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise
        _log.debug("%s failed", source, exc_info=True)
        if "Consistency check failed" in str(error):  # huggingface_hub's words for a body of another length
            raise SourceError(f"gave {received:,} bytes instead of {offered:,}", retry=True) from error
        raise SourceError(_reason(error)) from error


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status in (401, 403):
        return (
            f"answered {status}: the file is gone, or needs a login (accept its terms on the web site, then set "
            "HF_TOKEN or run `hf auth login`)"
        )
    if status is not None:
        return f"answered {status} {getattr(response, 'reason_phrase', '')}".rstrip()
    if type(error).__name__ == "LocalEntryNotFoundError" and isinstance(error.__cause__, Exception):
        return first_line(error.__cause__)  # the error itself is about the cache, its cause about the network
    return first_line(error)


@contextmanager
def _quiet(hub: ModuleType) -> Iterator[None]:
    """Without huggingface_hub's messages, which would break a progress line, and with progress every CHUNK bytes: its
    own chunks of 10 MB take a slow connection a minute each."""
    verbosity, chunk = hub.logging.get_verbosity(), hub.constants.DOWNLOAD_CHUNK_SIZE
    if not _log.isEnabledFor(logging.INFO):
        hub.logging.set_verbosity_error()
    hub.constants.DOWNLOAD_CHUNK_SIZE = min(CHUNK, chunk)
    try:
        yield
    finally:
        hub.logging.set_verbosity(verbosity)
        hub.constants.DOWNLOAD_CHUNK_SIZE = chunk


def _progress_bar_class(count: Count) -> type[Any]:
    """A tqdm that draws nothing and passes the bytes of each update to `count`."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *_: Any, desc: str = "", **__: Any) -> None:
            super().__init__(disable=True)
            # With Xet there are two bars; the one for bytes on the wire may count fewer than the file has.
            self.counts = "downloading bytes" not in desc.lower()

        def update(self, n: float | None = 1) -> None:
            if self.counts:
                count(int(n or 0))

    return Bar
