"""A folder of scans in, the same scans in color out: in order, of their depth, with their tones, and never half."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import color

from colormnet_cli.color.lab import rgb_to_lab
from colormnet_cli.errors import MediaError, OutputError, UsageError
from colormnet_cli.film.colorize import colorize_pictures
from colormnet_cli.film.pictures_plan import default_output, find_pictures, plan_pictures
from colormnet_cli.inference.colorizer import Colorizer
from colormnet_cli.media.image_file import read_image, to_rgb
from colormnet_cli.networks.colormnet import ColorMNet
from colormnet_cli.settings import ColorizeSettings, PicturesSettings, Progress
from support.scans import HEIGHT, WIDTH, bytes_of, folder_of, gray_frame, rgb_frame

pytestmark = pytest.mark.usefixtures("one_thread")


def settings(**kwargs: Any) -> PicturesSettings:
    return PicturesSettings(**kwargs)


def lightness(pixels: NDArray[Any]) -> NDArray[np.float64]:
    return color.rgb2lab(pixels / np.iinfo(pixels.dtype).max)[..., 0]


def test_what_is_left_out_of_images_is_reported(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Transparency and all pages but the first were lost without a word."""
    folder = folder_of(tmp_path / "in", 4)
    for name in ("scan1", "scan3"):
        rgba = np.dstack([gray_frame(1)] * 3 + [np.full((HEIGHT, WIDTH), 9, np.uint8)])
        cv2.imwrite(str(folder / f"{name}.png"), rgba)
    (folder / "scan2.png").unlink()
    cv2.imwritemulti(str(folder / "scan2.tif"), [gray_frame(2), gray_frame(3)])
    expected = (
        "scan1.png and 1 other have transparency, which is left out.",
        "scan2.tif has several pages or frames: only the first one is colorized.",
    )
    assert plan_pictures(folder, [exemplar]).to_dict()["warnings"] == list(expected)
    assert colorize_pictures(folder, [exemplar], model=lively, device="cpu").warnings == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_each_picture_is_what_the_colorizer_says_of_it(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """The order of the frames is the film's; one picture's colors on another would be nonsense."""
    folder = folder_of(tmp_path / "in", 12)
    receipt = colorize_pictures(folder, [exemplar], model=lively, device="cpu")
    output = tmp_path / "in-color"
    assert sorted(p.name for p in output.iterdir()) == sorted(f"scan{i}.png" for i in range(12))
    colorizer = Colorizer(lively, device="cpu")
    colorizer.set_exemplar(rgb_to_lab(to_rgb(read_image(exemplar))))
    for i in range(12):  # scan2 before scan10
        gray = np.dstack([gray_frame(i)] * 3)
        ab = colorizer.step(rgb_to_lab(to_rgb(gray))[:1]).permute(1, 2, 0).numpy()
        back = color.rgb2lab(read_image(output / f"scan{i}.png"))
        assert np.abs(back[..., 0] - lightness(gray)).max() < 0.35
        wanted = np.dstack([lightness(gray), ab])
        inside = np.abs(color.rgb2lab(color.lab2rgb(wanted)) - wanted).max(axis=2) < 0.1
        assert 0.05 < inside.mean() < 0.95
        assert np.abs(back - wanted)[inside].max() < 2  # rounding to 8 bits, in dark blue
        shorter = np.linalg.norm(ab, axis=2) - np.linalg.norm(back[..., 1:], axis=2)
        assert shorter[~inside].min() > -2
    assert (receipt.frames, receipt.resumed_at, receipt.undecodable) == (12, 0, 0)
    assert not (tmp_path / "in-color.colormnet-part").exists()


def test_sixteen_bits_stay_sixteen_and_keep_their_lightness(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Scans are 16 bit for their tones; 8 would show bands in every sky."""
    (tmp_path / "in").mkdir()
    deep = (
        np.tile(np.linspace(300, 65000, WIDTH).astype(np.uint16), (HEIGHT, 1))
        + np.arange(HEIGHT, dtype=np.uint16)[:, None]
    )
    cv2.imwrite(str(tmp_path / "in/a.tif"), deep)
    cv2.imwrite(str(tmp_path / "in/b.png"), gray_frame(0))
    colorize_pictures(tmp_path / "in", [exemplar], model=lively, device="cpu")
    a, b = read_image(tmp_path / "in-color/a.png"), read_image(tmp_path / "in-color/b.png")
    assert (a.dtype, b.dtype) == (np.uint16, np.uint8)
    assert np.abs(lightness(a) - lightness(np.dstack([deep] * 3))).max() < 0.02
    assert np.ptp(a.astype(int), axis=2).max() > 2000  # it did get color


def test_a_picture_with_color_gives_its_lab_lightness(
    lively: ColorMNet, tmp_path: Path, exemplar: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The old color may not shine through, and that it was dropped is said, once."""
    (tmp_path / "in").mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"in/{i}.png"), rgb_frame(i)[..., ::-1])
    with caplog.at_level(logging.WARNING):
        receipt = colorize_pictures(tmp_path / "in", [exemplar], model=lively, device="cpu")
    assert np.abs(lightness(read_image(tmp_path / "in-color/1.png")) - lightness(rgb_frame(1))).max() < 0.35
    assert sum("is in color" in record.message for record in caplog.records) == 1
    assert len(receipt.warnings) == 1


def test_every_format_and_name(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Archives mix formats, capitals, and letters of other alphabets."""
    (tmp_path / "in").mkdir()
    names = ["a.png", "b.JPG", "c.jpeg", "d.tif", "e.TIFF", "f.webp", "g.bmp", "Фильм 1.png"]
    for name in names:
        encoded = cv2.imencode(Path(name).suffix.lower(), gray_frame(0))[1]
        (tmp_path / "in" / name).write_bytes(encoded.tobytes())
    (tmp_path / "in/notes.txt").write_text("not a picture")
    (tmp_path / "in/.hidden.png").write_text("not one either")
    (tmp_path / "in/folder.png").mkdir()
    assert colorize_pictures(tmp_path / "in", [exemplar], model=lively, device="cpu").frames == len(names)
    assert {p.name for p in (tmp_path / "in-color").iterdir()} == {f"{Path(name).stem}.png" for name in names}


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (479, 853)])
def test_odd_sizes(size: tuple[int, int], lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """No size may end in a traceback, or in another size."""
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/a.png"), gray_frame(0, *size))
    colorize_pictures(tmp_path / "in", [exemplar], model=lively, device="cpu", settings=settings(size=64))
    assert read_image(tmp_path / "in-color/a.png").shape == (*size, 3)


def test_the_working_size_and_guidance_are_used(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """--size is how a person makes a run fit into memory; L must stay sharp all the same."""
    folder = folder_of(tmp_path / "in", 2)
    for name, kwargs in {"full": {}, "small": {"size": 24}, "plain": {"size": 24, "guided": False}}.items():
        colorize_pictures(folder, [exemplar], tmp_path / name, model=lively, device="cpu", settings=settings(**kwargs))
    results = {name: read_image(tmp_path / name / "scan1.png") for name in ("full", "small", "plain")}
    assert len({pixels.tobytes() for pixels in results.values()}) == 3
    for pixels in results.values():
        assert np.abs(lightness(pixels) - lightness(np.dstack([gray_frame(1)] * 3))).max() < 0.35


def test_an_exemplar_that_is_the_first_picture_gives_it_its_own_colors(lively: ColorMNet, tmp_path: Path) -> None:
    """Found out by comparing L; the first picture then is the exemplar itself."""
    folder = folder_of(tmp_path / "in", 2)
    cv2.imwrite(str(tmp_path / "ref.png"), rgb_frame(0)[..., ::-1])
    for name, first, close in (("found", None, True), ("no", False, False)):
        options = settings(ref_is_first=first)
        colorize_pictures(folder, [tmp_path / "ref.png"], tmp_path / name, model=lively, device="cpu", settings=options)
        off = color.rgb2lab(read_image(tmp_path / name / "scan0.png")) - color.rgb2lab(rgb_frame(0))
        assert (np.linalg.norm(off[..., 1:], axis=2).mean() < 5) == close, name


def test_looking_ahead_changes_nothing(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """The last, shorter batch must not be lost, nor a picture be colored twice."""
    folder = folder_of(tmp_path / "in", 7)
    for ahead in (1, 3):
        options = settings(lookahead=ahead)
        colorize_pictures(folder, [exemplar], tmp_path / str(ahead), model=lively, device="cpu", settings=options)
    for i in range(7):
        one, three = (read_image(tmp_path / ahead / f"scan{i}.png").astype(int) for ahead in ("1", "3"))
        assert np.abs(one - three).max() <= 1, i


def test_progress_and_receipt(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """A program that watches the run, and one that checks it later, count on these."""
    folder = folder_of(tmp_path / "in", 4)
    seen: list[Progress] = []
    receipt = colorize_pictures(folder, [exemplar], model=lively, device="cpu", progress=seen.append)
    assert [(p.phase, p.frame, p.total) for p in seen] == [("color", i, 4) for i in (1, 2, 3, 4)]
    listing = "".join(
        f"{hashlib.sha256((folder / f'scan{i}.png').read_bytes()).hexdigest()}  scan{i}.png\n" for i in range(4)
    )
    assert receipt.inputs[0].sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert receipt.output.path == str(tmp_path / "in-color")
    assert receipt.output.size == sum(p.stat().st_size for p in (tmp_path / "in-color").iterdir())
    assert receipt.references[0].sha256 == hashlib.sha256(exemplar.read_bytes()).hexdigest()
    assert '"frames": 4' in receipt.to_json()


def test_a_damaged_picture_is_skipped_and_counted_or_fails_with_strict(
    lively: ColorMNet, tmp_path: Path, exemplar: Path
) -> None:
    """One bad scan among thousands must not cost the night, nor go unnoticed."""
    folder = folder_of(tmp_path / "in", 5)
    (folder / "scan2.png").write_bytes((folder / "scan2.png").read_bytes()[:200])
    with pytest.raises(MediaError, match=r"scan2\.png is not an image"):
        colorize_pictures(
            folder, [exemplar], tmp_path / "s", model=lively, device="cpu", settings=settings(strict=True)
        )
    receipt = colorize_pictures(folder, [exemplar], model=lively, device="cpu")
    assert (receipt.frames, receipt.undecodable) == (4, 1)
    assert "scan2.png" in receipt.warnings[0]
    assert {p.name for p in (tmp_path / "in-color").iterdir()} == {f"scan{i}.png" for i in (0, 1, 3, 4)}
    for i in range(5):
        (folder / f"scan{i}.png").write_text("nothing")
    with pytest.raises(MediaError, match="None of the 5 pictures"):
        colorize_pictures(folder, [exemplar], tmp_path / "n", model=lively, device="cpu")


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_another_size_is_reported_before_anything_is_colored(tmp_path: Path, exemplar: Path, ending: str) -> None:
    """Two films in one folder: the person learns which picture does not belong, and not hours later."""
    folder = folder_of(tmp_path / "in", 4)
    (folder / "scan0.png").write_text("damaged")
    (folder / "scan3.png").unlink()
    cv2.imwrite(str(folder / f"scan3.{ending}"), gray_frame(1, 50, 64))
    with pytest.raises(MediaError, match=rf"scan3\.{ending} is 64×50, but scan1\.png is 64×48"):
        plan_pictures(folder, [exemplar])


def test_a_damaged_header_is_no_picture_of_another_size(tmp_path: Path, exemplar: Path) -> None:
    """A folder would be refused for a picture that is left out anyway."""
    folder = folder_of(tmp_path / "in", 3)
    damaged = bytearray((folder / "scan1.png").read_bytes())
    damaged[19] += 1  # its width
    (folder / "scan1.png").write_bytes(damaged)
    assert plan_pictures(folder, [exemplar]).size == (48, 64)
    with pytest.raises(MediaError, match=r"scan1\.png is not an image"):
        plan_pictures(folder, [exemplar], settings=settings(strict=True))


def test_mistakes_are_reported_before_anything_is_done(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """A sentence, and nothing written."""
    folder = folder_of(tmp_path / "in", 2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "twins").mkdir()
    for name in ("a.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / "twins" / name), gray_frame(0))
    before = sorted(tmp_path.rglob("*"))

    def fails(error: type[Exception], words: str, source: Path = folder, target: Path | None = None, **kw: Any) -> None:
        references = kw.pop("references", [exemplar])
        with pytest.raises(error, match=words):
            colorize_pictures(source, references, target, model=lively, device="cpu", settings=settings(**kw))

    fails(MediaError, "holds no picture", tmp_path / "empty")
    fails(MediaError, "does not exist", tmp_path / "none")
    fails(MediaError, "is none: it is a file", tmp_path / "file")
    fails(MediaError, r"would both become a\.png", tmp_path / "twins")
    fails(UsageError, "is the input itself", target=folder)
    fails(UsageError, "is the input itself", target=tmp_path / "empty" / ".." / "in")
    fails(OutputError, "is a file", target=tmp_path / "file")
    fails(OutputError, "is a file, not a folder", target=tmp_path / "file" / "out")
    with pytest.raises(UsageError, match="for films"):
        plan_pictures(folder, [exemplar], settings=ColorizeSettings(codec="h264"))
    fails(UsageError, "at least one color image", references=[])
    fails(MediaError, "is gray", references=[folder / "scan0.png"])
    if os.geteuid():
        (tmp_path / "empty").chmod(0o500)
        fails(OutputError, "is not writable", target=tmp_path / "empty")
    assert sorted(tmp_path.rglob("*")) == before


def test_existing_files_are_not_replaced_without_overwrite(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Somebody's retouched pictures lie there."""
    folder = folder_of(tmp_path / "in", 2)
    (tmp_path / "in-color").mkdir()
    (tmp_path / "in-color/scan1.png").write_text("retouched")
    with pytest.raises(OutputError, match=r"scan1\.png exists"):
        colorize_pictures(folder, [exemplar], model=lively, device="cpu")
    assert bytes_of(tmp_path / "in-color") == {"scan1.png": b"retouched"}
    colorize_pictures(folder, [exemplar], model=lively, device="cpu", settings=settings(overwrite=True))
    assert len(bytes_of(tmp_path / "in-color")) == 2


def test_order_default_output_and_plan(tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 comes before 10; `colormnet frames .` writes beside the folder, not into its parent's name."""
    folder = folder_of(tmp_path / "in", 12)
    assert [p.name for p in find_pictures(folder)] == [f"scan{i}.png" for i in range(12)]
    assert default_output(folder) == tmp_path / "in-color"
    monkeypatch.chdir(folder)
    assert default_output(".") == tmp_path / "in-color"
    plan = plan_pictures(folder, [exemplar])
    assert plan.to_dict()["pictures"] == 12
    assert not plan.output.exists()
