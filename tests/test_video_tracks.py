"""Packets of the streams beside the picture, from a source that is damaged in many places."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av

from colormnet_cli.video.tracks import copied_packets


class Scratched:
    """A source whose every second read fails; or, behind its last packet, all of them."""

    streams = (None,)

    def __init__(self, packets: int, ends: bool):
        self.left, self.ends, self.reads = packets, ends, 0

    def demux(self, streams: Any) -> Iterator[Any]:
        self.reads += 1
        if self.left:
            self.left -= 1
            yield SimpleNamespace(size=1, stream_index=0, number=self.left)
        elif self.ends:
            return
        raise av.error.InvalidDataError(0, "damaged")


class Plain:
    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        yield Fraction(0), packet.number

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        yield Fraction(0), "flushed"


def test_sound_goes_on_behind_many_damaged_places() -> None:
    """A worn tape's sound would fall silent for good at its 200th damaged place, and nobody would say so."""
    came = [packet for _, packet in copied_packets(Scratched(500, ends=True), {0: Plain()})]  # type: ignore[arg-type,dict-item]
    assert came == list(range(499, -1, -1))


def test_a_source_that_gives_no_more_packets_ends() -> None:
    """A run would never end where a file is broken from some place on."""
    source = Scratched(3, ends=False)
    came = [packet for _, packet in copied_packets(source, {0: Plain()})]  # type: ignore[arg-type,dict-item]
    assert came == [2, 1, 0, "flushed"]
    assert source.reads < 300
