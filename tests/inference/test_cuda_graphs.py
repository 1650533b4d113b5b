"""The network's questions recorded and replayed: the same answers, whoever keeps them. test_gpu.py has CUDA's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

import colormnet_cli as cm
from colormnet_cli.bench.synthetic_film import synthetic_exemplar, synthetic_lightness
from colormnet_cli.inference import cuda_graphs as replay
from support.networks import make_small_model

SIZE = (32, 48)
MEMORY = cm.MemoryConfig(gamma=2, n_s=4, n_e=2, m=16, long_term=64)


def stand_in(work: Callable[[], Any], pool: Any) -> tuple[Callable[[], None], Any]:
    """What a CUDA graph does, on a CPU: each run reads the same inputs and writes over the same answer."""
    answer = work()

    def run() -> None:
        for old, new in zip(tree_leaves(answer), tree_leaves(work()), strict=True):
            old.copy_(new)

    return run, answer


def colorizer(recording: bool) -> cm.Colorizer:
    made = cm.Colorizer(make_small_model(), MEMORY)
    made.net._records = recording
    made.set_exemplar(synthetic_exemplar(SIZE, SIZE))
    return made


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_capture", stand_in)
    monkeypatch.setattr(replay.CudaGraphs, "_record", lambda self, *what: replay._Recording(*what, None))


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("batch", [1, 3])
def test_a_film_replayed_is_the_same_film(batch: int) -> None:
    """Fails where a replay writes over something that the film still needs: a memory, a state, an answer."""
    plain, replayed = colorizer(False), colorizer(True)
    frames = synthetic_lightness(range(20), SIZE, SIZE, "cpu")
    halves = []
    for part in frames.split(batch):  # the last part is a smaller one
        assert replayed.steps(part).equal(plain.steps(part))
        halves.append((plain.state_dict(), replayed.state_dict()))
    recordings = [recording for recording in replayed.net._recorded.values() if recording is not None]
    assert len(recordings) >= 5  # features, values, LA, decoder with and without the hidden state's update …
    resumed = [cm.Colorizer(make_small_model(), MEMORY) for _ in range(2)]
    for mine, state in zip(resumed, halves[len(halves) // 2], strict=True):  # kept while the film went on
        mine.load_state_dict(state)
    assert resumed[0].steps(frames).equal(resumed[1].steps(frames))


@pytest.mark.usefixtures("recorded")
def test_recordings_of_another_size_go() -> None:
    """Fails where clips of many sizes, coloured one after the other, fill the device with what none needs again."""
    made = colorizer(True)
    one_size = {}
    for size in (SIZE, (32, 32), (48, 32), (48, 32)):
        made.reset()
        made.set_exemplar(synthetic_exemplar(size, size))
        kept = dict(made.net._recorded) if made.net._size == size else {}
        for L in synthetic_lightness(range(6), size, size, "cpu"):
            made.step(L)
        assert all(made.net._recorded[kind] is recording for kind, recording in kept.items() if recording)
        one_size[size] = len(made.net._recorded)
    assert one_size[SIZE] == one_size[32, 32] == one_size[48, 32] > 5


class Device:
    """As much of torch.cuda as recording needs: which stream is current, and what is done on it."""

    def __init__(self) -> None:
        self.current = self.main = SimpleNamespace(name="main")
        self.done: list[str] = []

    def new_stream(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(name="side", wait_stream=lambda other: self.done.append(f"side waits for {other.name}"))

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph: Any, *, pool: Any, stream: Any, capture_error_mode: str) -> Iterator[None]:
        self.current = stream
        self.done.append(f"recording on {stream.name} in {pool}, {capture_error_mode}")
        yield  # where the recording fails, the stream stays the current one: so does PyTorch 2.11
        self.current = stream

    def work(self) -> str:
        self.done.append(f"work on {self.current.name}")
        return "answer"


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    made = Device()
    for name, stand in {
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: None),
        "Stream": made.new_stream,
        "stream": made.stream,
        "graph": made.graph,
        "current_stream": lambda: made.current,
        "current_device": lambda: 0,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand)
    replay._side_stream.cache_clear()
    yield made
    replay._side_stream.cache_clear()


def test_recordings_share_a_stream_and_its_memory(device: Device) -> None:
    """Fails where each recording keeps memory of its own, or has to choose kernels while it records: that breaks it."""
    for _ in range(2):
        assert replay._capture(device.work, "pool")[1] == "answer"
    each = ["side waits for main", "work on side", "recording on side in pool, thread_local", "work on side"]
    assert device.done == 2 * each
    assert replay._side_stream(0) is replay._side_stream(0)
    assert device.current is device.main


def test_a_recording_that_fails_leaves_its_stream(device: Device) -> None:
    """Fails where the rest of a film runs beside, instead of behind, what was launched before."""

    def fail() -> None:
        if any(done.startswith("recording") for done in device.done):
            raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        replay._capture(fail, "pool")
    assert device.current is device.main
    assert not replay._ONE_AT_A_TIME.locked()


def test_where_nothing_can_be_recorded_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails where a driver that cannot record costs the film, or slows it down without a word."""

    def refuse(*_: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(replay.CudaGraphs, "_record", refuse)
    plain, replayed = colorizer(False), colorizer(True)
    for L in synthetic_lightness(range(6), SIZE, SIZE, "cpu"):
        assert replayed.step(L).equal(plain.step(L))
    assert [record.message.count("not permitted") for record in caplog.records] == [1]


def test_nothing_is_recorded_on_a_cpu() -> None:
    """Fails where a CPU pays for copies that it has no use for."""
    made = colorizer(False)
    assert cm.Colorizer(make_small_model()).net._records is False
    for L in synthetic_lightness(range(4), SIZE, SIZE, "cpu"):
        made.step(L)
    assert not made.net._recorded


def test_memory_that_runs_out_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a film too large for the device is coloured slowly instead of saying which size fits."""

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(replay.CudaGraphs, "_record", full)
    made = colorizer(True)
    made.step(synthetic_lightness(range(1), SIZE, SIZE, "cpu")[0])
    with pytest.raises(torch.OutOfMemoryError):
        made.steps(synthetic_lightness(range(9), SIZE, SIZE, "cpu"))
