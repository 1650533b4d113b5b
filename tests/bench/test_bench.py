"""`colormnet bench`: its figures are figures of what is measured, and nothing is downloaded for them."""

from __future__ import annotations

import json
import math
import mmap
import sys
from dataclasses import fields, is_dataclass

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import colormnet_cli as cm
from colormnet_cli.bench import BenchResult, BenchSettings, Times, bench, parse_frame_size
from colormnet_cli.bench.clock import Clock, MemoryWatch, StageClock
from colormnet_cli.bench.figures import STAGES
from colormnet_cli.bench.network import watch_parts
from colormnet_cli.bench.scaling import filled_colorizer, scale_area, scale_length
from colormnet_cli.bench.synthetic_film import synthetic_luma
from colormnet_cli.errors import UsageError
from colormnet_cli.inference.cost import frame_cost
from colormnet_cli.networks.colormnet import fusion, pvgfe
from support.commands import command, world  # noqa: F401
from support.networks import small_config

CPU = torch.device("cpu")
MEMORY = cm.MemoryConfig(n_s=6, n_e=3, m=16, long_term=300)


@pytest.fixture(scope="module")
def result(small_model: cm.ColorMNet) -> BenchResult:
    settings = BenchSettings(size=(64, 96), film=(128, 192), frames=8, stage_times=True)
    return bench(small_model, settings, memory=MEMORY, device="cpu", weights="small.pt")


def test_figures_belong_together(result: BenchResult) -> None:
    """Fails where a figure is computed from the wrong others."""
    network, film = result.network, result.film
    assert film is not None
    assert (result.width, result.height, film.width, film.height) == (96, 64, 192, 128)
    assert network.frames == film.frames == 10  # eight, made up to whole rounds of γ
    for part in (network, film):
        assert 0 < part.times.p50 <= part.times.p95
        assert part.memory.slope is None or math.isfinite(part.memory.slope)
    assert network.fps == pytest.approx(1 / network.times.mean)
    assert film.fps <= 1.001 / film.times.mean  # the encoder's last frames come on top
    assert result.ratio == pytest.approx(network.times.mean / (network.gflop * 1e9 / result.rates.convolution))
    assert result.ratio_to_product == pytest.approx(network.times.mean / (network.gflop * 1e9 / result.rates.product))
    assert 1e8 < result.rates.product < 1e14


def test_stages_make_up_the_step(result: BenchResult) -> None:
    """Fails where a part of a frame is not timed, or twice."""
    stages = dict(result.stages or {})
    assert list(stages) == list(STAGES)
    assert all(seconds > 0 for seconds in stages.values()), stages
    step = sum(stages[stage] for stage in stages if stage not in ("decode", "colour", "encode"))
    assert stages["other"] < 0.5 * step
    assert 0.3 < step / result.network.times.mean < 3  # measured one after the other, on a machine that is shared


def test_json_has_every_field(result: BenchResult) -> None:
    """Programs read it: a figure that is not there, or no number, breaks them."""
    found = json.loads(result.to_json())

    def check(value: object, told: object) -> None:
        if is_dataclass(value):
            assert isinstance(told, dict)
            assert list(told) == [field.name for field in fields(value)]
            for name, inner in told.items():
                check(getattr(value, name), inner)
        else:
            assert told == value

    check(result, found)
    assert found["fill"]["recent"] == 4 * 24  # elements of four frames of 4×6
    assert found["fill"]["bound"] == 300 + 24 + 96


def test_measuring_leaves_no_trace(small_model: cm.ColorMNet) -> None:
    """Fails where a measured network goes on paying for its measuring, or colours otherwise because of it."""
    colorizer, pool = filled_colorizer(small_model, MEMORY, CPU, "fp32", (64, 96), 4)
    twin, _ = filled_colorizer(small_model, MEMORY, CPU, "fp32", (64, 96), 4)
    before = set(vars(colorizer.net)), set(vars(colorizer.bank))
    with StageClock(Clock(CPU)) as stages:
        watch_parts(stages, colorizer)
        watched = colorizer.steps(pool)
        assert stages.seconds().keys() == {"features", "read", "la", "decoder"}  # none of the four was remembered
    assert (set(vars(colorizer.net)), set(vars(colorizer.bank))) == before
    assert torch.equal(watched, twin.steps(pool))


def test_the_memory_is_full_and_stays_so(small_model: cm.ColorMNet) -> None:
    """Fails where the figures would be those of a film's first second."""
    colorizer, pool = filled_colorizer(small_model, MEMORY, CPU, "fp32", (64, 96), 16)
    bank = colorizer.bank
    assert bank is not None
    assert len(bank) == 300 + 24 + 4 * 24
    sizes = set()
    for L in pool:
        assert colorizer.step(L).isfinite().all()
        sizes.add((bank.long, bank.permanent, bank.recent_frames))
    assert sizes == {(300, 24, n) for n in (2, 3, 4)}  # condensed at once, then growing again
    use = bank.normalised_use()
    assert float(use.max() - use.min()) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds")
def test_a_leak_shows() -> None:
    """Fails where memory that grows by a megabyte a frame is reported as flat, or a flat one as growing."""
    kept, flat, growing = [], MemoryWatch(CPU), MemoryWatch(CPU)
    for frame in range(20):
        flat.sample(frame)
    for frame in range(20):
        kept.append(mmap.mmap(-1, 2**20))  # of the system, not what the allocator has left over
        kept[-1].write(b"x" * 2**20)
        growing.sample(frame)
    assert flat.figures().slope == pytest.approx(0, abs=2**17)
    assert growing.figures().slope == pytest.approx(2**20, rel=0.2)
    assert (growing.figures().peak or 0) > 20 * 2**20


def test_recorded_kernels_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a CUDA device's peak leaves out what replays work in, which is most of a frame's memory."""

    def segment(device: int, pool: tuple[int, int], total: int, allocated: int) -> dict[str, object]:
        return {"device": device, "segment_pool_id": pool, "total_size": total, "allocated_size": allocated}

    segments = [segment(1, (0, 0), 900, 100), segment(1, (0, 7), 500, 200), segment(0, (0, 8), 4000, 0)]
    for name, stand in {
        "reset_peak_memory_stats": lambda _: None,
        "max_memory_allocated": lambda _: 1000,
        "max_memory_reserved": lambda _: 5000,
        "memory_snapshot": lambda: segments,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand)
    figures = MemoryWatch(torch.device("cuda", 1)).figures()
    assert (figures.peak, figures.reserved_peak) == (1000 + 300, 5000)


def test_quantiles() -> None:
    """p95 of a hundred frames is what all but five stay below."""
    times = Times.of([i / 100 for i in range(101)])
    assert (times.mean, times.p50, times.p95) == pytest.approx((0.5, 0.5, 0.95))
    assert Times.of([2.0]) == Times(2, 2, 2)


def full_network_gflop() -> float:
    """A frame that is not remembered, 560×896, memory full."""
    return frame_cost(cm.ColorMNetConfig(), (560, 896)).plain / 1e9


def test_the_full_network_costs_no_more_than_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where one of the exact shortcuts is lost; the plain way through two of them is counted beside it."""
    assert 900 < full_network_gflop() <= 1020

    def plain(x: torch.Tensor, conv: torch.nn.Conv2d, factor: int, *, bias: bool = True) -> torch.Tensor:
        large = torch.nn.functional.interpolate(x, scale_factor=factor, mode="bilinear")
        return torch.nn.functional.conv2d(large, conv.weight, conv.bias if bias else None, padding=1)

    for module in (pvgfe, fusion):
        monkeypatch.setattr(module, "conv3x3_of_upsampled", plain)
    assert full_network_gflop() > 1020 + 200  # 222 → 14 and 111 → 28, at least


def test_time_against_area(small_model: cm.ColorMNet) -> None:
    """Fails where the ratio to linear is not that of the figures it is shown with."""
    area = scale_area(small_model, MEMORY, CPU, "fp32", ((48, 64), (96, 128)))
    small, large = area.points
    assert (small.area, large.area) == (48 * 64, 96 * 128)
    for point in area.points:
        assert 0 < point.attention < point.stages["features"] < point.seconds
    assert area.ratio == pytest.approx((large.seconds - large.attention) / (small.seconds - small.attention) / 4)
    assert area.exponent == pytest.approx(math.log(4 * area.ratio) / math.log(4))


def test_along_a_film() -> None:
    """Fails where a frame's cost, or the memory, grows with the number of frames before it."""
    length = scale_length(MEMORY, CPU, "fp32", frames=250, size=(32, 48), window=40)
    assert length.parameters < 1e6
    assert length.frames == 250
    assert length.late < 3 * length.early  # a cost that grew by a frame's worth each time would be 200 times that
    assert length.memory.slope is None or abs(length.memory.slope) < 2**16
    with pytest.raises(ValueError, match="too few"):
        scale_length(MEMORY, CPU, "fp32", frames=100)


def test_operations_are_those_of_real_steps(small_model: cm.ColorMNet) -> None:
    """Fails where GFLOP a frame is not what a round of real frames costs, whatever the look-ahead."""
    expected = frame_cost(small_config(), (32, 48), MEMORY).operations
    for batch in (1, 2):
        colorizer, pool = filled_colorizer(small_model, MEMORY, CPU, "fp32", (32, 48), 10)
        with FlopCounterMode(display=False) as counter:
            for frames in pool.split(batch):
                colorizer.steps(frames)
        assert counter.get_total_flops() / 10 == pytest.approx(expected, rel=0.05)


def test_made_up_frames_are_the_same_everywhere() -> None:
    """Fails where two machines would be compared on different films, or the film stands still."""
    first, again, next_ = (synthetic_luma(i, (48, 64)) for i in (0, 0, 1))
    assert (first == again).all()
    assert (first != next_).mean() > 0.5
    assert 16 <= first.min() < first.max() <= 235


@pytest.mark.parametrize(
    ("text", "size"),
    [("960x536", (536, 960)), ("480p", (480, 854)), ("240p", (240, 426)), ("1080p", (1080, 1920))],
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    """People write the width first."""
    assert parse_frame_size(text) == size


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"size": (8, 64)}, "64×8"),
        ({"film": (65, 96)}, "96×65"),
        ({"frames": 0}, "frames is 0"),
        ({"lookahead": 0}, "lookahead is 0"),
    ],
)
def test_settings_that_cannot_be(settings: dict, says: str) -> None:
    """Fails where a slip is found minutes later, deep in an encoder."""
    with pytest.raises(UsageError, match=says):
        BenchSettings(**settings)


QUICK = ["bench", "--model", "small.pt", "--device", "cpu", "--size", "48x32", "--frames", "5", "--long-term", "200"]


@pytest.fixture
def quick_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are measured above; here they would be most of the time."""
    for name in ("measure_rate", "measure_product_rate"):
        monkeypatch.setattr(f"colormnet_cli.bench.run.{name}", lambda *_: 1e9)


@pytest.mark.usefixtures("quick_rates")
def test_the_command(command) -> None:  # noqa: F811
    """Fails where a person sees no table, or a program no JSON."""
    code, out, _ = command(*QUICK, "--film", "none", "--json", "--m", "8", "--lookahead", "2")
    assert code == 0
    found = json.loads(out)
    assert found["film"] is None
    assert found["network"]["lookahead"] == 2
    assert found["memory_settings"]["m"] == 8
    code, out, _ = command(*QUICK, "--film", "64x48", "--stage-times")
    assert code == 0
    for words in ("frames a second", "film, 64×48", "p95", "slope", "GFLOP a frame", "decode:", "encode:", "(MFP)"):
        assert words in out


@pytest.mark.usefixtures("quick_rates")
def test_no_weights_no_download(command, monkeypatch: pytest.MonkeyPatch, small_model: cm.ColorMNet) -> None:  # noqa: F811
    """Fails where bench fetches half a gigabyte, or does not say that it measured random weights."""
    monkeypatch.setattr("colormnet_cli.weights.find", lambda *_: None)
    monkeypatch.setattr("colormnet_cli.weights.ensure", lambda *_, **__: pytest.fail("it fetches"))
    monkeypatch.setattr(
        "colormnet_cli.networks.colormnet.ColorMNet", lambda: small_model
    )  # the full one would take minutes
    code, out, err = command(*QUICK, "--film", "none", "--json", "--model", "colormnet")
    assert code == 0
    assert json.loads(out)["weights"] == "random"
    assert "not on disk" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--size", "480"], "960x536"), (["--film", "97x64"], "even"), (["--model", "nosuch"], "nosuch")],
)
def test_wrong_usage(command, arguments: list[str], says: str) -> None:  # noqa: F811
    """One sentence, before anything is measured."""
    code, _, err = command("bench", "--device", "cpu", *arguments)
    assert code in (1, 2)
    assert says in err
    assert "Traceback" not in err
