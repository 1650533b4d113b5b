"""Demuxing and decoding of files that are not as FFmpeg, or PyAV, expects them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader
from support.films import Film, make_film, packets_of

pytestmark = pytest.mark.usefixtures("one_thread")


def joined(path: Path, *parts: Film) -> Path:
    """An MPEG transport stream: the parts one after the other, each where the one before it ends."""
    data, begin = b"", Fraction(0)
    for part in parts:
        data += make_film(path, part, container_options={"output_ts_offset": str(float(begin))}).read_bytes()
        begin += (part.frames + 1) / part.rate
    path.write_bytes(data)
    return path


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
