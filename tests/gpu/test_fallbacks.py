"""What a film does on a GPU where memory, fp16's range or a graph fails it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves

import colormnet_cli as cm
from colormnet_cli.bench.film import make_film
from colormnet_cli.inference import cuda_graphs
from colormnet_cli.video.rgb import RgbFilm
from gpu.setup import SMALL_MEMORY, SMALL_SIZE, small_colorizer, small_lightness
from support.networks import make_small_model

pytestmark = pytest.mark.gpu

DEVICE = "cuda"


@pytest.fixture
def no_more_memory() -> Iterator[Callable[[], None]]:
    """Call it: from then on, PyTorch may take no more memory than it has."""

    def cap() -> None:
        share = torch.cuda.memory_reserved() / torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(share)

    torch.cuda.empty_cache()
    yield cap
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_memory_for_a_film_but_not_for_its_graphs(
    no_more_memory: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Fails where a film that fits without graphs ends with an out-of-memory error."""
    single, graphs = small_colorizer(DEVICE), small_colorizer(DEVICE)
    single.engine.net.enabled = False
    Ls = small_lightness(12)
    expected = [single.step(L) for L in Ls]
    found = [graphs.step(Ls[0])]
    no_more_memory()  # a graph's memory is new
    found += [graphs.step(L) for L in Ls[1:]]
    assert not graphs.engine.net.enabled
    assert [record.message.count("need more memory") for record in caplog.records] == [1]
    assert float((torch.stack(found) - torch.stack(expected)).abs().mean()) <= 1e-3


def test_a_network_beyond_the_range_of_fp16(tmp_path: Path) -> None:
    """Fails where fp16, the default on a GPU, gives wrong colors in silence, instead of another precision."""
    model = make_small_model()
    with torch.no_grad():  # the same network, but for numbers beyond 65,504 inside
        model.decoder.up8.block.conv1.weight *= 1e7
        model.decoder.up8.block.conv1.bias *= 1e7  # type: ignore[operator]
        model.decoder.up8.block.conv2.weight *= 1e-7
    plan = make_film(tmp_path, 12, (144, 256), SMALL_SIZE, 2)
    films = []
    for precision in ("fp16", "fp32"):
        receipt = cm.colorize_video(
            plan.info.path, plan.references, tmp_path / f"{precision}.mp4", model=model, device=DEVICE,
            precision=precision, settings=cm.ColorizeSettings(size=96, ref_is_first=False), memory=SMALL_MEMORY,
        )  # fmt: skip
        assert receipt.precision != "fp16"
        assert any("are not finite in fp16" in text for text in receipt.warnings) == (precision == "fp16")
        films.append(np.stack(list(RgbFilm(tmp_path / f"{precision}.mp4"))).astype(int))
    assert np.ptp(films[1], axis=3).max() > 0  # not gray
    assert np.abs(films[0] - films[1]).mean() <= 3.3  # bf16's tolerance


def test_a_graph_that_gives_other_results(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Fails where a driver's fault in graphs gives a whole film wrong colors."""
    capture = cuda_graphs._capture

    def faulty(work: Callable[[], Any], pool: Any) -> tuple[Callable[[], None], Any]:
        replay, result = capture(work, pool)

        def spoiled() -> None:
            replay()
            for tensor in tree_leaves(result):
                tensor.mul_(1.5)

        return spoiled, result

    single, graphs = small_colorizer(DEVICE), small_colorizer(DEVICE)
    single.engine.net.enabled, graphs.engine.net.capture = False, faulty
    for L in small_lightness(8):
        assert float((single.step(L) - graphs.step(L)).abs().mean()) <= 1e-3
    assert not graphs.engine.net.enabled
    assert [record.message.count("gives results that are") for record in caplog.records] == [1]


@pytest.mark.slow
@pytest.mark.parametrize("preview", [False, True], ids=["colormnet", "preview"])
def test_more_than_two_thousand_frames(preview: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Fails where a long film in fp16 loses its colors, its graphs, or more memory with each frame."""
    colorizer, Ls = small_colorizer(DEVICE, "fp16", preview=preview), small_lightness(60)
    chroma, held = [], []
    for number in range(2100):
        ab = colorizer.step(Ls[number % len(Ls)])
        if number % 100 == 99:
            chroma.append(float(ab.abs().mean()))
            held.append(torch.cuda.memory_allocated())
    assert np.isfinite(chroma).all()
    assert min(chroma) > 0.1
    assert held[-1] == held[1]
    assert colorizer.engine.net.enabled
    assert not caplog.records
