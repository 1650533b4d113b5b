"""How fast a GPU is, and how much memory it takes. Speeds are asserted on an H200 alone."""

from __future__ import annotations

import pytest
import torch

import colormnet_cli as cm
from bench_scaling import AREA_SIZES, scale_area, scale_length
from colormnet_cli.bench import BenchSettings, bench, parse_frame_size

pytestmark = pytest.mark.gpu

DEVICE = "cuda"


@pytest.fixture
def h200() -> None:
    name = torch.cuda.get_device_name()
    if "H200" not in name:
        pytest.skip(f"the bound is one for an H200, this is a {name}")


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
    """Fails where decoding, color or encoding holds the network up: 1080p H.264 in and out."""
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
