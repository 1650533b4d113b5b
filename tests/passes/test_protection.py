"""Parts of a film that a mask protects stay neutral, in films, plans and folders of pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import ColorizeSettings, ColorSource, PicturesSettings, colorize_pictures, colorize_video, plan_video
from colormnet_cli.color.orientation import Orientation
from colormnet_cli.errors import Interrupted, MediaError, UsageError
from colormnet_cli.film import checkpoint
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.passes.protection import Protection
from colormnet_cli.passes.schedule import Schedule, ScheduledShot
from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from colormnet_cli.video.probe import probe
from colormnet_cli.video.rgb import RgbFilm
from support.films import assert_same_frames, make_film

pytestmark = pytest.mark.usefixtures("one_thread")


def mask(path: Path, height: int = 48, width: int = 64, rows: int = 17, alpha: np.ndarray | None = None) -> Path:
    """White in its first rows, else black."""
    picture = np.zeros((height, width, 3 if alpha is None else 4), np.uint8)
    picture[:rows] = 255
    if alpha is not None:
        picture[..., 3] = alpha
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return path


def chroma(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Distance of Cb and Cr from neutral, of each frame, as they are stored."""
    info = probe(path)
    planes = RgbFilm(path).chroma(info.pix_fmt, info.matrix, info.full_range)
    middle = 1 << (info.layout.bits - 1)
    return [(cb.astype(int) - middle, cr.astype(int) - middle) for cb, cr in planes]


@pytest.mark.parametrize(
    ("pix_fmt", "rows"),
    [("yuv420p", 8), ("yuv422p", 17), ("yuv444p10le", 17), ("yuv420p16le", 8)],
)
def test_protected_parts_are_exactly_neutral(tmp_path: Path, color: Any, pix_fmt: str, rows: int) -> None:
    """A title would be tinted, if only a little."""
    source = make_film(tmp_path / "film.mkv", pix_fmt=pix_fmt, frames=3)
    receipt = color(source, tmp_path / "out.mkv", archive=True, protect=mask(tmp_path / "mask.png"))
    color(source, tmp_path / "free.mkv", archive=True)
    for protected, free in zip(chroma(tmp_path / "out.mkv"), chroma(tmp_path / "free.mkv"), strict=True):
        for one, other in zip(protected, free, strict=True):
            assert not one[:rows].any()  # all chroma samples of which no luma sample is colored
            assert other[:rows].any()
            assert np.array_equal(one[rows + 1 :], other[rows + 1 :])
    assert_same_frames(source, tmp_path / "out.mkv")
    assert [record.path for record in receipt.masks] == [str(tmp_path / "mask.png")]


def kept_of(path: Path, orientation: Orientation | None = None) -> torch.Tensor:
    """The share of color that the frames of a film with this mask keep."""
    schedule = Schedule([ScheduledShot(1, 0, None, (), mask=str(path))])
    kept = Protection(schedule, orientation or Orientation(), torch.device("cpu")).kept(0)
    assert kept is not None
    return kept


def test_gray_and_transparency_are_shares(tmp_path: Path) -> None:
    """A soft edge of a mask would become a hard one, and a mask painted on a transparent layer would protect all."""
    picture = np.full((48, 64, 4), 255, np.uint8)
    picture[:, 16:32, :3] = 102
    picture[:, 32:48, 3] = 51
    picture[:, 48:, 3] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), picture)
    kept = kept_of(tmp_path / "mask.png")
    assert kept[0, 5, ::16].tolist() == pytest.approx([0, 0.6, 0.8, 1])
    assert bool((kept[..., :16] == 0).all())
    assert bool((kept[..., 48:] == 1).all())


def test_masks_are_upright(tmp_path: Path) -> None:
    """The mask of a film from a phone would protect another part than the one it is drawn on."""
    orientation = Orientation(transposed=True, flipped_x=True)
    kept = kept_of(mask(tmp_path / "mask.png", 64, 48, rows=10), orientation)
    assert kept.shape == (1, 48, 64)
    assert not orientation.upright(kept)[:, :10].any()
    assert bool(orientation.upright(kept)[:, 10:].all())


@pytest.mark.parametrize(
    ("size", "problem"),
    [((48, 65), r"mask\.png is 65×48, but the frames are 64×48 as they are shown"), ((48, 64), "protects nothing")],
)
def test_masks_that_do_not_fit(tmp_path: Path, photo: Path, size: tuple[int, int], problem: str) -> None:
    """The wrong parts would stay neutral, or none."""
    source = make_film(tmp_path / "film.mkv", frames=2)
    path = mask(tmp_path / "mask.png", *size, rows=0 if "nothing" in problem else 9)
    for name in (path, tmp_path / "gone.png"):
        with pytest.raises(MediaError, match=problem if name == path else r"The mask .*gone\.png does not exist"):
            plan_video(source, [photo], tmp_path / "out.mkv", settings=ColorizeSettings(protect=name))


def test_resuming_with_another_mask(tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the film would be protected by another mask than the rest."""
    monkeypatch.setitem(checkpoint.SEGMENT_FRAMES, "cpu", 3)
    source, path = make_film(tmp_path / "film.mkv", frames=9), mask(tmp_path / "mask.png")

    def stop(at: Any) -> None:
        if at.phase == "color" and at.frame > 6:
            raise KeyboardInterrupt

    color(source, tmp_path / "whole.mkv", archive=True, protect=path)
    with pytest.raises(Interrupted):
        color(source, tmp_path / "out.mkv", archive=True, protect=path, progress=stop)
    mask(path, rows=20)
    with pytest.raises(UsageError, match="unfinished run with another mask"):
        color(source, tmp_path / "out.mkv", archive=True, protect=path)
    mask(path)
    assert color(source, tmp_path / "out.mkv", archive=True, protect=path).resumed_at > 0
    for planes in zip(chroma(tmp_path / "out.mkv"), chroma(tmp_path / "whole.mkv"), strict=True):
        assert np.array_equal(*planes)


@pytest.mark.slow
def test_masks_of_shots(tmp_path: Path, small_model: Any, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shot would be colored again when one mask changes, or a mask would protect parts of other shots."""
    film = make_film(tmp_path / "film.mkv", frames=12)
    boundaries = [
        Boundary(0, Transition("start")), Boundary(4, Transition("cut")), Boundary(9, Transition("dissolve", 8, 10)),
    ]  # fmt: skip
    make_plan(film, boundaries=lambda _: boundaries)
    folder = tmp_path / "film-plan"
    shutil.copy(photo, folder / "colored" / "0001.png")
    mask(folder / "masks" / "0002.png")
    common, colored = mask(tmp_path / "mask.png", rows=9), []
    colorize = FilmRun._colorize

    def counting(run: FilmRun, colorizer: Any, batch: Any) -> Any:
        colored.extend(frame.number for frame in batch)
        return colorize(run, colorizer, batch)

    monkeypatch.setattr(FilmRun, "_colorize", counting)

    def run(output: str, **settings: Any) -> list[np.ndarray]:
        colored.clear()
        given = ColorizeSettings(size=32, archive=True, overwrite=True, **settings)
        colorize_video(film, ColorSource(plan=folder), tmp_path / output, model=small_model, settings=given)
        return [cb for cb, _ in chroma(tmp_path / output)]

    free = run("out.mkv")
    assert [not cb[:8].any() for cb in free] == [4 <= number < 8 for number in range(12)]
    mask(folder / "masks" / "0003.png", rows=48)
    last = run("out.mkv")
    assert colored == [8, 9, 10, 11]  # the third shot, and its dissolve from the second
    assert not any(cb.any() for cb in last[10:])
    assert not any(cb[:8].any() for cb in last[8:10])
    assert all(cb[12:].any() for cb in last[8:10])  # of the second shot
    both = run("out.mkv", protect=common)
    assert set(colored) == {0, 1, 2, 3}  # the others have a mask of their own
    assert not any(cb[:4].any() for cb in both)
    assert all(cb[8:].any() for cb in both[:4])
    mask(folder / "masks" / "0042.png")
    with pytest.raises(MediaError, match=r"0042\.png has no shot's name: call it like the still"):
        run("out.mkv")


def test_a_protected_shot_gives_no_color_to_a_dissolve(tmp_path: Path, small_model: Any, photo: Path) -> None:
    """What the network makes of a title would tint the picture that follows it."""
    film = make_film(tmp_path / "film.mkv", frames=6, pix_fmt="yuv444p16le")
    make_plan(film, boundaries=lambda _: [Boundary(0, Transition("start")), Boundary(3, Transition("dissolve", 1, 5))])
    folder = tmp_path / "film-plan"
    shutil.copy(photo, folder / "colored" / "0002.png")
    settings = ColorizeSettings(size=32, archive=True, overwrite=True)
    means = []
    for name in ("colored", "gray"):
        picture = cv2.imread(str(photo))
        gray = np.repeat(picture.mean(-1, keepdims=True), 3, -1).astype(np.uint8)
        cv2.imwrite(str(folder / "colored" / "0001.png"), picture[..., ::-1] if name == "colored" else gray)
        mask(folder / "masks" / "0001.png", rows=48)
        colorize_video(
            film, ColorSource(plan=folder), tmp_path / f"{name}.mkv", model=small_model, settings=settings, device="cpu"
        )
        means.append(np.array([cb.mean() for cb, _ in chroma(tmp_path / f"{name}.mkv")]))
    assert not means[0][0]
    assert np.abs(means[0] - means[1]).max() < 0.01 * np.abs(means[1]).max()


def test_pictures_of_a_folder(tmp_path: Path, small_model: Any, photo: Path) -> None:
    """The frame around scanned photographs would be colored."""
    folder = tmp_path / "scans"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(2):
        gray = random.integers(0, 65536, (48, 64, 1)).repeat(3, -1).astype(np.uint16)
        cv2.imwrite(str(folder / f"{number}.png"), gray)
    settings = PicturesSettings(size=48, protect=mask(tmp_path / "mask.png"))
    colorize_pictures(folder, [photo], tmp_path / "out", model=small_model, settings=settings, device="cpu")
    for number in range(2):
        result, source = (
            cv2.imread(str(path / f"{number}.png"), cv2.IMREAD_UNCHANGED) for path in (tmp_path / "out", folder)
        )
        assert np.array_equal(result[:17], source[:17])
        assert (result[17:] != result[17:, :, :1]).any()
