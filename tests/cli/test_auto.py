"""Colors without a reference from the command line: stills, --auto for films and for photographs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from colormnet_cli.networks.weight_file import save_network
from support.films import packets_of
from support.networks import make_small_ddcolor
from support.shot_films import Part, camera_scene, join, write_film

SIZE, LENGTHS = (72, 96), (18, 20, 16, 19, 17)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """old.mp4 with sound, of five shots, and a weight file of DDColor."""
    folder = tmp_path_factory.mktemp("auto")
    frames, _ = join([Part(camera_scene(seed, SIZE), length) for seed, length in enumerate(LENGTHS)])
    write_film(folder / "old.mp4", frames)
    network = make_small_ddcolor()
    with torch.no_grad():
        network.refine.bias += torch.tensor([12.0, 20.0])  # random weights are nearly gray
    save_network(network, folder / "ddcolor.pt")
    return folder


@pytest.fixture
def film(place: Path, tmp_path: Path) -> Path:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    return tmp_path / "old.mp4"


def command(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "colormnet_cli", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(call, cwd=cwd, capture_output=True, text=True, timeout=300, check=False, env=env)


def auto(*more: str | Path) -> list[str | Path]:
    models = ["--model", "preview", "--auto-model", "ddcolor.pt", "--device", "cpu", "--size", "64"]
    return ["colorize", "old.mp4", "--auto", *models, *more]


def noise(seed: int, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, size).astype(np.uint8)


def frames_in(path: Path) -> int:
    with av.open(str(path)) as result:
        return sum(1 for _ in result.decode(video=0))


@pytest.mark.slow
def test_a_film_in_one_go_and_corrected_by_its_plan(film: Path) -> None:
    """Someone without any colored picture could not use the program; or a correction would cost the whole film."""
    folder = film.parent
    done = command(*auto("-o", "out.mp4", "--json"), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == sum(LENGTHS) == frames_in(folder / "out.mp4")
    assert packets_of(folder / "out.mp4", "audio") == packets_of(folder / "old.mp4", "audio")
    colored = folder / "old-plan" / "colored"
    assert sorted(path.name for path in colored.iterdir()) == [f"000{number}.png" for number in range(1, 6)]
    assert (folder / "old-plan" / "shots.csv").read_text().count("colored automatically") == 5
    still = cv2.imread(str(folder / "old-plan" / "stills" / "0002.png")).astype(np.int16)
    cv2.imwrite(str(colored / "0002.png"), np.clip(still + np.array([0, 20, 80]), 0, 255).astype(np.uint8))
    again = command(*auto("-o", "out.mp4", "--json", "--overwrite"), cwd=folder)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["reused"] == sum(LENGTHS) - LENGTHS[1]
    assert np.array_equal(cv2.imread(str(colored / "0002.png")), np.clip(still + np.array([0, 20, 80]), 0, 255))
    assert (folder / "old-plan" / "shots.csv").read_text().count("colored automatically") == 4


@pytest.mark.slow
def test_killed_at_any_point_it_resumes(film: Path) -> None:
    """A film would start again, or end in other colors, when the power fails."""
    folder = film.parent
    whole = folder / "whole"
    shutil.copytree(folder, whole)
    assert command(*auto("-o", "out.mp4"), cwd=whole).returncode == 0
    call = [sys.executable, "-m", "colormnet_cli", *map(str, auto("-o", "out.mp4", "--progress", "json"))]
    for phase in ("automatic", "backward", "color"):
        run = subprocess.Popen(call, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert run.stderr is not None
        for line in run.stderr:
            report: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
            if report.get("phase") == phase and report.get("done", 0) >= 1:
                os.kill(run.pid, signal.SIGKILL)
                break
        assert run.wait(60) == -signal.SIGKILL, phase
    assert command(*auto("-o", "out.mp4"), cwd=folder).returncode == 0
    assert (folder / "out.mp4").read_bytes() == (whole / "out.mp4").read_bytes()


@pytest.mark.slow
def test_automatic_stills_fill_in(film: Path) -> None:
    """What no reference shows would have to be colored by hand; or the folder for colored pictures would be filled."""
    folder = film.parent
    cv2.imwrite(str(folder / "ref.png"), noise(3, (*SIZE, 3)))
    models = ["--model", "preview", "--auto-model", "ddcolor.pt", "--device", "cpu", "--size", "64"]
    call = ["colorize", "old.mp4", "--ref", "ref.png", "--fill", "auto", *models, "-o", "out.mp4", "--json"]
    planned = command(*call, "--dry-run", cwd=folder)
    assert planned.returncode == 0, planned.stderr
    assert not (folder / "old-plan").exists()
    done = command(*call, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["automatic"]) == 5
    assert list((folder / "old-plan" / "colored").iterdir()) == []
    assert frames_in(folder / "out.mp4") == sum(LENGTHS)


@pytest.mark.slow
def test_photographs_each_on_its_own(film: Path) -> None:
    """A box of photographs of different sizes could not be colored."""
    photos = film.parent / "photos"
    photos.mkdir()
    for number, size in enumerate([(60, 80), (90, 64), (60, 80)]):
        cv2.imwrite(
            str(photos / f"{number}.png"), np.random.default_rng(number % 2).integers(0, 255, size).astype(np.uint8)
        )
    done = command("frames", "photos", "--auto", "--auto-model", "ddcolor.pt", "--device", "cpu", cwd=film.parent)
    assert done.returncode == 0, done.stderr
    results = [cv2.imread(str(film.parent / "photos-color" / f"{number}.png")) for number in range(3)]
    assert [result.shape[:2] for result in results] == [(60, 80), (90, 64), (60, 80)]
    assert np.array_equal(results[0], results[2])


@pytest.mark.slow
def test_weights_that_cannot_be_fetched_are_reported_before_the_film_is_read(film: Path) -> None:
    """A long film would be read to its end first, or the sentence would advise a network that colors no stills."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(film.parent / "empty"), "COLORMNET_CACHE": str(film.parent / "no")}
    done = command("colorize", "old.mp4", "--auto", "--model", "preview", "-o", "out.mp4", cwd=film.parent, **offline)
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE is set" in done.stderr
    assert "--auto-model PATH" in done.stderr
    assert "--model preview" not in done.stderr
    assert not (film.parent / "old-plan").exists()


@pytest.mark.slow
def test_wrong_usage_is_one_sentence(film: Path) -> None:
    """Newcomers would not learn which ways there are."""
    nothing = command("colorize", "old.mp4", "-o", "out.mp4", cwd=film.parent)
    assert nothing.returncode == 2
    assert all(way in nothing.stderr for way in ("--ref", "--plan", "--auto"))
    both = command("colorize", "old.mp4", "--auto", "--ref", "a.png", "-o", "out.mp4", cwd=film.parent)
    assert both.returncode == 2
    assert "--auto" in both.stderr
    filled = command("colorize", "old.mp4", "--auto", "--fill", "auto", "-o", "out.mp4", cwd=film.parent)
    assert filled.returncode == 2
    assert "leave --fill out" in filled.stderr
    no_plan = command("stills", "old-plan", cwd=film.parent)
    assert no_plan.returncode == 1
    assert "is not a plan folder" in no_plan.stderr
