"""Packets of the streams beside the picture, from a source that is damaged in many places."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import count
from types import SimpleNamespace
from typing import Any

import av
import pytest

from colormnet_cli.errors import OutputError
from colormnet_cli.video.stream_packets import TimeRange, TranscodedAudio, other_packets


class Scratched:
    """A source whose every second read fails; or, behind its last packet, all of them."""

    def __init__(self, packets: int, ends: bool):
        self.left, self.ends, self.reads = packets, ends, 0
        self.file = av.open(io.BytesIO(), "w", format="nut")
        self.streams = (self.file.add_stream("pcm_s16le", rate=8000),)

    def demux(self, streams: Any) -> Iterator[Any]:
        self.reads += 1
        if self.left:
            self.left -= 1
            yield SimpleNamespace(size=1, stream=self.streams[0], number=self.left)
        elif self.ends:
            return
        raise av.error.InvalidDataError(0, "damaged")


class Plain:
    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        if packet.size:
            yield Fraction(0), packet.number

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        yield Fraction(0), "flushed"


def test_sound_goes_on_behind_many_damaged_places() -> None:
    """A worn tape's sound would fall silent for good at its 200th damaged place, and nobody would say so."""
    came = [packet for _, packet in other_packets(Scratched(500, ends=True), {0: Plain()})]  # type: ignore[arg-type,dict-item]
    assert came == [*range(499, -1, -1), "flushed"]


def test_a_source_that_gives_no_more_packets_ends() -> None:
    """A run would never end where a file is broken from some place on."""
    source = Scratched(3, ends=False)
    came = [packet for _, packet in other_packets(source, {0: Plain()})]  # type: ignore[arg-type,dict-item]
    assert came == [2, 1, 0, "flushed"]
    assert source.reads < 300


def timed(instants: Iterable[int]) -> Scratched:
    """A source of sound with a packet at each instant, in seconds."""
    source = Scratched(0, ends=True)
    source.demux = lambda streams: (  # type: ignore[method-assign]
        SimpleNamespace(size=1, stream=streams[0], number=n, pts=n, time_base=Fraction(1)) for n in instants
    )
    return source


def test_what_lies_behind_the_part_is_not_read() -> None:
    """Ten seconds out of a film of two hours would wait for all of its gigabytes to be read."""
    came = [packet for _, packet in other_packets(timed(count()), {0: Plain()}, Fraction(7))]  # type: ignore[arg-type,dict-item]
    assert came[:7] == list(range(7))
    assert came[-1] == "flushed"
    assert len(came) < 200


def test_damaged_instants_do_not_end_the_sound() -> None:
    """A few packets that say they lie hours ahead would leave the rest of the part silent."""
    instants = [0, 1, *[10**6] * 50, 2, 3]
    came = [packet for _, packet in other_packets(timed(instants), {0: Plain()}, Fraction(7))]  # type: ignore[arg-type,dict-item]
    assert came == [*instants, "flushed"]


class Refusing(TranscodedAudio):
    """A track whose encoder breaks down."""

    def __init__(self) -> None:
        broken = SimpleNamespace(encode=self.encode, codec_context=SimpleNamespace(name="aac"))
        super().__init__(SimpleNamespace(index=1, type="audio"), broken, TimeRange(), "mp4")

    def encode(self, frame: Any) -> Any:
        raise av.error.ExternalError(0, "no room in the frame")


def test_an_encoder_that_fails_is_no_damaged_place_of_the_source() -> None:
    """The film would come out without its sound, and nobody would say so."""
    with pytest.raises(OutputError, match=r"Audio stream 1 cannot be converted to aac \(no room .*without audio"):
        list(other_packets(Scratched(0, ends=True), {0: Refusing()}))  # type: ignore[arg-type]
