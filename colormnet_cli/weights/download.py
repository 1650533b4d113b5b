"""Downloads from plain URLs, and what they share with those from the Hugging Face Hub: progress and errors."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .lock import UrlSource

__all__ = ["CHUNK", "Count", "FetchProgress", "OnFetch", "SourceError", "check_size", "fetch_url", "first_line"]

CHUNK = 1 << 18  # bytes between two reports of progress
_TIMEOUT_S = 20.0  # without a byte from the server

Count = Callable[[int], None]  # called with the number of bytes that have arrived since the last call


@dataclass(frozen=True)
class FetchProgress:
    """State of a download, in bytes."""

    name: str
    source: str
    done: int
    total: int | None  # None where the lock file does not know the size


OnFetch = Callable[[FetchProgress], None]


class SourceError(Exception):
    """Why a source did not give the file; with `retry` a second attempt may succeed."""

    def __init__(self, reason: str, *, retry: bool = False) -> None:
        super().__init__(reason)
        self.retry = retry


def check_size(offered: int | None, expected: int) -> None:
    """Raise SourceError where the server announces a file of another size than expected (0: any)."""
    if expected and offered not in (None, expected):
        raise SourceError(f"offers a file of {offered:,} bytes instead of {expected:,}")


def first_line(error: Exception) -> str:
    """An exception of another library as part of a sentence."""
    lines = str(error).strip().splitlines()
    return f"failed with {type(error).__name__}" + (f": {lines[0]}" if lines else "")


def fetch_url(source: UrlSource, path: Path, size: int, count: Count) -> None:
    """Download a file of this size (0: any) to a temporary file beside `path`, flush it to disk and rename it.

    Raises:
        SourceError: the server did not give it completely.
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob("*.part"):  # of a killed process: no other downloads this file at the same time
        stale.unlink(missing_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            for chunk in _chunks(source, size):
                file.write(chunk)
                count(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _chunks(source: UrlSource, size: int) -> Iterator[bytes]:
    """The response's body. Raises SourceError for everything that the server or the network does."""
    from .._version import __version__

    request = urllib.request.Request(source.url, headers={"User-Agent": f"colormnet/{__version__}"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            length = response.headers.get("Content-Length")
            check_size(int(length) if length else None, size)
            expected, done = size or int(length or 0), 0
            while chunk := response.read(CHUNK):
                yield chunk
                done += len(chunk)
        if expected and done != expected:  # a connection that was closed early is no error of urllib's
            raise SourceError(f"ended after {done:,} of {expected:,} bytes", retry=True)
    except urllib.error.HTTPError as error:
        raise SourceError(f"answered {error.code} {error.reason}".rstrip(), retry=error.code >= 500) from error
    except urllib.error.URLError as error:
        raise SourceError(f"could not be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:  # a timeout, a closed connection, a reply that is not HTTP
        raise SourceError(first_line(error), retry=True) from error
    except ValueError as error:  # HTTPS_PROXY is not a URL, for example
        raise SourceError(first_line(error)) from error
