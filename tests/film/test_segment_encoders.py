"""Several encoders at once: the film is the same, a checkpoint names only what is on the disk, memory stays bounded."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from colormnet_cli.film import segment_encoders
from colormnet_cli.film.checkpoint import Checkpoint, Snapshot
from colormnet_cli.film.segment_encoders import SegmentEncoders
from colormnet_cli.film.segment_table import SegmentTable
from colormnet_cli.film.transfer import ChromaPlanes
from colormnet_cli.passes.schedule import Unit
from colormnet_cli.settings import EncodingSettings
from colormnet_cli.video.encode import choose_encoder
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Frame
from colormnet_cli.video.segments import SegmentWriter, segment_path
from support.films import make_film

SEGMENT = 4  # frames
LUMA = np.full((48, 64), 90, np.uint8)
CHROMA = ChromaPlanes([(torch.full((24, 32), 120, dtype=torch.uint8),) * 2], torch.tensor([True]))


class Encoding:
    """Three encoders on one film; `held` names the segments whose encoders wait until they are released."""

    def __init__(self, folder: Path, held: set[int]) -> None:
        source = make_film(folder / "film.mp4", codec="libx264", frames=2)
        spec, _ = choose_encoder(probe(source), folder / "out.mp4", EncodingSettings())
        self.folder, self.saved, self.encoded = folder, [], []
        self.release = {number: threading.Event() for number in held}
        self.broken: int | None = None  # the frame at which the disk is full
        table = SegmentTable([Unit(0, None, ())], SEGMENT)
        self.encoders = SegmentEncoders(spec, folder, table, 3, self.encode, self.saved.append)

    def encode(self, writer: SegmentWriter, frames: list[Frame], chroma: ChromaPlanes) -> None:
        for frame in frames:
            if event := self.release.get(frame.number // SEGMENT):
                assert event.wait(20)
            if frame.number == self.broken:
                raise OSError(errno.ENOSPC, "full")
            writer.write((frame.luma, *chroma.numpy()[0]), frame.pts, 1)
            self.encoded.append(frame.number)

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.encoders.put([Frame(number, LUMA, number, 1, {})], CHROMA)

    def save(self, segments: int) -> None:
        self.encoders.save(Snapshot(Checkpoint(segments * SEGMENT, segments, (), {}), {}))


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    entered: list[Encoding] = []

    def start(*held: int) -> Encoding:
        entered.append(Encoding(tmp_path, set(held)))
        entered[0].encoders.__enter__()
        return entered[0]

    yield start
    for encoding in entered:
        for event in encoding.release.values():
            event.set()
        encoding.encoders.__exit__(None, None, None)


def test_a_checkpoint_waits_for_earlier_segments(started: Any) -> None:
    """Fails where a run that is killed then resumes behind a segment that was never written."""
    encoding = started(0)
    encoding.put(*range(8))
    encoding.save(2)
    wait_for(lambda: segment_path(encoding.folder, 1).exists())
    time.sleep(0.1)
    assert encoding.saved == []
    encoding.release[0].set()
    wait_for(lambda: encoding.saved)
    assert segment_path(encoding.folder, 0).exists()
    encoding.put(8)
    encoding.encoders.finish()
    assert segment_path(encoding.folder, 2).exists()


def test_an_error_of_any_encoder_ends_the_run(started: Any) -> None:
    """Fails where the network goes on for hours for a film of which a part is missing, or a checkpoint names it."""
    encoding = started(0)
    encoding.broken = 3
    encoding.put(*range(8))
    encoding.save(2)
    encoding.release[0].set()

    def put_more() -> None:
        for _ in range(1000):
            encoding.put(8)
            time.sleep(0.01)

    with pytest.raises(OSError, match="full"):
        put_more()
    assert encoding.saved == []


def test_frames_that_wait_are_bounded(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a slow encoder makes the frames of a long film pile up in memory."""
    monkeypatch.setattr(segment_encoders, "WAITING_BYTES", 3 * (LUMA.nbytes + CHROMA.nbytes))
    encoding = started(0)
    feeder = threading.Thread(target=encoding.put, args=range(40))
    feeder.start()
    time.sleep(0.3)
    assert encoding.encoded == []
    assert encoding.encoders._ends == {}  # frames 0 to 2 wait; 3, the last one of its segment, does not come
    encoding.release[0].set()
    feeder.join(20)
    encoding.encoders.finish()
    assert sorted(encoding.encoded) == list(range(40))


def test_leaving_early_encodes_only_what_a_checkpoint_covers(tmp_path: Path) -> None:
    """Fails where Ctrl-C waits for minutes for segments that are made again anyway, or loses those that are not."""
    encoding = Encoding(tmp_path, {0, 1, 2})
    with pytest.raises(KeyboardInterrupt), encoding.encoders:  # noqa: PT012
        encoding.put(*range(11))
        encoding.save(1)
        threading.Timer(0.2, lambda: [event.set() for event in encoding.release.values()]).start()
        raise KeyboardInterrupt
    assert [snapshot.checkpoint.segments for snapshot in encoding.saved] == [1]
    assert {0, 1, 2, 3} <= set(encoding.encoded)
    assert len(encoding.encoded) <= 6, "all were encoded"  # each of the others had begun one
    assert sorted(path.name for path in tmp_path.glob("segment-*")) == ["segment-000000"]
