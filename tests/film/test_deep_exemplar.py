"""Deep Exemplar from file to file: the same runs as with ColorMNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.bench import BenchSettings, bench
from colormnet_cli.evaluation.benchmark import benchmark
from colormnet_cli.film import checkpoint
from colormnet_cli.film.colorize import for_network
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.settings import ColorSource
from support.clips import write_frames
from support.films import assert_same_frames, make_film
from support.networks import make_small_deep_exemplar

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def net() -> cm.DeepExemplar:
    return make_small_deep_exemplar()


@pytest.fixture
def run(tmp_path: Path, net: cm.DeepExemplar, photo: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`run(output, stop_at=frame)` with segments of eight frames."""
    film = make_film(tmp_path / "film.mp4", frames=30)
    monkeypatch.setattr("colormnet_cli.film.film_run.SEGMENT_FRAMES", {"cpu": 8})
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)

    colorize = FilmRun._colorize

    def go(name: str = "out.mp4", stop_at: int | None = None, colors: Any = (photo, photo)) -> cm.Receipt:
        def stopping(self: FilmRun, frames: Any, batch: Any) -> Any:
            if batch[0].number == stop_at:
                raise KeyboardInterrupt
            return colorize(self, frames, batch)

        monkeypatch.setattr(FilmRun, "_colorize", stopping)
        settings = cm.ColorizeSettings(size=32)
        return cm.colorize_video(film, colors, tmp_path / name, model=net, settings=settings, device="cpu")

    return go


@pytest.mark.slow
def test_a_film_and_an_interrupted_one(run: Any, tmp_path: Path) -> None:
    """Fails where a film that was interrupted differs from one that was not, or its luma from the source's."""
    whole = run("whole.mp4")
    assert (whole.frames, whole.warnings) == (30, ())
    with pytest.raises(cm.Interrupted, match="resumes at frame 16"):
        run(stop_at=20)
    assert run().resumed_at == 16
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    lossless = cm.ColorizeSettings(size=32, archive=True)
    receipt = cm.colorize_video(
        tmp_path / "film.mp4",
        [tmp_path / "whole.mp4@0"],
        tmp_path / "out.mkv",
        model=make_small_deep_exemplar(),
        settings=lossless,
        device="cpu",
    )
    assert receipt.frames == 30
    assert_same_frames(tmp_path / "film.mp4", tmp_path / "out.mkv")


@pytest.mark.slow
def test_pictures_of_later_frames(run: Any, tmp_path: Path, photo: Path) -> None:
    """Fails where colors cannot be propagated backward and forward with it, or an interrupted run differs."""
    colors = ColorSource(references_at=(("f9", str(photo)), ("f20", str(photo))))
    run("whole.mp4", colors=colors)
    with pytest.raises(cm.Interrupted, match="resumes at frame 8"):
        run(stop_at=14, colors=colors)
    assert run(colors=colors).resumed_at == 8
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_a_folder(tmp_path: Path, net: cm.DeepExemplar, photo: Path) -> None:
    """Fails where scans cannot be colorized with it."""
    scans = write_frames(tmp_path / "scans", 3)
    receipt = cm.colorize_pictures(scans, photo, tmp_path / "out", model=net, device="cpu")
    assert receipt.frames == 3
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    assert receipt.settings["size"] == 216  # the paper's, as none was given


def test_a_plan_knows_the_networks_size(tmp_path: Path, net: cm.DeepExemplar, photo: Path) -> None:
    """Fails where --dry-run shows ColorMNet's size for Deep Exemplar, or leaves out that sides are multiples of 8."""
    film = make_film(tmp_path / "film.mp4", width=360, height=288, frames=2)
    plan = cm.plan_video(film, photo, tmp_path / "out.mp4")
    assert plan.working_size == (288, 360)
    with torch.device("meta"):
        assert for_network(plan, cm.DeepExemplar()).working_size == (216, 272)
    assert for_network(plan, net).to_dict()["working_width"] == 272


@pytest.mark.slow
def test_benchmarks(tmp_path: Path, net: cm.DeepExemplar) -> None:
    """Fails where quality or speed can be measured of ColorMNet alone."""
    write_frames(tmp_path / "clips" / "one", 3)
    found = benchmark(tmp_path / "clips", model=net, device="cpu")
    assert found.clips[0].frames == 3
    assert found.settings["size"] == 216
    assert found.clips[0].columns["ab_psnr"][0] > 30  # the first frame has the exemplar's colors, not more vivid ones
    settings = BenchSettings(size=(32, 60), film=(64, 120), frames=5, stage_times=True)
    result = bench(net, settings, device="cpu", name="deep-exemplar")
    assert (result.width, result.height) == (64, 32)  # a multiple of 8
    assert result.fill is None
    assert result.stages is not None
    assert {"features", "read", "decoder"} <= set(result.stages)
    assert not {"la", "remember"} & set(result.stages)
    assert result.film is not None
    assert '"fill": null' in result.to_json()
