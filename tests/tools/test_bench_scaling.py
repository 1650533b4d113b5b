"""tools/bench_scaling.py: how time grows with the area, and along a film."""

from __future__ import annotations

import json
import math
from functools import partial

import pytest
import torch

import bench_scaling
import colormnet_cli as cm
from bench_scaling import scale_area, scale_length

CPU = torch.device("cpu")
MEMORY = cm.MemoryConfig(n_s=6, n_e=3, m=16, long_term=300)


@pytest.mark.slow
def test_time_against_area(small_model: cm.ColorMNet) -> None:
    """Fails where the ratio to linear is not that of the figures it is shown with."""
    area = scale_area(small_model, MEMORY, CPU, "fp32", ((48, 64), (96, 128)))
    small, large = area.points
    assert (small.area, large.area) == (48 * 64, 96 * 128)
    for point in area.points:
        assert 0 < point.attention < point.seconds
    assert area.ratio == pytest.approx((large.seconds - large.attention) / (small.seconds - small.attention) / 4)
    assert area.exponent == pytest.approx(math.log(4 * area.ratio) / math.log(4))


@pytest.mark.slow
def test_along_a_film() -> None:
    """Fails where a frame's cost, or the memory, grows with the number of frames before it."""
    length = scale_length(MEMORY, CPU, "fp32", frames=250, size=(32, 48), window=40)
    assert length.parameters < 1e6
    assert length.frames == 250
    assert length.late < 3 * length.early  # a cost that grew by a frame's worth each time would be 200 times that
    assert length.memory.slope is None or abs(length.memory.slope) < 2**16
    with pytest.raises(ValueError, match="too few"):
        scale_length(MEMORY, CPU, "fp32", frames=100)


@pytest.mark.slow
def test_the_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_model: cm.ColorMNet
) -> None:
    """Fails where the script prints no JSON, or a slip in a size ends in a traceback."""
    monkeypatch.setattr(bench_scaling, "ColorMNet", lambda *_: small_model)  # the full one takes minutes
    monkeypatch.setattr(bench_scaling, "scale_length", partial(scale_length, window=10))
    bench_scaling.main(["--device", "cpu", "--sizes", "32x32", "64x48", "--frames", "80"])
    found = json.loads(capsys.readouterr().out)
    assert [(point["width"], point["height"]) for point in found["area"]["points"]] == [(32, 32), (64, 48)]
    assert found["length"]["frames"] == 80
    with pytest.raises(SystemExit, match="2"):
        bench_scaling.main(["--device", "cpu", "--sizes", "480"])
    assert "'480' is not a frame size" in capsys.readouterr().err
