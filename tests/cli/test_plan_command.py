"""`colorize --plan` from the outside: what is wrong with a plan is one sentence, before anything is done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from support.commands import run
from support.shot_films import Part, camera_scene, join, write_film

SIZE = (48, 64)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    film = write_film(folder / "old.mp4", join([Part(camera_scene(seed, SIZE), 10) for seed in range(2)])[0])
    make_plan(film, boundaries=lambda _: [Boundary(0, Transition("start")), Boundary(10, Transition("cut"))])
    for number in (1, 2):
        still = cv2.imread(str(folder / "old-plan" / "stills" / f"000{number}.png")).astype(int)
        painted = np.clip(still + np.array([0, 20, 70]), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / "old-plan" / "colored" / f"000{number}.png"), painted)
    return folder


def empty_table(folder: Path) -> None:
    (folder / "old-plan" / "shots.csv").write_text("")


def overlapping(folder: Path) -> None:
    table = folder / "old-plan" / "shots.csv"
    table.write_text(table.read_text().replace("\n2,10,", "\n2,8,"))


def wrong_size(folder: Path) -> None:
    cv2.imwrite(str(folder / "old-plan" / "colored" / "0002.png"), np.full((48, 48, 3), (10, 60, 200), np.uint8))


def changed_film(folder: Path) -> None:
    write_film(folder / "old.mp4", join([Part(camera_scene(9, SIZE), 20)])[0])


def borrows_from_nobody(folder: Path) -> None:
    (folder / "old-plan" / "colored" / "0002.png").unlink()
    table = folder / "old-plan" / "shots.csv"
    table.write_text(table.read_text().replace("cut,,,", "cut,,7,"))


MISTAKES: dict[str, tuple[Callable[[Path], None], str]] = {
    "an empty table": (empty_table, "shots.csv is empty"),
    "overlapping rows": (overlapping, "row 3: shot 2 begins at frame 8, but shot 1 ends at 10"),
    "a picture of another size": (wrong_size, "0002.png is 48×48, but the stills are 64×48"),
    "another film": (changed_film, "is not the film of"),
    "no such lender": (borrows_from_nobody, "shot 2 borrows from shot 7, which is not in the table"),
}


def colorize(folder: Path, *more: str) -> tuple[int, str, str]:
    call = "colorize old.mp4 --plan old-plan -o out.mp4 --model preview --device cpu --size 48"
    return run([*call.split(), *more], folder)


def sentences(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_in_a_plan_is_one_sentence(made: Path, tmp_path: Path, mistake: str) -> None:
    """A person would edit a table for hours without learning what is wrong with it; or lose pictures."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    spoil, sentence = MISTAKES[mistake]
    spoil(tmp_path)
    before = sorted(os.listdir(tmp_path / "old-plan" / "colored"))
    code, _, err = colorize(tmp_path)
    assert code == 1
    assert len(sentences(err)) == 1
    assert sentence in err
    assert "Traceback" not in err
    assert sorted(os.listdir(tmp_path / "old-plan" / "colored")) == before
    assert sorted(os.listdir(tmp_path)) == ["old-plan", "old.mp4"]


def test_wrong_usage_of_a_plan(made: Path) -> None:
    """Options that cannot be combined would be ignored."""
    for more, sentence in (
        (("--ref", "a.png"), "not both"),
        (("--start", "1"), "leave --start"),
        (("--only-shots", "1-9"), "--only-shots names 3, 4, 5, 6, 7, 8 and 9"),
        (("--only-shots", "x"), "--only-shots is 'x'"),
    ):
        code, _, err = colorize(made, *more)
        assert code == 2, err
        assert sentence in err


def test_a_dry_run_names_shots_without_pictures(made: Path, tmp_path: Path) -> None:
    """Nobody would know which scenes still have no colors before the film is done."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    (tmp_path / "old-plan" / "colored" / "0002.png").unlink()
    code, out, err = colorize(tmp_path, "--dry-run")
    assert code == 0, err
    assert "1 of 2 shots has no picture: 2" in out
