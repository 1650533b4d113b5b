"""Two threads around a loop: nothing is lost, reordered or left waiting for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from colormnet_cli.film.prefetch import BackgroundWriter, Prefetch


def test_everything_arrives_in_order() -> None:
    """A frame lost between threads shifts the film."""
    done: list[int] = []
    with Prefetch.of(range(200), 2) as items, BackgroundWriter(done.append, 2) as behind:
        for item in items:
            behind.put(item * 2)
    assert done == [item * 2 for item in range(200)]


def test_what_cannot_even_begin_is_an_error() -> None:
    """The loop would wait for ever for the first frame."""

    class Gone:
        def __iter__(self) -> Iterator[int]:
            raise OSError("gone")

    waited: list[float] = []

    def idle() -> None:
        waited.append(time.monotonic())
        if waited[-1] - waited[0] > 5:
            raise TimeoutError("it hangs")

    with pytest.raises(OSError, match="gone"), Prefetch.of(Gone(), 2, idle) as items:
        next(items)


def test_no_more_is_made_than_fits() -> None:
    """Decoding an hour ahead would fill the memory."""
    made: list[int] = []
    with Prefetch.of((made.append(i) or i for i in range(100)), 3) as items:
        next(items)
        time.sleep(0.2)
        assert len(made) <= 5


def test_an_error_of_the_decoder_comes_where_its_frame_would() -> None:
    """What was decoded before is still used."""

    def broken() -> Iterator[int]:
        yield from range(3)
        raise ValueError("no more")

    seen: list[int] = []
    with pytest.raises(ValueError, match="no more"), Prefetch.of(broken(), 2) as items:
        seen.extend(items)
    assert seen == [0, 1, 2]


def test_an_error_of_the_encoder_ends_the_loop() -> None:
    """The network would otherwise go on for a film that cannot be written."""

    def work(item: int) -> None:
        if item == 3:
            raise OSError("disk")

    put = []
    with pytest.raises(OSError, match="disk"), BackgroundWriter(work, 1) as behind:  # noqa: PT012
        for item in range(1000):
            behind.put(item)
            put.append(item)
    assert len(put) < 10
    with pytest.raises(OSError, match="disk"), BackgroundWriter(work, 10) as behind:
        behind.put(3)  # fails after the last put


def test_leaving_early_leaves_no_thread() -> None:
    """Ctrl-C in the middle: both threads end, the decoder's files are closed."""
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), Prefetch.of(endless(), 2) as items, BackgroundWriter(id, 2) as behind:  # noqa: PT012
        behind.put(next(items))
        raise KeyboardInterrupt
    assert closed.wait(30)
    assert threading.active_count() == before


def test_idle_is_called_while_the_first_item_takes_long() -> None:
    """Progress while the place of a broken run is looked for."""
    calls: list[int] = []

    def slow() -> Iterator[int]:
        time.sleep(0.7)
        yield 1

    with Prefetch.of(slow(), 1, lambda: calls.append(1)) as items:
        assert list(items) == [1]
    assert calls


def test_workers_keep_the_order() -> None:
    """Pictures are read by several threads; the second must not overtake the first."""

    def read(number: int) -> int:
        time.sleep(0.02 if number % 2 else 0)
        return number

    calls = (lambda number=number: read(number) for number in range(20))
    with Prefetch(calls, 4, workers=3) as items:
        assert list(items) == list(range(20))
