"""Two threads around a loop: one makes what comes next, one finishes what is done. Bounded, and no error is lost.

>>> with Ahead(decode(), depth=2) as items, Behind(encode, depth=2) as behind:
...     for item in items:
...         behind.put(work(item))
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["Ahead", "Behind"]

T = TypeVar("T")

_POLL = 0.2  # seconds after which a waiting thread looks whether the other side has gone
_SHORT = 0.01  # seconds between two looks at whether all is done


class Ahead(Generic[T]):
    """Iterates on a thread of its own, at most `depth` items ahead; its error is raised where the item would come.

    `idle` is called now and then while the iteration waits.
    """

    def __init__(self, items: Iterable[T], depth: int, idle: Callable[[], None] = lambda: None) -> None:
        self._items, self._idle = items, idle
        self._queue: queue.Queue[tuple[str, T | BaseException | None]] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="decode", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return iter(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                what, item = self._queue.get(timeout=_POLL)
            except queue.Empty:
                self._idle()
                continue
            if what == "item":
                yield item  # type: ignore[misc]
            elif isinstance(item, BaseException):
                raise item
            else:
                return

    def _work(self) -> None:
        iterator: Iterator[T] | None = None
        try:
            iterator = iter(self._items)  # may raise as well
            for item in iterator:
                if not self._put(("item", item)):
                    return
            self._put(("end", None))
        except BaseException as error:
            self._put(("error", error))
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:  # a generator's files are closed on the thread that opened them
                close()

    def _put(self, entry: tuple[str, T | BaseException | None]) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(entry, timeout=_POLL)
                return True
            except queue.Full:
                continue
        return False


class Behind(Generic[T]):
    """Calls `work` with every item on a thread of its own, at most `depth` items behind.

    Its error is raised by the next `put`, or at the end of the with block; then nothing more is worked on.
    """

    def __init__(self, work: Callable[[T], None], depth: int) -> None:
        self._work_on = work
        self._queue: queue.Queue[T | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="encode", daemon=True)

    def __enter__(self) -> Behind[T]:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._send(None)
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    def put(self, item: T) -> None:
        """Hand an item over; waits while `depth` of them lie there."""
        self._send(item)
        if self._error is not None:
            raise self._error

    def drain(self) -> None:
        """Wait until everything that was handed over is worked on."""
        while self._thread.is_alive() and self._queue.unfinished_tasks:
            time.sleep(_SHORT)
        if self._error is not None:
            raise self._error

    def _send(self, item: T | None) -> None:
        while self._thread.is_alive():
            try:
                self._queue.put(item, timeout=_POLL)
                return
            except queue.Full:
                continue

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._work_on(item)
            except BaseException as error:
                self._error = error
                return
            self._queue.task_done()
