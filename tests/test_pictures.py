"""A folder of scans in, the same scans in colour out: in order, of their depth, with their tones, and never half."""

from __future__ import annotations

import copy
import hashlib
import logging
import multiprocessing
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import color, data

from colormnet_cli.colorizer import Colorizer
from colormnet_cli.errors import Interrupted, MediaError, OutputError, UsageError
from colormnet_cli.imagefile import read_image, to_rgb, write_png
from colormnet_cli.lab import rgb_to_lab
from colormnet_cli.model import ColorMNet
from colormnet_cli.model.checkpoint import save_model
from colormnet_cli.pictures import colorize_pictures, default_output, find_pictures, plan_pictures
from colormnet_cli.pictures import run as module
from colormnet_cli.pictures.flow import read_ahead
from colormnet_cli.receipt import Receipt
from colormnet_cli.settings import ColorizeSettings, Progress
from colormnet_cli.weights import load_model

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = 48, 64


@pytest.fixture(scope="module")
def model(small_model: ColorMNet) -> ColorMNet:
    """Random weights that answer in strong colours, so that some leave the gamut."""
    lively = copy.deepcopy(small_model)
    with torch.no_grad():
        lively.decoder.predict.weight *= 5
        lively.decoder.predict.bias.zero_()
    return lively


def rgb_frame(i: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """A picture that wanders, [H,W,3] RGB."""
    return cv2.resize(np.roll(data.astronaut()[:384], 16 * i, axis=1), (width, height), interpolation=cv2.INTER_AREA)


def gray_frame(i: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    return cv2.cvtColor(rgb_frame(i, height, width), cv2.COLOR_RGB2GRAY)


def folder_of(path: Path, count: int) -> Path:
    path.mkdir()
    for i in range(count):
        cv2.imwrite(str(path / f"scan{i}.png"), gray_frame(i))
    return path


@pytest.fixture
def exemplar(tmp_path: Path) -> Path:
    """A colour picture that is none of the folder's."""
    cv2.imwrite(str(tmp_path / "ref.png"), rgb_frame(40)[..., ::-1])
    return tmp_path / "ref.png"


def settings(**kwargs: Any) -> ColorizeSettings:
    return ColorizeSettings(**kwargs)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def lightness(pixels: NDArray[Any]) -> NDArray[np.float64]:
    return color.rgb2lab(pixels / np.iinfo(pixels.dtype).max)[..., 0]


# What comes out


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_each_picture_is_what_the_colorizer_says_of_it(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """The order of the frames is the film's; one picture's colours on another would be nonsense."""
    folder = folder_of(tmp_path / "in", 12)
    receipt = colorize_pictures(folder, [exemplar], model=model, device="cpu")
    output = tmp_path / "in-color"
    assert sorted(p.name for p in output.iterdir()) == sorted(f"scan{i}.png" for i in range(12))
    colorizer = Colorizer(model, device="cpu")
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


def test_sixteen_bits_stay_sixteen_and_keep_their_lightness(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Scans are 16 bit for their tones; 8 would show bands in every sky."""
    (tmp_path / "in").mkdir()
    deep = (
        np.tile(np.linspace(300, 65000, WIDTH).astype(np.uint16), (HEIGHT, 1))
        + np.arange(HEIGHT, dtype=np.uint16)[:, None]
    )
    cv2.imwrite(str(tmp_path / "in/a.tif"), deep)
    cv2.imwrite(str(tmp_path / "in/b.png"), gray_frame(0))
    colorize_pictures(tmp_path / "in", [exemplar], model=model, device="cpu")
    a, b = read_image(tmp_path / "in-color/a.png"), read_image(tmp_path / "in-color/b.png")
    assert (a.dtype, b.dtype) == (np.uint16, np.uint8)
    assert np.abs(lightness(a) - lightness(np.dstack([deep] * 3))).max() < 0.02
    assert np.ptp(a.astype(int), axis=2).max() > 2000  # it did get colour


def test_a_picture_with_colour_gives_its_lab_lightness(
    model: ColorMNet, tmp_path: Path, exemplar: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The old colour may not shine through, and that it was dropped is said, once."""
    (tmp_path / "in").mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"in/{i}.png"), rgb_frame(i)[..., ::-1])
    with caplog.at_level(logging.WARNING):
        receipt = colorize_pictures(tmp_path / "in", [exemplar], model=model, device="cpu")
    assert np.abs(lightness(read_image(tmp_path / "in-color/1.png")) - lightness(rgb_frame(1))).max() < 0.35
    assert sum("colour already" in record.message for record in caplog.records) == 1
    assert len(receipt.warnings) == 1


def test_every_format_and_name(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Archives mix formats, capitals, and letters of other alphabets."""
    (tmp_path / "in").mkdir()
    names = ["a.png", "b.JPG", "c.jpeg", "d.tif", "e.TIFF", "f.webp", "g.bmp", "Фильм 1.png"]
    for name in names:
        encoded = cv2.imencode(Path(name).suffix.lower(), gray_frame(0))[1]
        (tmp_path / "in" / name).write_bytes(encoded.tobytes())
    (tmp_path / "in/notes.txt").write_text("not a picture")
    (tmp_path / "in/.hidden.png").write_text("not one either")
    (tmp_path / "in/folder.png").mkdir()
    assert colorize_pictures(tmp_path / "in", [exemplar], model=model, device="cpu").frames == len(names)
    assert {p.name for p in (tmp_path / "in-color").iterdir()} == {f"{Path(name).stem}.png" for name in names}


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (479, 853)])
def test_odd_sizes(size: tuple[int, int], model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """No size may end in a traceback, or in another size."""
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/a.png"), gray_frame(0, *size))
    colorize_pictures(tmp_path / "in", [exemplar], model=model, device="cpu", settings=settings(size=64))
    assert read_image(tmp_path / "in-color/a.png").shape == (*size, 3)


def test_the_working_size_and_guidance_are_heeded(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """--size is how a person makes a run fit into memory; L must stay sharp all the same."""
    folder = folder_of(tmp_path / "in", 2)
    for name, kwargs in {"full": {}, "small": {"size": 24}, "plain": {"size": 24, "guided": False}}.items():
        colorize_pictures(folder, [exemplar], tmp_path / name, model=model, device="cpu", settings=settings(**kwargs))
    results = {name: read_image(tmp_path / name / "scan1.png") for name in ("full", "small", "plain")}
    assert len({pixels.tobytes() for pixels in results.values()}) == 3
    for pixels in results.values():
        assert np.abs(lightness(pixels) - lightness(np.dstack([gray_frame(1)] * 3))).max() < 0.35


def test_an_exemplar_that_is_the_first_picture_gives_it_its_own_colours(model: ColorMNet, tmp_path: Path) -> None:
    """Found out by comparing L; the first picture then is the exemplar itself."""
    folder = folder_of(tmp_path / "in", 2)
    cv2.imwrite(str(tmp_path / "ref.png"), rgb_frame(0)[..., ::-1])
    for name, first, close in (("found", None, True), ("no", False, False)):
        options = settings(ref_is_first=first)
        colorize_pictures(folder, [tmp_path / "ref.png"], tmp_path / name, model=model, device="cpu", settings=options)
        off = color.rgb2lab(read_image(tmp_path / name / "scan0.png")) - color.rgb2lab(rgb_frame(0))
        assert (np.linalg.norm(off[..., 1:], axis=2).mean() < 5) == close, name


def test_looking_ahead_changes_nothing(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """The last, shorter batch must not be lost, nor a picture be coloured twice."""
    folder = folder_of(tmp_path / "in", 7)
    for ahead in (1, 3):
        options = settings(lookahead=ahead)
        colorize_pictures(folder, [exemplar], tmp_path / str(ahead), model=model, device="cpu", settings=options)
    for i in range(7):
        one, three = (read_image(tmp_path / ahead / f"scan{i}.png").astype(int) for ahead in ("1", "3"))
        assert np.abs(one - three).max() <= 1, i


# What is said


def test_progress_and_receipt(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """A program that watches the run, and one that checks it later, count on these."""
    folder = folder_of(tmp_path / "in", 4)
    seen: list[Progress] = []
    receipt = colorize_pictures(folder, [exemplar], model=model, device="cpu", progress=seen.append)
    assert [(p.phase, p.frame, p.total) for p in seen] == [("color", i, 4) for i in (1, 2, 3, 4)]
    listing = "".join(
        f"{hashlib.sha256((folder / f'scan{i}.png').read_bytes()).hexdigest()}  scan{i}.png\n" for i in range(4)
    )
    assert receipt.inputs[0].sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert receipt.output.path == str(tmp_path / "in-color")
    assert receipt.output.size == sum(p.stat().st_size for p in (tmp_path / "in-color").iterdir())
    assert receipt.references[0].sha256 == hashlib.sha256(exemplar.read_bytes()).hexdigest()
    assert '"frames": 4' in receipt.to_json()


def test_a_damaged_picture_is_passed_over_and_counted_or_fails_with_strict(
    model: ColorMNet, tmp_path: Path, exemplar: Path
) -> None:
    """One bad scan among thousands must not cost the night, nor go unnoticed."""
    folder = folder_of(tmp_path / "in", 5)
    (folder / "scan2.png").write_bytes((folder / "scan2.png").read_bytes()[:200])
    with pytest.raises(MediaError, match=r"scan2\.png is no picture"):
        colorize_pictures(folder, [exemplar], tmp_path / "s", model=model, device="cpu", settings=settings(strict=True))
    receipt = colorize_pictures(folder, [exemplar], model=model, device="cpu")
    assert (receipt.frames, receipt.undecodable) == (4, 1)
    assert "scan2.png" in receipt.warnings[0]
    assert {p.name for p in (tmp_path / "in-color").iterdir()} == {f"scan{i}.png" for i in (0, 1, 3, 4)}
    for i in range(5):
        (folder / f"scan{i}.png").write_text("nothing")
    with pytest.raises(MediaError, match="None of the 5 pictures"):
        colorize_pictures(folder, [exemplar], tmp_path / "n", model=model, device="cpu")


def test_another_size_within_the_folder_is_named(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Two films in one folder: the person learns which picture does not belong."""
    folder = folder_of(tmp_path / "in", 3)
    cv2.imwrite(str(folder / "scan1.png"), gray_frame(1, 50, 64))
    with pytest.raises(MediaError, match=r"scan1\.png is 64×50, but scan0\.png is 64×48"):
        colorize_pictures(folder, [exemplar], model=model, device="cpu")


def test_mistakes_are_told_before_anything_is_done(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
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
            colorize_pictures(source, references, target, model=model, device="cpu", settings=settings(**kw))

    fails(MediaError, "holds no picture", tmp_path / "empty")
    fails(MediaError, "does not exist", tmp_path / "none")
    fails(MediaError, "is none: it is a file", tmp_path / "file")
    fails(MediaError, r"would both become a\.png", tmp_path / "twins")
    fails(UsageError, "is the input itself", target=folder)
    fails(UsageError, "is the input itself", target=tmp_path / "empty" / ".." / "in")
    fails(OutputError, "is a file", target=tmp_path / "file")
    fails(OutputError, "is not there", target=tmp_path / "no" / "where")
    fails(UsageError, "for films", codec="h264", archive=False)
    fails(UsageError, "at least one colour picture", references=[])
    fails(MediaError, "is gray", references=[folder / "scan0.png"])
    if os.geteuid():
        (tmp_path / "empty").chmod(0o500)
        fails(OutputError, "may not be written", target=tmp_path / "empty")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_exists_is_not_touched_without_overwrite(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Somebody's retouched pictures lie there."""
    folder = folder_of(tmp_path / "in", 2)
    (tmp_path / "in-color").mkdir()
    (tmp_path / "in-color/scan1.png").write_text("retouched")
    with pytest.raises(OutputError, match=r"scan1\.png exists"):
        colorize_pictures(folder, [exemplar], model=model, device="cpu")
    assert bytes_of(tmp_path / "in-color") == {"scan1.png": b"retouched"}
    colorize_pictures(folder, [exemplar], model=model, device="cpu", settings=settings(overwrite=True))
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


# Breaking off and going on


def interrupted_run(folder: Path, exemplar: Path, model: ColorMNet, at: int, **kwargs: Any) -> None:
    def stop(progress: Progress) -> None:
        if progress.frame == at:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=rf"at picture {at} of \d+: the same command (goes on|begins)"):
        colorize_pictures(folder, [exemplar], model=model, device="cpu", progress=stop, **kwargs)


def test_ctrl_c_and_going_on_give_the_same(
    model: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of work are not lost, and nobody sees where the break was."""
    folder = folder_of(tmp_path / "in", 16)
    (folder / "scan9.png").write_text("damaged")
    whole = colorize_pictures(folder, [exemplar], tmp_path / "whole", model=model, device="cpu")
    output = tmp_path / "broken"
    interrupted_run(folder, exemplar, model, 3, output=output)  # within the first minute: nothing but the start is kept
    assert (tmp_path / "broken.colormnet-part").is_dir()
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.0)
    interrupted_run(folder, exemplar, model, 12, output=output)
    (output / ".scan12.png.part").write_text("left behind by a kill")
    receipt = colorize_pictures(folder, [exemplar], output, model=model, device="cpu")
    assert bytes_of(output) == bytes_of(tmp_path / "whole")
    assert receipt.resumed_at == 11  # the twelfth's callback came before its checkpoint
    assert (receipt.frames, receipt.undecodable, receipt.warnings) == (15, 1, whole.warnings)
    assert not (tmp_path / "broken.colormnet-part").exists()


def test_another_command_does_not_go_on_with_it(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Half in one size and half in another would be worse than an error; --no-resume starts anew."""
    folder = folder_of(tmp_path / "in", 4)
    interrupted_run(folder, exemplar, model, 2)
    other = settings(size=32)
    with pytest.raises(UsageError, match="another settings"):
        colorize_pictures(folder, [exemplar], model=model, device="cpu", settings=other)
    cv2.imwrite(str(folder / "scan3.png"), gray_frame(7))
    with pytest.raises(UsageError, match="another pictures"):
        colorize_pictures(folder, [exemplar], model=model, device="cpu")
    receipt = colorize_pictures(folder, [exemplar], model=model, device="cpu", settings=settings(resume=False))
    assert (receipt.frames, receipt.resumed_at) == (4, 0)


def test_results_that_were_taken_away_are_made_again(
    model: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going on behind a gap would leave it there."""
    folder = folder_of(tmp_path / "in", 4)
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.0)
    interrupted_run(folder, exemplar, model, 3)
    (tmp_path / "in-color/scan0.png").unlink()
    receipt = colorize_pictures(folder, [exemplar], model=model, device="cpu")
    assert receipt.resumed_at == 0
    assert len(bytes_of(tmp_path / "in-color")) == 4


def test_progress_is_saved_behind_the_pictures_and_not_before(
    model: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved too early, a power cut leaves out the pictures that were still being written."""
    missing: list[int] = []
    save = module.ProgressFolder.save

    def checked(self: Any, checkpoint: Any, state: Any) -> None:
        missing.append(checkpoint.frames - len(list((tmp_path / "in-color").glob("*.png"))))
        save(self, checkpoint, state)

    def slow(path: Path, pixels: NDArray[Any]) -> None:
        time.sleep(0.05)
        write_png(path, pixels)

    monkeypatch.setattr(module.ProgressFolder, "save", checked)
    monkeypatch.setattr("colormnet_cli.pictures.flow.write_png", slow)
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.0)
    colorize_pictures(folder_of(tmp_path / "in", 6), [exemplar], model=model, device="cpu")
    assert missing == [0] * 7


def test_another_size_is_named_after_a_break_too(
    model: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first picture was is known to the run that goes on."""
    folder = folder_of(tmp_path / "in", 4)
    cv2.imwrite(str(folder / "scan3.png"), gray_frame(1, 50, 64))
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.0)
    interrupted_run(folder, exemplar, model, 3)
    with pytest.raises(MediaError, match=r"scan3\.png is 64×50, but scan0\.png is 64×48"):
        colorize_pictures(folder, [exemplar], model=model, device="cpu")


def _child(folder: Path, exemplar: Path, output: Path, weights: Path) -> None:
    """What is killed: a run that saves its progress all the time, and not too fast for that."""
    torch.set_num_threads(1)
    module.CHECKPOINT_SECONDS = 0.0
    model = load_model(weights)
    colorize_pictures(folder, [exemplar], output, model=model, device="cpu", progress=lambda _: time.sleep(0.02))


def test_killed_at_random_moments_it_goes_on_to_the_same_result(
    model: ColorMNet, tmp_path: Path, exemplar: Path
) -> None:
    """A power cut is no different: whole pictures only, and the same ones in the end."""
    folder = folder_of(tmp_path / "in", 24)
    colorize_pictures(folder, [exemplar], tmp_path / "whole", model=model, device="cpu")
    output, rng, kills = tmp_path / "broken", random.Random(0), 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["colormnet_cli.pictures", __name__])
    save_model(model, tmp_path / "weights.pth")
    for _ in range(60):
        process = context.Process(target=_child, args=(folder, exemplar, output, tmp_path / "weights.pth"))
        process.start()
        before = len(list(output.glob("*.png"))) if output.exists() else 0
        while process.is_alive() and len(list(output.glob("*.png"))) <= before < 24:
            time.sleep(0.002)  # it has begun
        process.join(rng.uniform(0, 0.3) if kills < 6 else 60)
        if len(list(output.glob("*.png"))) == 24:  # its progress may be gone already: the next run would be another one
            process.join(60)
        if process.exitcode is not None:
            break
        process.kill()
        process.join()
        kills += 1
        for path in output.glob("*.png"):
            assert read_image(path).shape == (HEIGHT, WIDTH, 3)
    assert process.exitcode == 0
    assert kills >= 4
    assert bytes_of(output) == bytes_of(tmp_path / "whole")


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A disk of that size, in memory, where the machine lets us mount one."""
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting needs root")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("saving", [60.0, 0.0])
def test_a_full_disk_is_one_sentence_and_no_half_picture(
    saving: float, model: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full at a picture or at the progress: what is there is whole, and after making room the command goes on."""
    folder = folder_of(tmp_path / "in", 16)
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", saving)
    with small_disk(tmp_path / "disk", "4m") as disk:

        def run() -> Receipt:
            return colorize_pictures(folder, [exemplar], disk / "out", model=model, device="cpu")

        for room in (20_000, 90_000):
            (disk / "ballast").unlink(missing_ok=True)
            (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - room))
            with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
                run()
            for path in (disk / "out").iterdir():
                assert read_image(path).shape == (HEIGHT, WIDTH, 3)
            assert not list((disk / "out").glob(".*"))
        (disk / "ballast").unlink()
        assert run().frames == 16
        assert len(bytes_of(disk / "out")) == 16


def test_reading_stays_a_few_pictures_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand scans of 50 megapixels do not fit into memory."""
    read: list[Path] = []
    original = read_image
    monkeypatch.setattr("colormnet_cli.pictures.flow.read_image", lambda path: read.append(path) or original(path))
    pictures = read_ahead(find_pictures(folder_of(tmp_path / "in", 30)), 4)
    for taken in range(1, 11):
        next(pictures)
        time.sleep(0.01)
        assert len(read) <= taken + 4
    pictures.close()
    assert len(read) < 20


def test_the_disk_that_vanishes_ends_the_run(model: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """A pulled network drive is no folder of damaged pictures."""
    folder = folder_of(tmp_path / "in", 12)

    def pull(progress: Progress) -> None:
        for path in folder.iterdir():
            path.unlink()

    with pytest.raises(MediaError, match="No such file"):
        colorize_pictures(folder, [exemplar], model=model, device="cpu", progress=pull)
