"""Packets of the other streams, from a source that is damaged in many places."""

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


class DamagedSource:
    """A source where every other read fails; after its last packet all do, unless it ends."""

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


class PlainCopy:
    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        if packet.size:
            yield Fraction(0), packet.number

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        yield Fraction(0), "flushed"


def test_audio_continues_after_many_damaged_places() -> None:
    """A worn tape's audio would end at its 200th damaged place without a warning."""
    came = [packet for _, packet in other_packets(DamagedSource(500, ends=True), {0: PlainCopy()})]  # type: ignore[arg-type,dict-item]
    assert came == [*range(499, -1, -1), "flushed"]


def test_a_source_with_read_errors_only_ends() -> None:
    """A run would hang at a file that is unreadable from some position on."""
    source = DamagedSource(3, ends=False)
    came = [packet for _, packet in other_packets(source, {0: PlainCopy()})]  # type: ignore[arg-type,dict-item]
    assert came == [2, 1, 0, "flushed"]
    assert source.reads < 300


def timed(timestamps: Iterable[int]) -> DamagedSource:
    """A source of audio with a packet at each timestamp, in seconds."""
    source = DamagedSource(0, ends=True)
    source.demux = lambda streams: (  # type: ignore[method-assign]
        SimpleNamespace(size=1, stream=streams[0], number=n, pts=n, time_base=Fraction(1)) for n in timestamps
    )
    return source


def test_what_follows_the_part_is_not_read() -> None:
    """Ten seconds of a two-hour film would take as long as reading all of its gigabytes."""
    came = [packet for _, packet in other_packets(timed(count()), {0: PlainCopy()}, Fraction(7))]  # type: ignore[arg-type,dict-item]
    assert came[:7] == list(range(7))
    assert came[-1] == "flushed"
    assert len(came) < 200


def test_damaged_timestamps_do_not_end_the_audio() -> None:
    """A few packets with timestamps hours ahead would leave the rest of the part silent."""
    timestamps = [0, 1, *[10**6] * 50, 2, 3]
    came = [packet for _, packet in other_packets(timed(timestamps), {0: PlainCopy()}, Fraction(7))]  # type: ignore[arg-type,dict-item]
    assert came == [*timestamps, "flushed"]


class FailingEncoder(TranscodedAudio):
    """Audio whose encoder fails."""

    def __init__(self) -> None:
        broken = SimpleNamespace(encode=self.encode, codec_context=SimpleNamespace(name="aac"))
        super().__init__(SimpleNamespace(index=1, type="audio"), broken, TimeRange(), "mp4")

    def encode(self, frame: Any) -> Any:
        raise av.error.ExternalError(0, "no room in the frame")


def test_a_failing_audio_encoder_is_an_error() -> None:
    """Taken for damage of the source, it would leave the film silent without a warning."""
    with pytest.raises(OutputError, match=r"Audio stream 1 cannot be converted to aac \(no room .*without audio"):
        list(other_packets(DamagedSource(0, ends=True), {0: FailingEncoder()}))  # type: ignore[arg-type]
