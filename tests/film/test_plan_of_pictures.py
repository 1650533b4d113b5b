"""A folder of pictures colored by a plan: shots, borrowing and placed references, as for a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from colormnet_cli import ColorSource, PicturesSettings, colorize_pictures
from colormnet_cli.errors import MediaError, UsageError
from colormnet_cli.shots.folder import Plan
from colormnet_cli.shots.make_plan import make_plan
from support.shot_films import Part, camera_scene, join

SIZE, LENGTHS = (72, 96), (26, 30)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    frames, _ = join([Part(camera_scene(seed, SIZE), length) for seed, length in enumerate(LENGTHS)])
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number}.png"), (frame * 255).astype(np.uint8))
    return folder


@pytest.fixture
def plan(scans: Path, tmp_path: Path) -> Plan:
    return make_plan(scans, tmp_path / "plan")


def paint(plan: Plan, number: int, tint: tuple[int, int]) -> Path:
    still = cv2.imread(str(plan.still(number))).astype(np.int16)
    path = plan.folder / "colored" / f"{number:04}.png"
    cv2.imwrite(str(path), np.clip(still + np.array([0, *tint]), 0, 255).astype(np.uint8))
    return path


def colors(folder: Path) -> list[np.ndarray]:
    """The mean color of each picture, without its gray."""
    means = [cv2.imread(str(folder / f"{n}.png")).astype(float).mean((0, 1)) for n in range(sum(LENGTHS))]
    return [mean - mean.mean() for mean in means]


def same_hue(one: np.ndarray, painted: Path) -> bool:
    """The painting is lighter than the gray picture, whose lightness is kept: only the hue is the same."""
    other = cv2.imread(str(painted)).astype(float).mean((0, 1))
    other -= other.mean()
    return float(one @ other) > 0.97 * float(np.linalg.norm(one) * np.linalg.norm(other))


def run(scans: Path, source: ColorSource, output: Path, model: Any, **settings: Any) -> Any:
    chosen = PicturesSettings(size=32, **settings)
    return colorize_pictures(scans, source, output, model=model, device="cpu", settings=chosen)


@pytest.mark.slow
def test_pictures_have_shots_like_a_film(scans: Path, plan: Plan, tmp_path: Path, small_model: Any) -> None:
    """Scanned films, which come as folders, could not be colored scene by scene."""
    assert [row.shot.start_frame for row in plan.shots] == [0, LENGTHS[0]]
    paint(plan, 1, (0, 90))
    paint(plan, 2, (60, -60))
    receipt = run(scans, ColorSource(plan=plan.folder), tmp_path / "out", small_model)
    assert [shot["start_frame"] for shot in receipt.shots] == [0, LENGTHS[0]]
    found = colors(tmp_path / "out")
    painted = [plan.folder / "colored" / f"{number:04}.png" for number in (1, 2)]
    at_stills = [found[plan.stills[number]] for number in (1, 2)]
    assert [[same_hue(color, path) for path in painted] for color in at_stills] == [[True, False], [False, True]]


@pytest.mark.slow
def test_a_shot_without_a_picture_borrows(scans: Path, plan: Plan, tmp_path: Path, small_model: Any) -> None:
    """A scene that nobody colored would stay gray in silence."""
    paint(plan, 1, (0, 90))
    receipt = run(scans, ColorSource(plan=plan.folder), tmp_path / "out", small_model)
    assert [shot["borrowed_from"] for shot in receipt.shots] == [None, 1]
    assert "1 (auto)" in (plan.folder / "shots.csv").read_text()
    with pytest.raises(MediaError, match="shot 2 has no colored picture"):
        run(scans, ColorSource(plan=plan.folder), tmp_path / "strict", small_model, strict=True)


@pytest.mark.slow
def test_references_at_pictures(scans: Path, plan: Plan, tmp_path: Path, small_model: Any) -> None:
    """A colored picture of the folder itself could not be placed."""
    one = paint(plan, 1, (0, 90))
    source = ColorSource(references_at=((f"f{plan.stills[1]}", str(one)),))
    run(scans, source, tmp_path / "out", small_model)
    assert same_hue(colors(tmp_path / "out")[plan.stills[1]], one)
    with pytest.raises(UsageError, match="have no times"):
        run(scans, ColorSource(references_at=(("0:01", str(one)),)), tmp_path / "other", small_model)


def test_a_plan_of_other_pictures_is_refused(scans: Path, plan: Plan, tmp_path: Path, small_model: Any) -> None:
    """Frame numbers of one folder would be taken for those of another."""
    paint(plan, 1, (0, 90))
    other = tmp_path / "other"
    other.mkdir()
    for number in range(5):
        (other / f"{number}.png").write_bytes((scans / f"{number}.png").read_bytes())
    with pytest.raises(MediaError, match="is not the film of"):
        run(other, ColorSource(plan=plan.folder), tmp_path / "out", small_model)
