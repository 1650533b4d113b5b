"""A run over a folder that is interrupted, killed, or meets a full disk resumes to the same, whole pictures."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pytest
from numpy.typing import NDArray

from colormnet_cli.errors import Interrupted, MediaError, OutputError, UsageError
from colormnet_cli.film import checkpoint, run
from colormnet_cli.film.colorize import colorize_pictures
from colormnet_cli.film.pictures_plan import find_pictures
from colormnet_cli.film.prefetch import Prefetch
from colormnet_cli.film.receipt import Receipt
from colormnet_cli.media.image_file import read_image, write_png
from colormnet_cli.media.picture import open_picture
from colormnet_cli.networks.colormnet import ColorMNet
from colormnet_cli.networks.weight_file import save_network
from colormnet_cli.settings import PicturesSettings, Progress
from support.killed_folder import colorize_folder
from support.scans import HEIGHT, WIDTH, bytes_of, folder_of, gray_frame

pytestmark = pytest.mark.usefixtures("one_thread")


def interrupted_run(folder: Path, exemplar: Path, model: ColorMNet, at: int, **kwargs: Any) -> None:
    def stop(progress: Progress) -> None:
        if progress.frame == at:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=rf"at picture {at} of \d+: the same command (resumes|starts)"):
        colorize_pictures(folder, [exemplar], model=model, device="cpu", progress=stop, **kwargs)


@pytest.mark.slow
def test_ctrl_c_and_going_on_give_the_same(
    lively: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of work are not lost, and nobody sees where the break was."""
    folder = folder_of(tmp_path / "in", 16)
    (folder / "scan9.png").write_text("damaged")
    whole = colorize_pictures(folder, [exemplar], tmp_path / "whole", model=lively, device="cpu")
    output = tmp_path / "broken"
    interrupted_run(folder, exemplar, lively, 3, output=output)  # in the first minute: nothing but the start is kept
    assert (tmp_path / "broken.colormnet-part").is_dir()
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    interrupted_run(folder, exemplar, lively, 12, output=output)
    (output / ".scan12.png.part").write_text("left behind by a kill")
    receipt = colorize_pictures(folder, [exemplar], output, model=lively, device="cpu")
    assert bytes_of(output) == bytes_of(tmp_path / "whole")
    assert receipt.resumed_at == 11  # the twelfth's callback came before its checkpoint
    assert (receipt.frames, receipt.undecodable, receipt.warnings) == (15, 1, whole.warnings)
    assert not (tmp_path / "broken.colormnet-part").exists()


def test_another_command_does_not_resume_it(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """Half in one size and half in another would be worse than an error; --no-resume starts anew."""
    folder = folder_of(tmp_path / "in", 4)
    interrupted_run(folder, exemplar, lively, 2)
    other = PicturesSettings(size=32)
    with pytest.raises(UsageError, match="another settings"):
        colorize_pictures(folder, [exemplar], model=lively, device="cpu", settings=other)
    cv2.imwrite(str(folder / "scan3.png"), gray_frame(7))
    with pytest.raises(UsageError, match="another pictures"):
        colorize_pictures(folder, [exemplar], model=lively, device="cpu")
    receipt = colorize_pictures(folder, [exemplar], model=lively, device="cpu", settings=PicturesSettings(resume=False))
    assert (receipt.frames, receipt.resumed_at) == (4, 0)


def test_other_modification_times_do_not_prevent_resuming(
    lively: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was copied, or restored from a backup, between two runs is still the same folder."""
    folder = folder_of(tmp_path / "in", 4)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    interrupted_run(folder, exemplar, lively, 3)
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    assert colorize_pictures(folder, [exemplar], model=lively, device="cpu").resumed_at == 2


def test_the_receipt_has_no_hash_of_images_that_changed(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """An image replaced after it was read was recorded as if it had been colorized; one removed was an error."""
    folder = folder_of(tmp_path / "in", 4)
    last = folder / "scan3.png"
    remove = lambda progress: last.unlink(missing_ok=True) if progress.frame == 4 else None  # noqa: E731
    receipt = colorize_pictures(folder, [exemplar], model=lively, device="cpu", progress=remove)
    assert receipt.inputs[0].sha256 is None
    assert receipt.warnings == (f"{last} has changed since it was read: the receipt has no hash of the folder.",)


def test_removed_results_are_written_again(
    lively: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming after a gap would leave it there."""
    folder = folder_of(tmp_path / "in", 4)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    interrupted_run(folder, exemplar, lively, 3)
    (tmp_path / "in-color/scan0.png").unlink()
    receipt = colorize_pictures(folder, [exemplar], model=lively, device="cpu")
    assert receipt.resumed_at == 0
    assert len(bytes_of(tmp_path / "in-color")) == 4


def test_progress_is_saved_behind_the_pictures_and_not_before(
    lively: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved too early, a power cut leaves out the pictures that were still being written."""
    missing: list[int] = []
    save = run.ProgressFolder.save

    def checked(self: Any, checkpoint: Any, state: Any) -> None:
        missing.append(checkpoint.frames - len(list((tmp_path / "in-color").glob("*.png"))))
        save(self, checkpoint, state)

    def slow(path: Path, pixels: NDArray[Any]) -> None:
        time.sleep(0.05)
        write_png(path, pixels)

    monkeypatch.setattr(run.ProgressFolder, "save", checked)
    monkeypatch.setattr("colormnet_cli.film.pictures_run.write_png", slow)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    colorize_pictures(folder_of(tmp_path / "in", 6), [exemplar], model=lively, device="cpu")
    assert missing == [0] * 7


def test_another_size_is_reported_after_an_interruption_too(
    lively: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resumed run knows the size of the first picture; a BMP's header is not read beforehand."""
    folder = folder_of(tmp_path / "in", 4)
    (folder / "scan3.png").unlink()
    cv2.imwrite(str(folder / "scan3.bmp"), gray_frame(1, 50, 64))
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    interrupted_run(folder, exemplar, lively, 3)
    with pytest.raises(MediaError, match=r"scan3\.bmp is 64×50, but scan0\.png is 64×48"):
        colorize_pictures(folder, [exemplar], model=lively, device="cpu")


@pytest.mark.slow
def test_killed_at_random_moments_it_resumes_to_the_same_result(
    lively: ColorMNet, tmp_path: Path, exemplar: Path
) -> None:
    """A power cut is no different: whole pictures only, and the same ones in the end."""
    folder = folder_of(tmp_path / "in", 24)
    colorize_pictures(folder, [exemplar], tmp_path / "whole", model=lively, device="cpu")
    output, rng, kills = tmp_path / "broken", random.Random(0), 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["colormnet_cli.film.pictures_run", "support.killed_folder"])
    save_network(lively, tmp_path / "weights.pth")
    for _ in range(60):
        process = context.Process(target=colorize_folder, args=(folder, exemplar, output, tmp_path / "weights.pth"))
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


@pytest.mark.slow
@pytest.mark.parametrize("saving", [60.0, 0.0])
def test_a_full_disk_is_one_sentence_and_no_half_picture(
    saving: float, lively: ColorMNet, tmp_path: Path, exemplar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full at a picture or at the progress: what was written is whole, and once there is room the command resumes."""
    folder = folder_of(tmp_path / "in", 16)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", saving)
    with small_disk(tmp_path / "disk", "4m") as disk:

        def run() -> Receipt:
            return colorize_pictures(folder, [exemplar], disk / "out", model=lively, device="cpu")

        for room in (20_000, 90_000):
            (disk / "ballast").unlink(missing_ok=True)
            (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - room))
            with pytest.raises(OutputError, match=r"The disk of .* is full: make room"):
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
    monkeypatch.setattr("colormnet_cli.media.picture.read_image", lambda path: read.append(path) or original(path))
    calls = (partial(open_picture, path) for path in find_pictures(folder_of(tmp_path / "in", 30)))
    with Prefetch(calls, 4, workers=2) as pictures:
        for taken in range(1, 11):
            next(pictures)
            time.sleep(0.01)
            assert len(read) <= taken + 4
    assert len(read) < 20


def test_the_disk_that_vanishes_ends_the_run(lively: ColorMNet, tmp_path: Path, exemplar: Path) -> None:
    """A pulled network drive is no folder of damaged pictures."""
    folder = folder_of(tmp_path / "in", 12)

    def pull(progress: Progress) -> None:
        for path in folder.iterdir():
            path.unlink()

    with pytest.raises(MediaError, match="No such file"):
        colorize_pictures(folder, [exemplar], model=lively, device="cpu", progress=pull)
