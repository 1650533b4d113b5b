"""Threads around a loop: one side prepares what comes next, the other finishes what is done. Bounded; errors are kept.

>>> with Prefetch(calls, depth=2) as items, BackgroundWriter(encode, depth=2) as writer:
...     for item in items:
...         writer.put(work(item))
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from itertools import islice
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["BackgroundWriter", "Prefetch"]

T = TypeVar("T")

_POLL = 0.2  # seconds after which a waiting loop calls `idle`
_END: Any = object()


class Prefetch(Generic[T]):
    """The results of calls, in order, at most `depth` of them ahead of the loop; an error comes in its item's place.

    Args:
        calls: each gives one item; taken by the loop's thread, run by the workers.
        depth: items that are prepared at most while the loop works on another.
        workers: threads; calls of one worker run in order.
        idle: called now and then while the loop waits.
    """

    def __init__(
        self, calls: Iterable[Callable[[], T]], depth: int, *, workers: int = 1, idle: Callable[[], None] = lambda: None
    ) -> None:
        self._calls, self._depth, self._idle = iter(calls), depth, idle
        self._pool = ThreadPoolExecutor(workers, "prefetch")
        self._pending: deque[Future[T]] = deque()
        self._close: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, items: Iterable[T], depth: int, idle: Callable[[], None] = lambda: None) -> Prefetch[T]:
        """Run an iteration on a thread of its own; a generator is also closed there."""
        iterator: Iterator[T] | None = None

        def advance() -> T:
            nonlocal iterator
            if iterator is None:
                iterator = iter(items)  # may raise as well
            return next(iterator, _END)

        prefetch = cls(iter(lambda: advance, None), depth, idle=idle)
        prefetch._close = lambda: getattr(iterator, "close", lambda: None)()
        return prefetch

    def __enter__(self) -> Iterator[T]:
        return iter(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pending in self._pending:
            pending.cancel()
        self._pool.submit(self._close)
        self._pool.shutdown()

    def __iter__(self) -> Iterator[T]:
        while True:
            room = self._depth + 1 - len(self._pending)
            self._pending.extend(self._pool.submit(call) for call in islice(self._calls, room))
            if not self._pending:
                return
            item = self._next()
            if item is _END:
                return
            yield item

    def _next(self) -> T:
        pending = self._pending.popleft()
        while True:
            try:
                return pending.result(timeout=_POLL)
            except NotYet:
                if pending.done():  # raised by the call itself
                    raise
                self._idle()


class BackgroundWriter(Generic[T]):
    """Calls `work` with every item on other threads, at most `depth` items behind the loop.

    An error is raised by the next `put` or `check`, by `drain`, or at the end of the with block; after it nothing is
    worked on.
    """

    def __init__(self, work: Callable[[T], None], depth: int, *, workers: int = 1) -> None:
        self._work, self._depth = work, depth
        self._pool = ThreadPoolExecutor(workers, "write")
        self._pending: deque[Future[None]] = deque()
        self._failed = threading.Event()

    def __enter__(self) -> BackgroundWriter[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                self.drain()
        finally:
            self._pool.shutdown()  # what was handed over is still worked on

    def put(self, item: T) -> Future[None]:
        """Hand an item over; waits while `depth` of them are pending. The future is done when the item is worked on."""
        future = self._pool.submit(self._do, item)
        self._pending.append(future)
        while len(self._pending) > self._depth:
            self._pending.popleft().result()
        self.check()
        return future

    def check(self) -> None:
        """Raise an error that came in the meantime."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()

    def drain(self) -> None:
        """Wait until everything that was handed over is worked on."""
        while self._pending:
            self._pending.popleft().result()

    def _do(self, item: T) -> None:
        if self._failed.is_set():
            return
        try:
            self._work(item)
        except BaseException:
            self._failed.set()
            raise
