"""The benchmark: the task of the papers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.errors import MediaError, UsageError
from colormnet_cli.evaluation.benchmark import BenchmarkSettings, benchmark
from colormnet_cli.evaluation.evaluate import evaluate
from support.clips import picture, write_film, write_frames


def test_benchmark_colorizes_from_the_first_frame(tmp_path: Path, small_model: cm.ColorMNet) -> None:
    """The model would be measured on another task than in the papers."""
    write_frames(tmp_path / "clips" / "one", 4)
    write_film(tmp_path / "clips" / "two.mkv", [picture(i) for i in range(3)])
    found = benchmark(
        tmp_path / "clips", model=small_model, device="cpu", output=tmp_path / "out",
        coloring=BenchmarkSettings(size="source"),
    )  # fmt: skip
    assert [(c.name, c.frames) for c in found.clips] == [("one", 4), ("two", 3)]
    assert found.settings["memory"]["gamma"] == 5
    assert sorted(p.name for p in (tmp_path / "out" / "two").iterdir()) == ["00000.png", "00001.png", "00002.png"]

    colorizer = cm.Colorizer(small_model)
    labs = [cm.rgb_to_lab(torch.from_numpy(picture(i)).permute(2, 0, 1) / 255) for i in range(4)]
    colorizer.set_exemplar(labs[0], first_frame=True)
    for number, lab in enumerate(labs):
        rgb = cm.lab_to_rgb(torch.cat((lab[:1], colorizer.step(lab[:1]))))
        expected = (rgb * 255).round().byte().permute(1, 2, 0).numpy()
        written = cv2.imread(str(tmp_path / "out" / "one" / f"{number}.png"))[..., ::-1]
        assert np.abs(written.astype(int) - expected).max() <= 1
    again = evaluate(tmp_path / "out" / "one", tmp_path / "clips" / "one", device="cpu")
    assert again.clips[0].means() == pytest.approx(found.clips[0].means(), nan_ok=True)


def test_benchmark_of_large_clips_runs_at_the_working_resolution(tmp_path: Path, small_model: cm.ColorMNet) -> None:
    """A 4K benchmark could not run, or the colors of its first frame would be lost."""
    write_frames(tmp_path / "clip", 2, size=(96, 160))
    found = benchmark(tmp_path / "clip", model=small_model, device="cpu", coloring=BenchmarkSettings(size=48))
    assert found.clips[0].frames == 2
    assert found.clips[0].columns["ab_psnr"][0] > 30  # the colors of the first frame, downscaled and upsampled
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="holds no clips"):
        benchmark(tmp_path / "empty", model=small_model, device="cpu")


@pytest.mark.parametrize("asked", ["clips", "clips/one"])
def test_results_never_overwrite_the_references(tmp_path: Path, small_model: cm.ColorMNet, asked: str) -> None:
    """Results have the file names of their references: the data set would be lost."""
    first = write_frames(tmp_path / "clips" / "one", 2) / "0.png"
    before = first.read_bytes()
    with pytest.raises(UsageError, match="overwrite the reference clips"):
        benchmark(tmp_path / asked, model=small_model, device="cpu", output=tmp_path / "clips" / ".")
    assert first.read_bytes() == before


def test_a_missing_folder_is_an_error(tmp_path: Path, small_model: cm.ColorMNet) -> None:
    """A mistyped name would be reported as a folder without clips."""
    with pytest.raises(MediaError, match="there is no such file or folder"):
        benchmark(tmp_path / "gone", model=small_model, device="cpu")


def test_two_clips_of_one_name_are_refused(tmp_path: Path, small_model: cm.ColorMNet) -> None:
    """The results of one would replace those of the other."""
    write_frames(tmp_path / "clips" / "one", 2)
    write_film(tmp_path / "clips" / "one.mkv", [picture(i) for i in range(2)])
    with pytest.raises(MediaError, match="two clips named one: one and one"):
        benchmark(tmp_path / "clips", model=small_model, device="cpu")
