"""From a model name to exactly the file that weights.lock means: on disk, or fetched, or a sentence on why not."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import WeightsError
from .download import OnFetch, SourceError, cached_path, fetch_from
from .hash_cache import cache_folder, has_hash
from .hub import is_offline
from .lock import HubSource, LockEntry, UrlSource, read_lock

__all__ = ["Notice", "describe_license", "ensure", "find", "locate"]

_log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).resolve().parent.parent

Notice = Callable[[str], None]


def locate(name_or_path: str | Path) -> LockEntry | Path:
    """The lock's entry of a model name, or the path of an existing file."""
    entries = read_lock()
    if isinstance(name_or_path, str) and name_or_path in entries:
        return entries[name_or_path]
    path = Path(os.path.expanduser(name_or_path))
    if os.path.isfile(path):  # pathlib's own two raise for a home that is not there, and for a name that is too long
        return path
    names = ", ".join(entries)
    if os.path.isdir(path):
        raise WeightsError(f"{path} is a folder: give a file of weights, or one of the names {names}")
    raise WeightsError(f"There is neither a file of weights {str(name_or_path)!r} nor a model of that name ({names})")


def find(entry: LockEntry, *, rehash: bool = False) -> Path | None:
    """The path of the right file where it is on disk already; no request is made. None where it is not."""
    for path in candidates(entry):
        if has_hash(path, entry.size, entry.sha256, trust_memory=not rehash):
            return path
    return None


def candidates(entry: LockEntry) -> list[Path]:
    """Where the entry's file lies on disk, right or not."""
    if entry.bundled:
        return [_PACKAGE / entry.bundled]
    found = (cached_path(entry, source) for source in entry.sources)
    return list(dict.fromkeys(path for path in found if path))


def ensure(entry: LockEntry, *, notice: Notice | None = None, progress: OnFetch | None = None) -> Path:
    """The path of the right file, fetched if need be. `notice` gets the license before the first download."""
    if path := find(entry):
        return path
    if entry.bundled:
        raise WeightsError(
            f"{_PACKAGE / entry.bundled}, which comes with this program, is missing or damaged: install it anew"
        )
    say = notice or _log.warning
    try:
        with _one_at_a_time(entry, say):
            return find(entry) or _fetch(entry, say, progress)  # another process may have fetched it by now
    except OSError as error:
        raise WeightsError(f"The weights {entry.name!r} cannot be stored: {error}") from error


def _fetch(entry: LockEntry, say: Notice, progress: OnFetch | None) -> Path:
    if is_offline():
        sources = ", ".join(map(str, entry.sources))
        raise WeightsError(
            f"The weights {entry.name!r} could not be had: HF_HUB_OFFLINE is set, and keeps from asking {sources}. "
            f"Unset it,{_other_ways(entry)}"
        )
    answers: list[tuple[HubSource | UrlSource, str]] = []
    for source in entry.sources:
        if not answers:
            say(describe_license(entry))
        answer = ""
        for _ in range(2):  # the second time where the answer may have been an accident
            try:
                path = fetch_from(entry, source, progress)
            except SourceError as error:
                answer = str(error)
                if not error.retry:
                    break
            else:
                if has_hash(path, entry.size, entry.sha256, trust_memory=False):
                    return path
                answer = "gave a file with another sha256"
                _forget(path)
            _log.info("%s %s", source, answer)
        answers.append((source, answer))
        if source is not entry.sources[-1]:
            say(f"{_upper(str(source))} {answer}; trying the next source.")
    raise WeightsError(_all_failed(entry, answers))


def _forget(path: Path) -> None:
    """A downloaded file that is not the right one must not lie where a later run, or another program, finds it."""
    for name in (path.resolve(), path):
        with contextlib.suppress(OSError):
            name.unlink()


def describe_license(entry: LockEntry) -> str:
    """What a person should know before the first download: size, source, license."""
    credit = f" ({entry.credit})" if entry.credit else ""
    return (
        f"Fetching the weights {entry.name!r}, {entry.size / 1e6:,.0f} MB, from {entry.sources[0]}. "
        f"Their license: {entry.license}{credit}."
    )


def _all_failed(entry: LockEntry, answers: list[tuple[HubSource | UrlSource, str]]) -> str:
    told = "; ".join(f"{source} {answer}" for source, answer in answers)
    return f"The weights {entry.name!r} could not be had: {told}. Try again later,{_other_ways(entry)}"


def _other_ways(entry: LockEntry) -> str:
    preview = " take the small model that comes along with `--model preview`," if _has_preview(entry) else ""
    return (
        f"{preview} or bring {entry.file} ({entry.size:,} bytes, sha256 {entry.sha256}) yourself and give it as "
        "`--model PATH`"
    )


def _has_preview(entry: LockEntry) -> bool:
    with contextlib.suppress(WeightsError):
        return entry.name != "preview" and "preview" in read_lock()
    return False


def _upper(text: str) -> str:
    return text if text.startswith("http") else text[:1].upper() + text[1:]


@contextmanager
def _one_at_a_time(entry: LockEntry, say: Notice) -> Iterator[None]:
    """Two processes that start at once download once. The files are safe without it: each is renamed when whole."""
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    lock = cache_folder() / "locks" / f"{entry.sha256[:16]}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(lock, timeout=0.5))
        except TimeoutError:
            say(f"Another process is fetching the weights {entry.name!r}; waiting for it.")
            stack.enter_context(WeakFileLock(lock))
        yield
