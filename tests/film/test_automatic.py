"""Stills colored without an exemplar: the same place in the same colors, and what a person made stays."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.film import automatic
from colormnet_cli.film.automatic import automatic_pictures, color_fill_stills, color_stills
from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.folder import read_plan
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from support.networks import make_small_ddcolor
from support.shot_films import Part, camera_scene, canvas, join, write_film

SIZE, LENGTH = (96, 128), 6
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shots 1, 3 and 5 are the same wall, seen a little further each time; 2 and 4 are elsewhere."""
    folder = tmp_path_factory.mktemp("film")
    wall = canvas(11, 2 * SIZE[0], 4 * SIZE[1], "room")
    scenes = [
        camera_scene(5, SIZE, picture=wall, actors=0, exposure=1 - 0.04 * k)
        if k % 2 == 0
        else camera_scene(60 + k, SIZE)
        for k in range(5)
    ]
    frames, known = join([Part(scene, LENGTH) for scene in scenes])
    film = write_film(folder / "old.mp4", frames)
    cuts = [Boundary(0, Transition("start")), *(Boundary(b.frame, Transition("cut")) for b in known)]
    make_plan(film, boundaries=lambda _: cuts)
    return folder / "old-plan"


@pytest.fixture
def plan(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "old-plan")
    return tmp_path / "old-plan"


class ExposureDependent(cm.Colorizer):
    """Like networks that color each picture on its own: another exposure makes another color."""

    def steps(self, Ls: torch.Tensor, batch: int = 1) -> torch.Tensor:
        angle = Ls.mean((1, 2, 3)) * 1.5
        return super().steps(Ls, batch) + 40 * torch.stack([angle.sin(), angle.cos()], 1)[:, :, None, None]


@pytest.fixture(scope="module")
def networks() -> tuple[cm.Colorizer, cm.Colorizer]:
    return ExposureDependent(make_small_ddcolor(), device="cpu"), cm.Colorizer(cm.load_model("preview"), device="cpu")


def ab(path: Path) -> np.ndarray:
    rgb = torch.from_numpy(cv2.imread(str(path))[..., ::-1].copy()).permute(2, 0, 1) / 255
    return cm.rgb_to_lab(rgb)[1:].numpy()


def notes(plan: Path) -> list[str]:
    with open(plan / "shots.csv") as file:
        return [row["note"] for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_place_that_returns_has_the_same_colors(plan: Path, networks: tuple[cm.Colorizer, cm.Colorizer]) -> None:
    """A wall would change its color with every cut to it."""
    assert color_stills(plan, *networks) == [1, 2, 3, 4, 5]
    walls = [ab(plan / "colored" / f"000{n}.png").mean((1, 2)) for n in (1, 3, 5)]
    assert max(np.linalg.norm(walls[0] - wall) for wall in walls[1:]) < 3
    alone = []
    for number in (1, 3, 5):
        still = torch.from_numpy(cv2.imread(str(plan / "stills" / f"000{number}.png"))).permute(2, 0, 1)
        alone.append(networks[0].step(cm.rgb_to_lab(still / 255)[:1]).mean((1, 2)).numpy())
    assert max(np.linalg.norm(alone[0] - wall) for wall in alone[1:]) > 3


def test_what_a_person_made_stays(plan: Path, networks: tuple[cm.Colorizer, cm.Colorizer]) -> None:
    """Hours of painting would be lost to a second run."""
    own = plan / "colored" / "0002.png"
    picture = np.full((*SIZE, 3), (30, 80, 200), np.uint8)
    cv2.imwrite(str(own), picture)
    assert color_stills(plan, *networks) == [1, 3, 4, 5]
    assert notes(plan) == ["colored automatically", "", *["colored automatically"] * 3]
    corrected = plan / "colored" / "0004.png"
    cv2.imwrite(str(corrected), picture)
    assert automatic_pictures(plan) == {"0001.png", "0003.png", "0005.png"}
    before = own.read_bytes(), corrected.read_bytes()
    assert color_stills(plan, *networks) == []
    assert color_stills(plan, *networks, overwrite=True) == [1, 3, 5]
    assert (own.read_bytes(), corrected.read_bytes()) == before
    assert notes(plan)[3] == ""
    assert read_plan(plan).missing == []


@pytest.mark.slow
def test_coloring_again_keeps_the_pictures_until_they_are_replaced(
    plan: Path, networks: tuple[cm.Colorizer, cm.Colorizer]
) -> None:
    """A film that could be colored could no longer be, after a run that failed or was interrupted."""
    color_stills(plan, *networks)
    still = plan / "stills" / "0005.png"
    content = still.read_bytes()
    still.unlink()
    with pytest.raises(cm.MediaError, match="no still of shot 5"):
        color_stills(plan, *networks, overwrite=True)
    still.write_bytes(content)

    def stop(progress: cm.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        color_stills(plan, *networks, overwrite=True, progress=stop)
    assert read_plan(plan).missing == []
    assert automatic_pictures(plan) == {f"000{number}.png" for number in range(1, 6)}


def test_a_stopped_run_is_resumed(
    plan: Path, networks: tuple[cm.Colorizer, cm.Colorizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every still of a long film would be colored again."""

    def stop(progress: cm.Progress) -> None:
        if progress.frame == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        color_stills(plan, *networks, progress=stop)
    assert color_stills(plan, *networks) == [3, 4, 5]
    assert automatic_pictures(plan) == {f"000{n}.png" for n in range(1, 6)}


@pytest.mark.slow
def test_a_run_that_is_killed_before_it_writes_a_picture(
    plan: Path, networks: tuple[cm.Colorizer, cm.Colorizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture of the program would count as one that a person made: `--overwrite` would never color it again."""
    write, written = automatic.write_picture, []

    def killed(path: Path, data: bytes) -> None:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(path)
        write(path, data)

    def kill(color: Callable[..., list[int]], *args: cm.Colorizer, **more: bool) -> None:
        written.clear()
        with monkeypatch.context() as patch:
            patch.setattr(automatic, "write_picture", killed)
            with pytest.raises(KeyboardInterrupt):
                color(plan, *args, **more)

    kill(color_stills, *networks)
    assert automatic_pictures(plan) == {"0001.png"}
    assert color_stills(plan, *networks) == [2, 3, 4, 5]
    other = ExposureDependent(make_small_ddcolor(seed=1), device="cpu")
    kill(color_stills, other, networks[1], overwrite=True)
    assert automatic_pictures(plan) == {f"000{number}.png" for number in range(1, 6)}
    color_fill_stills(plan, *networks)
    kill(color_fill_stills, other, networks[1])
    assert color_fill_stills(plan, other, networks[1]) == [2, 3, 4, 5]
