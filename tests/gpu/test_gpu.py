"""What only a CUDA device can show: that it is fast enough, and that it colours as the CPU does.

Everything on a machine with a GPU, in one call, check first and measure then (from a checkout, installed with
``pip install -e ".[dev]"``; no weights and no network are needed; about five minutes)::

    pytest -m gpu -rs && \\
    colormnet bench --device cuda:0 --precision bf16 --size 960x536 --film none --json > network.json && \\
    colormnet bench --device cuda:0 --precision bf16 --size 960x536 --film none --lookahead 1 --json > single.json && \\
    colormnet bench --device cuda:0 --size 480p --film 1080p --stage-times --json > film.json && \\
    python tools/bench_scaling.py --device cuda:0 > scaling.json

What is wanted (issue "Fast"): network.json, on an H200: `network.times.mean` ≤ 0.005 and `network.memory.peak` ≤ 1.5e9;
in every file `network.memory.slope` = 0; film.json: `film.fps` ≥ 60; scaling.json: `area.ratio` ≤ 1.3, `length.ratio`
within `length.noise`. single.json beside network.json shows what look-ahead gains. The golden clips in fp32, fp16 and
bf16 are in test_golden.py and run with the same `-m gpu`. The figures go into the README's table, with machine and
versions.

Speeds are asserted on an H200 alone; everything else on any CUDA device.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import colormnet_cli as cm
from bench_scaling import AREA_SIZES, scale_area, scale_length
from colormnet_cli.bench import BenchSettings, bench, parse_frame_size
from colormnet_cli.bench.film import make_film
from colormnet_cli.bench.synthetic_film import FILM_PLANES, synthetic_exemplar, synthetic_lightness, synthetic_luma
from colormnet_cli.film.transfer import ChromaPlanes, download_chroma, upload_luma
from colormnet_cli.inference.frame_colorizer import FrameColorizer
from colormnet_cli.video.rgb import RgbFilm
from support.networks import make_small_model

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
SIZE = (96, 160)
MEMORY = cm.MemoryConfig(gamma=2, n_s=4, n_e=2, m=16, long_term=64)  # condenses and drops within a dozen frames


@pytest.fixture
def h200() -> None:
    name = torch.cuda.get_device_name()
    if "H200" not in name:
        pytest.skip(f"the bound is one for an H200, this is a {name}")


def colorizer_on(device: str, precision: str = "fp32") -> cm.Colorizer:
    colorizer = cm.Colorizer(make_small_model(), MEMORY, device, precision)
    colorizer.set_exemplar(synthetic_exemplar(SIZE, SIZE))
    return colorizer


def lightness(frames: int) -> torch.Tensor:
    return synthetic_lightness(range(frames), SIZE, SIZE, "cpu")


# How fast, how much


@pytest.mark.usefixtures("h200")
def test_network_speed_and_memory() -> None:
    """Fails where a film of 150,000 frames takes longer than the machine needs, or shares its memory badly."""
    settings = BenchSettings(size=(536, 960), end_to_end=False, frames=400)
    found = bench(cm.ColorMNet(), settings, device=DEVICE, precision="bf16")
    assert found.network.times.mean <= 0.005, found.to_json()
    assert found.network.memory.peak is not None
    assert found.network.memory.peak <= 1.5e9, found.to_json()
    assert found.network.memory.slope == 0, found.to_json()


@pytest.mark.usefixtures("h200")
def test_film_speed() -> None:
    """Fails where decoding, colour or encoding holds the network up: 1080p H.264 in and out."""
    settings = BenchSettings(size=(480, 854), film=(1080, 1920), frames=400, stage_times=True)
    found = bench(cm.ColorMNet(), settings, device=DEVICE)
    assert found.film is not None
    assert found.film.fps >= 60, found.to_json()
    assert found.stages is not None
    step = sum(seconds for stage, seconds in found.stages.items() if stage not in ("decode", "color", "encode"))
    assert step == pytest.approx(found.network.times.mean, rel=0.3), found.to_json()


@pytest.mark.slow
def test_time_grows_with_the_area() -> None:
    """Fails where something but the transformer's attention grows faster than the picture."""
    sizes = [parse_frame_size(size) for size in AREA_SIZES]
    area = scale_area(cm.ColorMNet(), cm.MemoryConfig(), torch.device(DEVICE, 0), "fp16", sizes)
    assert area.ratio <= 1.3, area


def test_a_long_film_stays_as_quick_and_as_small() -> None:
    """Fails where frame 5,000 costs more than frame 50, or each frame leaves something on the device."""
    length = scale_length(cm.MemoryConfig(), torch.device(DEVICE, 0), "fp16")
    assert length.memory.slope == 0
    assert length.memory.reserved_slope == 0
    assert length.ratio <= max(1.1, length.noise), length


# The same colours


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_resumed_is_unbroken(precision: str) -> None:
    """Fails where a film that was broken off in the middle goes on in other colours."""
    Ls, whole, broken = lightness(24), colorizer_on(DEVICE, precision), colorizer_on(DEVICE, precision)
    expected = torch.stack([whole.step(L) for L in Ls])
    for L in Ls[:11]:
        broken.step(L)
    file = io.BytesIO()
    torch.save(broken.state_dict(), file)
    file.seek(0)
    resumed = cm.Colorizer(make_small_model(), MEMORY, DEVICE, precision)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    found = torch.stack([resumed.step(L) for L in Ls[11:]])
    # DecodeStatistics of use are summed in any order, so a prototype may differ where two are used almost equally.
    assert float((found - expected[11:]).abs().mean()) <= (1e-3 if precision == "fp32" else 0.1)
    assert float(expected.abs().mean()) > 0.1  # colours at all, in Lab units


def test_look_ahead_changes_nothing() -> None:
    """Fails where frames given at once are coloured out of order, or see one another."""
    Ls, one, many = lightness(16), colorizer_on(DEVICE), colorizer_on(DEVICE)
    single = torch.stack([one.step(L) for L in Ls])
    batched = torch.cat([many.steps(part) for part in Ls.split(8)])
    assert float((single - batched).abs().mean()) <= 1e-3


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("batch", [1, 2])
def test_recorded_kernels_answer_as_single_ones(precision: str, batch: int, caplog: pytest.LogCaptureFixture) -> None:
    """Fails where a CUDA graph gives other colours than its kernels launched one by one, or cannot be recorded."""
    single, recorded = colorizer_on(DEVICE, precision), colorizer_on(DEVICE, precision)
    single.engine.net.enabled = False
    for part in lightness(24).split(batch):
        assert float((single.steps(part) - recorded.steps(part)).abs().mean()) <= 1e-3
    assert any(recording is not None for recording in recorded.engine.net._graphs.values())
    assert not caplog.records


def test_recordings_are_made_on_any_thread(caplog: pytest.LogCaptureFixture) -> None:
    """Fails where clips that are measured, each on a new thread, are not captured: cuDNN chooses for a thread alone."""
    colorizer, clips = colorizer_on(DEVICE), []

    def clip() -> None:
        colorizer.reset()
        colorizer.set_exemplar(synthetic_exemplar(SIZE, SIZE))
        clips.append(torch.stack([colorizer.step(L) for L in lightness(8)]))

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


def test_a_film_broken_off_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_colour_planes_are_the_cpus() -> None:
    """Fails where luma, upsampling or chroma are computed otherwise on the device: a cast over the whole film."""
    film = (216, 384)
    lumas = [synthetic_luma(i, film) for i in range(4)]
    both = [FrameColorizer(colorizer_on(device), size=min(SIZE)) for device in ("cpu", DEVICE)]
    for ours, theirs in zip(*(paint(frames, lumas).numpy() for frames in both), strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            difference = np.abs(mine.astype(int) - other)
            assert difference.mean() <= 0.02
            assert np.ptp(mine) > 0  # colours at all
