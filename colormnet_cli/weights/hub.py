"""huggingface_hub, imported late: its folder, its silence, and our progress instead of its bars."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["hub_cache_folder", "hub_library", "is_offline", "progress_bar_class", "quiet"]

_log = logging.getLogger(__name__)


def hub_library() -> ModuleType:
    """huggingface_hub, imported late (it is slow) and without its extra request at start."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub
    import huggingface_hub.constants

    return huggingface_hub


def hub_cache_folder() -> Path:
    """Where huggingface_hub keeps what it downloads."""
    return Path(hub_library().constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids every request."""
    return bool(hub_library().constants.HF_HUB_OFFLINE)


@contextmanager
def quiet(piece: int) -> Iterator[None]:
    """The library's messages would break our progress line: they stay where ours are verbose. Its pieces of 10 MB would
    leave a slow line without a sign for a minute: they get no larger than `piece` bytes."""
    hub = hub_library()
    verbosity, largest = hub.logging.get_verbosity(), hub.constants.DOWNLOAD_CHUNK_SIZE
    if not _log.isEnabledFor(logging.INFO):
        hub.logging.set_verbosity_error()
    hub.constants.DOWNLOAD_CHUNK_SIZE = min(piece, largest)
    try:
        yield
    finally:
        hub.logging.set_verbosity(verbosity)
        hub.constants.DOWNLOAD_CHUNK_SIZE = largest


def progress_bar_class(add: Callable[[int], None]) -> type[Any]:
    """A class with as much of tqdm's face as huggingface_hub uses, which hands `add` the bytes that have come."""

    class Bar:
        def __init__(self, *_: Any, total: float | None = None, initial: float = 0, desc: str = "", **__: Any) -> None:
            self.total, self.n, self.desc = total, initial, desc
            # Xet shows two bars; the one for bytes over the wire may count fewer than the file has.
            self.counts = "downloading bytes" not in desc

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self.counts:
                add(int(n or 0))

        def __getattr__(self, _: str) -> Callable[..., None]:
            return lambda *args, **kwargs: None  # close, refresh, set_description, set_postfix_str, ...

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    return Bar
