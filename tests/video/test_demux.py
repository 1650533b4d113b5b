"""Demuxing files that are not as FFmpeg, or PyAV, expects them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest

from colormnet_cli.video.decode import DecodeStatistics
from colormnet_cli.video.demux import _Timeline
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader
from support.films import Film, frames_of, make_film, packets_of

pytestmark = pytest.mark.usefixtures("one_thread")


def joined(path: Path, *parts: Film) -> Path:
    """An MPEG transport stream: the parts one after the other, each where the one before it ends."""
    data, begin = b"", Fraction(0)
    for part in parts:
        data += make_film(path, part, container_options={"output_ts_offset": str(float(begin))}).read_bytes()
        begin += part.frames / part.rate
    path.write_bytes(data)
    return path


@pytest.mark.slow
def test_a_stream_that_begins_midway_is_left_out(tmp_path: Path, color: Any) -> None:
    """Broadcast recordings gain audio streams midway: such a film ended in an IndexError after its last frame."""
    part = Film(codec="libx264", rate=Fraction(5), frames=40, audio=[("mp2", "deu")], options={"bf": "0"})
    more = replace(part, frames=2, audio=[("mp2", "deu"), ("mp2", "eng"), ("mp2", "fra")])
    source = joined(tmp_path / "film.ts", part, more, part)  # FFmpeg looks for streams at both ends of a file
    reader = Reader(probe(source))
    assert len(list(reader.frames())) == 82
    assert list(reader.statistics.warnings()) == ["The film has a stream that begins only later in the file: left out."]
    receipt = color(source, tmp_path / "out.mkv")
    assert receipt.frames == 82
    assert any("begins only later" in warning for warning in receipt.warnings)
    with av.open(str(source)) as container:
        sound = []
        with suppress(IndexError):
            for packet in container.demux(audio=0):
                sound.append(bytes(packet))
    assert [data for _, data in packets_of(tmp_path / "out.mkv", "audio")] == [data for data in sound if data]


PART = Film(codec="mpeg2video", frames=50, audio=[("mp2", "deu")], options={"bf": "2"})


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["ts", "vob"])
def test_the_parts_of_a_joined_film_follow_each_other(tmp_path: Path, color: Any, ending: str) -> None:
    """The timestamps start again: the audio of the second part was squeezed into 4 ms while its picture ran on."""
    part = make_film(tmp_path / f"part.{ending}", PART)
    source = tmp_path / f"film.{ending}"
    source.write_bytes(part.read_bytes() * 2)
    receipt = color(source, tmp_path / "out.mkv")
    assert [w for w in receipt.warnings if "millisecond" not in w] == [
        "The film's timestamps start again in 1 place: its parts were placed one after the other."
    ]
    shown = [seconds for seconds, _ in frames_of(tmp_path / "out.mkv")]
    assert [b - a for a, b in pairwise(shown)] == [Fraction(1, 25)] * 99
    sound = packets_of(tmp_path / "out.mkv", "audio")
    half = len(sound) // 2
    assert [data for _, data in sound[:half]] == [data for _, data in sound[half:]]
    for (first, _), (second, _) in zip(sound[:half], sound[half:], strict=True):
        assert abs(second - first - 2) <= Fraction(2, 1000)  # as long as the picture of a part


def test_a_joined_film_is_resumed_after_its_joint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeking knows nothing of joints: a resumed run would repeat or miss frames."""
    monkeypatch.setattr("colormnet_cli.video.reader.MIN_SEEK_FRAMES", 5)
    source = tmp_path / "film.ts"
    source.write_bytes(make_film(tmp_path / "part.ts", PART).read_bytes() * 2)
    whole = list(Reader(probe(source)).frames())
    checksums = [frame.checksum() for frame in whole[66:70]]
    rest = list(Reader(probe(source)).frames(70, checksums, whole[69].statistics, whole[0].pts))
    assert [(f.number, f.pts) for f in rest] == [(f.number, f.pts) for f in whole[70:]]


@pytest.mark.parametrize("damage", [{20: 0}, {20: 900}, {20: 900, 60: 0}])
def test_a_damaged_timestamp_is_not_a_joint(damage: dict[int, int]) -> None:
    """One bad packet would move the rest of the film, and its audio, by minutes."""
    stamps = [damage.get(number, number) for number in range(100)]
    video = SimpleNamespace(index=0)
    packets = [SimpleNamespace(stream=video, pts=t, dts=t, duration=1, time_base=Fraction(1), size=1) for t in stamps]
    statistics = DecodeStatistics()
    moved = list(_Timeline(0, statistics).moved(iter(packets)))
    assert [packet.dts for packet in moved] == stamps
    assert statistics.restarts == 0
