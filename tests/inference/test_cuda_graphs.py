"""The network's calls captured and replayed: the same results. CUDA's own graphs are tested in tests/gpu."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

import colormnet_cli as cm
from colormnet_cli.bench.synthetic_film import synthetic_exemplar, synthetic_lightness
from colormnet_cli.inference import cuda_graphs
from support.networks import make_small_model

SIZE = (32, 48)
POOL: Any = SimpleNamespace(device=torch.device("cuda", 0), handle="pool")
MEMORY = cm.MemoryConfig(gamma=2, n_s=4, n_e=2, m=16, long_term=64)


def stand_in(work: Callable[[], Any], pool: Any) -> tuple[Callable[[], None], Any]:
    """What a CUDA graph does, on a CPU: each run reads the same inputs and writes over the same result."""
    result = work()

    def run() -> None:
        for old, new in zip(tree_leaves(result), tree_leaves(work()), strict=True):
            old.copy_(new)

    return run, result


def colorizer(graphs: bool, capture: Callable[..., Any] = stand_in, precision: str = "fp32") -> cm.Colorizer:
    made = cm.Colorizer(make_small_model(), MEMORY, precision=precision)
    made.engine.net.enabled, made.engine.net.capture = graphs, capture
    made.set_exemplar(synthetic_exemplar(SIZE, SIZE))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_a_film_replayed_is_the_same_film(batch: int) -> None:
    """Fails where a replay writes over something that the film still needs: a memory, a state, a result."""
    plain, replayed = colorizer(False), colorizer(True)
    frames = synthetic_lightness(range(20), SIZE, SIZE, "cpu")
    halves = []
    for part in frames.split(batch):  # the last part is a smaller one
        assert replayed.steps(part).equal(plain.steps(part))
        halves.append((plain.state_dict(), replayed.state_dict()))
    assert (
        len([graph for graph in replayed.engine.net._graphs.values() if graph is not None]) >= 5
    )  # features, values, LA, decoder with and without the hidden state's update …
    resumed = [cm.Colorizer(make_small_model(), MEMORY) for _ in range(2)]
    for mine, state in zip(resumed, halves[len(halves) // 2], strict=True):  # kept while the film went on
        mine.load_state_dict(state)
    assert resumed[0].steps(frames).equal(resumed[1].steps(frames))


def test_graphs_copy_no_maps_that_they_do_not_read() -> None:
    """Fails where the fine features, the largest maps, are copied for keys and values, which read the coarse ones."""
    made = colorizer(True)
    for L in synthetic_lightness(range(6), SIZE, SIZE, "cpu"):
        made.step(L)
    copied = {
        kind[0]: max(x.shape[-2] for x in graph._inputs if isinstance(x, torch.Tensor) and x.shape[1] > 2)
        for kind, graph in made.engine.net._graphs.items()
        if graph is not None and kind[0] in ("key", "value")
    }
    assert copied == {"key": SIZE[0] // 16, "value": SIZE[0] // 16}


def test_graphs_of_another_size_go() -> None:
    """Fails where clips of many sizes, colored one after the other, fill the device with what none needs again."""
    made = colorizer(True)
    one_size = {}
    for size in (SIZE, (32, 32), (48, 32), (48, 32)):
        made.reset()
        made.set_exemplar(synthetic_exemplar(size, size))
        kept = dict(made.engine.net._graphs) if made.engine.net._size == size else {}
        for L in synthetic_lightness(range(6), size, size, "cpu"):
            made.step(L)
        assert all(made.engine.net._graphs[kind] is graph for kind, graph in kept.items() if graph)
        one_size[size] = len(made.engine.net._graphs)
    assert one_size[SIZE] == one_size[32, 32] == one_size[48, 32] > 5


@pytest.mark.parametrize("wrong", [0.5, torch.nan, torch.inf])
def test_a_graph_that_gives_other_results(wrong: float, caplog: pytest.LogCaptureFixture) -> None:
    """Fails where a driver's or PyTorch's fault in graphs gives a whole film wrong colors in silence."""

    def faulty(work: Callable[[], Any], pool: Any) -> Any:
        run, result = stand_in(work, pool)

        def run_and_spoil() -> None:
            run()
            last = tree_leaves(result)[-1]
            last[(0,) * last.ndim] += wrong * last.abs().max()

        return run_and_spoil, result

    plain, replayed = colorizer(False), colorizer(True, faulty)
    for L in synthetic_lightness(range(6), SIZE, SIZE, "cpu"):
        assert replayed.step(L).equal(plain.step(L))
    assert [record.message.count("features gives results that are") for record in caplog.records] == [1]


@pytest.mark.parametrize(("precision", "relative"), [("fp32", 1e-4), ("fp16", 5e-3), ("bf16", 3e-2)])
def test_rounding_is_no_fault(precision: str, relative: float, caplog: pytest.LogCaptureFixture) -> None:
    """Fails where another algorithm's rounding switches graphs off: a GPU would run at half its speed."""

    def rounded(work: Callable[[], Any], pool: Any) -> Any:
        run, result = stand_in(work, pool)

        def run_and_round() -> None:
            run()
            for tensor in tree_leaves(result):
                tensor += relative * tensor.abs().max()

        return run_and_round, result

    made = colorizer(True, rounded, precision)
    for L in synthetic_lightness(range(4), SIZE, SIZE, "cpu"):
        made.step(L)
    assert any(made.engine.net._graphs.values())
    assert not caplog.records


def test_graphs_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a person whose driver breaks graphs has no way to color a film without them."""
    model = SimpleNamespace(device=torch.device("cuda", 0), dtype=torch.float16)
    assert cuda_graphs.CudaGraphs(model).enabled
    monkeypatch.setenv("COLORMNET_CUDA_GRAPHS", "0")
    assert not cuda_graphs.CudaGraphs(model).enabled


def test_graphs_stay_with_their_thread() -> None:
    """Fails where `evaluate --benchmark`, a thread for each clip, replays graphs that a thread left when it ended."""
    made, threads = colorizer(True), {}

    def named(work: Callable[[], Any], pool: Any) -> Any:
        captured_by = threading.current_thread()
        run, result = stand_in(work, pool)

        def run_here() -> None:
            threads.setdefault(captured_by, set()).add(threading.current_thread())
            run()

        return run_here, result

    def clip() -> None:
        made.reset()
        made.set_exemplar(synthetic_exemplar(SIZE, SIZE))
        for L in synthetic_lightness(range(8), SIZE, SIZE, "cpu"):
            made.step(L)

    made.engine.net.capture = named
    for _ in range(3):
        thread = threading.Thread(target=clip)
        thread.start()
        thread.join()
    clip()
    assert len(threads) == 4  # each captured and replayed its own
    assert all(replayed_by == {captured_by} for captured_by, replayed_by in threads.items())


class Device:
    """As much of torch.cuda as a capture needs: which stream is current, and what is done on it."""

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
        self.done.append(f"capture on {stream.name} in {pool}, {capture_error_mode}")
        yield  # where the capture fails, the stream stays the current one: so does PyTorch 2.11
        self.current = stream

    def work(self) -> str:
        self.done.append(f"work on {self.current.name}")
        return "result"


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
        "device": lambda device: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand)
    cuda_graphs._side_stream.cache_clear()
    yield made
    cuda_graphs._side_stream.cache_clear()


def test_captures_share_a_stream_and_its_memory(device: Device) -> None:
    """Fails where each graph keeps memory of its own, or a capture has to choose kernels: that breaks it."""
    for _ in range(2):
        assert cuda_graphs._capture(device.work, POOL)[1] == "result"
    each = ["side waits for main", "work on side", "capture on side in pool, thread_local", "work on side"]
    assert device.done == 2 * each
    assert cuda_graphs._side_stream(0) is cuda_graphs._side_stream(0)
    assert device.current is device.main


def test_a_capture_that_fails_leaves_its_stream(device: Device) -> None:
    """Fails where the rest of a film runs beside, instead of behind, what was launched before."""

    def fail() -> None:
        if any(done.startswith("capture") for done in device.done):
            raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        cuda_graphs._capture(fail, POOL)
    assert device.current is device.main
    assert not cuda_graphs._ONE_AT_A_TIME.locked()


def test_a_warning_where_nothing_can_be_captured(caplog: pytest.LogCaptureFixture) -> None:
    """Fails where a driver that cannot capture costs the film, or slows it down without a word."""

    def refuse(*_: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    plain, replayed = colorizer(False), colorizer(True, refuse)
    for L in synthetic_lightness(range(6), SIZE, SIZE, "cpu"):
        assert replayed.step(L).equal(plain.step(L))
    assert [record.message.count("not permitted") for record in caplog.records] == [1]


def test_nothing_is_captured_on_a_cpu() -> None:
    """Fails where a CPU pays for copies that it has no use for."""
    made = colorizer(False)
    assert cm.Colorizer(make_small_model()).engine.net.enabled is False
    for L in synthetic_lightness(range(4), SIZE, SIZE, "cpu"):
        made.step(L)
    assert not made.engine.net._graphs


def full(*_: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_capture_that_does_not_fit(caplog: pytest.LogCaptureFixture) -> None:
    """Fails where a film that fits without graphs ends with an out-of-memory error: they take 1.3 times the memory."""
    captured = 0

    def later_full(work: Callable[[], Any], pool: Any) -> Any:
        nonlocal captured
        captured += 1
        return stand_in(work, pool) if captured <= 3 else full()

    plain, replayed = colorizer(False), colorizer(True, later_full)
    for L in synthetic_lightness(range(9), SIZE, SIZE, "cpu"):
        assert replayed.step(L).equal(plain.step(L))
    assert captured == 4
    assert not replayed.engine.net._graphs  # the memory of the three that fitted is free again
    assert [record.message.count("need more memory") for record in caplog.records] == [1]


def test_the_film_itself_does_not_fit_beside_graphs(caplog: pytest.LogCaptureFixture) -> None:
    """Fails where the memory that graphs keep is not given back to a call that needs it."""
    made = colorizer(True)
    decode, failed = made.model.decode, []

    def fail_once(*args: Any, **kwargs: Any) -> Any:
        if any(made.engine.net._graphs.values()) and not failed:
            failed.append(True)
            full()
        return decode(*args, **kwargs)

    made.model.decode = fail_once  # type: ignore[method-assign]
    plain = colorizer(False)
    for L in synthetic_lightness(range(9), SIZE, SIZE, "cpu"):
        assert made.step(L).equal(plain.step(L))
    assert failed
    assert "need more memory" in caplog.text


def test_memory_that_runs_out_without_graphs_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a film too large for the device does not end with the sentence that says which size fits."""
    made = colorizer(True)
    monkeypatch.setattr(made.model, "features", full)
    with pytest.raises(torch.OutOfMemoryError):
        made.step(synthetic_lightness(range(1), SIZE, SIZE, "cpu")[0])
