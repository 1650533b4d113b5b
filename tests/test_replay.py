"""The network's questions recorded and replayed: the same answers, whoever keeps them. test_gpu.py has CUDA's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import make_small_model
from torch.utils._pytree import tree_leaves

import colormnet_cli as cm
from colormnet_cli import replay
from colormnet_cli.bench.material import made_up_exemplar, made_up_lightness

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
    made.set_exemplar(made_up_exemplar(SIZE, SIZE))
    return made


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_capture", stand_in)
    monkeypatch.setattr(replay.Replayed, "_record", lambda self, *what: replay._Recording(*what, None))


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("batch", [1, 3])
def test_a_film_replayed_is_the_same_film(batch: int) -> None:
    """Fails where a replay writes over something that the film still needs: a memory, a state, an answer."""
    plain, replayed = colorizer(False), colorizer(True)
    frames = made_up_lightness(range(20), SIZE, SIZE, "cpu")
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


def test_where_nothing_can_be_recorded_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails where a driver that cannot record costs the film, or slows it down without a word."""

    def refuse(*_: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(replay.Replayed, "_record", refuse)
    plain, replayed = colorizer(False), colorizer(True)
    for L in made_up_lightness(range(6), SIZE, SIZE, "cpu"):
        assert replayed.step(L).equal(plain.step(L))
    assert [record.message.count("not permitted") for record in caplog.records] == [1]


def test_nothing_is_recorded_on_a_cpu() -> None:
    """Fails where a CPU pays for copies that it has no use for."""
    made = colorizer(False)
    assert cm.Colorizer(make_small_model()).net._records is False
    for L in made_up_lightness(range(4), SIZE, SIZE, "cpu"):
        made.step(L)
    assert not made.net._recorded


def test_memory_that_runs_out_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a film too large for the device is coloured slowly instead of saying which size fits."""

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(replay.Replayed, "_record", full)
    made = colorizer(True)
    made.step(made_up_lightness(range(1), SIZE, SIZE, "cpu")[0])
    with pytest.raises(torch.OutOfMemoryError):
        made.steps(made_up_lightness(range(9), SIZE, SIZE, "cpu"))
