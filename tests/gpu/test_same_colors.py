"""A GPU colors as the CPU does, in whichever way a film gets there: at once, resumed, with graphs, several at once."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import colormnet_cli as cm
from colormnet_cli.bench.film import make_film
from colormnet_cli.bench.synthetic_film import FILM_PLANES, synthetic_exemplar, synthetic_luma
from colormnet_cli.film.transfer import ChromaPlanes, download_chroma, upload_luma
from colormnet_cli.inference.frame_colorizer import FrameColorizer
from colormnet_cli.video.rgb import RgbFilm
from gpu.setup import SMALL_MEMORY as MEMORY
from gpu.setup import SMALL_SIZE as SIZE
from gpu.setup import small_colorizer, small_lightness
from support.networks import make_small_model

pytestmark = pytest.mark.gpu

DEVICE = "cuda"


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_resumed_film_has_the_same_colors(precision: str) -> None:
    """Fails where a film that was interrupted is resumed in other colors."""
    Ls, whole, broken = small_lightness(24), small_colorizer(DEVICE, precision), small_colorizer(DEVICE, precision)
    expected = torch.stack([whole.step(L) for L in Ls])
    for L in Ls[:11]:
        broken.step(L)
    file = io.BytesIO()
    torch.save(broken.state_dict(), file)
    file.seek(0)
    resumed = cm.Colorizer(make_small_model(), MEMORY, DEVICE, precision)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    found = torch.stack([resumed.step(L) for L in Ls[11:]])
    # Use is summed in any order, so a prototype may differ where two are used almost equally.
    assert float((found - expected[11:]).abs().mean()) <= (1e-3 if precision == "fp32" else 0.1)
    assert float(expected.abs().mean()) > 0.1  # colors at all, in Lab units


def test_look_ahead_changes_nothing() -> None:
    """Fails where frames given at once are colored out of order, or see one another."""
    Ls, one, many = small_lightness(16), small_colorizer(DEVICE), small_colorizer(DEVICE)
    single = torch.stack([one.step(L) for L in Ls])
    batched = torch.cat([many.steps(part) for part in Ls.split(8)])
    assert float((single - batched).abs().mean()) <= 1e-3


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("preview", [False, True], ids=["colormnet", "preview"])
def test_graphs_give_what_single_kernels_give(
    precision: str, batch: int, preview: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails where a CUDA graph gives other colors than its kernels launched one by one, or cannot be captured."""
    single, graphs = (small_colorizer(DEVICE, precision, preview=preview) for _ in range(2))
    single.engine.net.enabled = False
    for part in small_lightness(24).split(batch):
        assert float((single.steps(part) - graphs.steps(part)).abs().mean()) <= 1e-3
    assert any(graph is not None for graph in graphs.engine.net._graphs.values())
    assert not caplog.records


def test_graphs_are_captured_on_any_thread(caplog: pytest.LogCaptureFixture) -> None:
    """Fails where clips that are measured, each on a new thread, are not captured: cuDNN chooses for a thread alone."""
    colorizer, clips = small_colorizer(DEVICE), []

    def clip() -> None:
        colorizer.reset()
        colorizer.set_exemplar(synthetic_exemplar(SIZE, SIZE))
        clips.append(torch.stack([colorizer.step(L) for L in small_lightness(8)]))

    for _ in range(3):
        thread = threading.Thread(target=clip)
        thread.start()
        thread.join()
    assert len(clips) == 3
    assert all(float((other - clips[0]).abs().mean()) <= 1e-3 for other in clips)
    assert any(colorizer.engine.net._graphs.values())
    assert not caplog.records


def paint(frames: FrameColorizer, lumas: list[NDArray[np.uint8]]) -> ChromaPlanes:
    """The film's path on the device: luma planes in, chroma planes out."""
    Ls = [upload_luma(luma, FILM_PLANES, frames.colorizer.device) for luma in lumas]
    return download_chroma(Ls, frames.steps(Ls), FILM_PLANES)


def test_nothing_waits_for_the_device() -> None:
    """Fails where a frame's value is looked at in the middle of a film: then the device waits for the CPU each time."""
    colorizer = cm.Colorizer(make_small_model(), cm.MemoryConfig(gamma=2), DEVICE)  # no prototypes yet: they wait once
    colorizer.set_exemplar(synthetic_exemplar(SIZE, SIZE))
    frames = FrameColorizer(colorizer, size=min(SIZE))
    pairs = [[synthetic_luma(i, (216, 384)), synthetic_luma(i + 1, (216, 384))] for i in range(0, 14, 2)]
    for pair in pairs[:5]:
        paint(frames, pair).numpy()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for pair in pairs[5:]:
            paint(frames, pair)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_film_interrupted_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where Ctrl-C on a GPU machine costs the film, or the seam shows."""
    monkeypatch.setattr("colormnet_cli.film.film_run.SEGMENT_FRAMES", {"cpu": 8, "cuda": 8})
    plan = make_film(tmp_path, 32, (144, 256), SIZE, 4)
    model, films = make_small_model(), []

    def interrupt(progress: cm.Progress) -> None:
        if progress.phase == "color" and progress.frame >= 20:
            raise KeyboardInterrupt

    for name, broken in (("whole.mp4", False), ("broken.mp4", True)):
        if broken:
            with pytest.raises(KeyboardInterrupt):
                color(plan, tmp_path / name, model, interrupt)
        receipt = color(plan, tmp_path / name, model)
        assert (receipt.resumed_at > 0) == broken
        films.append(np.stack(list(RgbFilm(tmp_path / name))))
    assert films[0].shape == films[1].shape == (32, 144, 256, 3)
    assert np.abs(films[0].astype(int) - films[1]).mean() <= 0.1


def color(plan: cm.FilmPlan, output: Path, model: cm.ColorMNet, progress: object = None) -> cm.Receipt:
    settings = cm.ColorizeSettings(size=min(SIZE), lookahead=4, ref_is_first=False)
    return cm.colorize_video(
        plan.info.path, plan.references, output, model=model, settings=settings, memory=MEMORY, device=DEVICE,
        precision="fp32", progress=progress,
    )  # fmt: skip


def test_color_planes_are_the_cpus() -> None:
    """Fails where luma, upsampling or chroma are computed otherwise on the device: a cast over the whole film."""
    film = (216, 384)
    lumas = [synthetic_luma(i, film) for i in range(4)]
    both = [FrameColorizer(small_colorizer(device), size=min(SIZE)) for device in ("cpu", DEVICE)]
    for ours, theirs in zip(*(paint(frames, lumas).numpy() for frames in both), strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            difference = np.abs(mine.astype(int) - other)
            assert difference.mean() <= 0.02
            assert np.ptp(mine) > 0  # colors at all
