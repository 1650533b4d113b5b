"""What a run says of its own speed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from colormnet_cli.film import progress as module
from colormnet_cli.film.progress import ProgressMeter
from colormnet_cli.settings import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that is moved by hand."""
    now = [50.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_the_first_report_has_no_inflated_rate(clock: list[float]) -> None:
    """A film of two hours that has \"0:00 left\" after its first frame: nobody believes the next figure either."""
    reports: list[Progress] = []
    meter = ProgressMeter(1000, reports.append)
    meter.begin(100)  # what an earlier run had done
    for seconds, frame in ((4.0, 108), (1e-5, 116), (2.0, 124)):
        clock[0] += seconds
        meter.report("color", frame)
    first, last = reports  # the second came too soon after the first
    assert first.fps == pytest.approx(2)  # with what the first batch has waited for
    assert first.remaining == pytest.approx((1000 - 108) / 2)
    assert last.fps == pytest.approx(8, rel=1e-3)  # without it
    assert meter.average == pytest.approx(8, rel=1e-3)


def test_a_film_in_one_batch_has_a_rate(clock: list[float]) -> None:
    """--lookahead may be larger than the film: \"4,670,000 a second\" was not what it took."""
    reports: list[Progress] = []
    meter = ProgressMeter(30, reports.append)
    clock[0] += 3
    meter.report("color", 30)
    assert reports[0].fps == meter.average == pytest.approx(10)


def test_each_phase_has_a_rate_of_its_own(clock: list[float]) -> None:
    """Finding the place and writing the file take hundreds of frames a second; the colors do not."""
    reports: list[Progress] = []
    meter = ProgressMeter(100, reports.append)
    for phase, frames, seconds in (("seek", (50, 90), 0.125), ("color", (1, 5, 9), 1), ("join", (50, 100), 0.2)):
        if phase == "join":
            meter.begin(0)
        for frame in frames:
            clock[0] += seconds
            meter.report(phase, frame)
    assert [round(at.fps) for at in reports] == [400, 320, 1, 4, 4, 250, 250]
    assert meter.average == pytest.approx(4)
