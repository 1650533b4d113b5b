"""The color of a film in a file of its own, and put on the film again without the network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import ColorizeSettings, ColorSource, Receipt, colorize_video
from colormnet_cli.errors import Interrupted, MediaError, OutputError, UsageError
from colormnet_cli.film import checkpoint
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.film.grading.apply_color import apply_color, plan_apply
from colormnet_cli.film.grading.color_file import ColorFile, color_planes
from colormnet_cli.film.verify import verify_film
from colormnet_cli.video.probe import probe
from colormnet_cli.video.rgb import RgbFilm
from support.films import FULL, Film, assert_same_frames, frames_of, make_film

KILL_AND_RESUME = Path(__file__).parents[2] / "support" / "kill_and_resume.py"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setitem(checkpoint.SEGMENT_FRAMES, "cpu", 5)


def chroma(path: Path) -> np.ndarray:
    """Cb and Cr of all frames as they are stored, [N, 2, h, w]."""
    info = probe(path)
    return np.array(list(RgbFilm(path).chroma(info.pix_fmt, info.matrix, info.full_range))).astype(int)


def apply(source: Path, color: Path, output: Path, progress: Any = None, **settings: Any) -> Receipt:
    given = ColorizeSettings(**{"archive": True, **settings})
    return apply_color(plan_apply(source, color, output, settings=given), progress)


def difference(one: Path, other: Path) -> int:
    """The largest of all chroma codes."""
    assert_same_frames(one, other)
    return int(np.abs(chroma(one) - chroma(other)).max())


def test_stored_color_is_exact_to_a_200th_of_a_unit() -> None:
    """Graded films would show bands that the network did not make."""
    ab = torch.linspace(-160, 160, 2 * 48 * 64).view(1, 2, 48, 64)
    (planes,) = color_planes(torch.full((1, 1, 48, 64), 50.0), ab)
    y, cb, cr = (plane.float() for plane in planes)
    read = torch.stack((cr - 32768, 32768 - cb)) / 200
    assert float((read - ab[0]).abs().max()) <= 0.0051
    assert set(y.unique().tolist()) == {128.0 * 256}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("film", "settings"),
    [
        (Film(frames=7), {}),
        (Film(frames=4, pix_fmt="yuv444p10le", full_range=True, matrix=1), {"vividness": 0.8}),
        (Film(frames=4, pix_fmt="yuv422p", width=66, height=50), {"guided": False, "size": 24}),
        (replace(FULL, frames=12), {"protect": "mask.png", "vividness": 1.5, "size": 24}),
    ],
    ids=["8 bit", "10 bit", "bilinear", "rotated"],
)
def test_the_same_film_as_without_the_file(tmp_path: Path, color: Any, film: Film, settings: dict[str, Any]) -> None:
    """Someone who grades a film would begin with other colors than the network's."""
    if "protect" in settings:
        mask = np.zeros((64, 48) if film.rotation else (48, 64), np.uint8)
        mask[:20] = 255
        cv2.imwrite(str(tmp_path / "mask.png"), mask)
        settings = {**settings, "protect": tmp_path / "mask.png"}
    old, how = make_film(tmp_path / "old.mkv", film), {"archive": True, **settings}
    color(old, tmp_path / "plain.mkv", **how)
    receipt = color(old, tmp_path / "out.mkv", chroma_out=tmp_path / "color.mkv", **how)
    apply(old, tmp_path / "color.mkv", tmp_path / "applied.mkv", **{k: v for k, v in how.items() if k != "size"})
    assert difference(tmp_path / "plain.mkv", tmp_path / "out.mkv") <= 1
    assert difference(tmp_path / "out.mkv", tmp_path / "applied.mkv") == 0
    for name in ("out.mkv", "applied.mkv"):
        assert [check.name for check in verify_film(old, tmp_path / name) if not check.passed] == []
    assert receipt.output.path == str(tmp_path / "out.mkv")
    assert receipt.frames == film.frames
    assert receipt.weights["sha256"]


def test_the_file_can_be_looked_at(tmp_path: Path, color: Any) -> None:
    """A mistake of the network would only be seen once the film is written."""
    old = make_film(tmp_path / "old.mkv", replace(FULL, frames=8))
    receipt = color(old, tmp_path / "color.mkv", chroma_out=tmp_path / "color.mkv", size=32)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["color.mkv", "old.mkv"]
    assert receipt.frames == 8
    info = probe(tmp_path / "color.mkv")
    assert (info.codec, info.pix_fmt, info.display_matrix) == ("ffv1", "yuv444p16le", None)
    assert info.upright_size == (43, 32)  # the film is stored on its side
    assert [t for t, _ in frames_of(old)] == [t for t, _ in frames_of(tmp_path / "color.mkv")]
    note = ColorFile(tmp_path / "color.mkv").note
    assert (note.size, note.frames, note.part) == (probe(old).upright_size, 8, (None, None, None))
    assert note.film["size"] == old.stat().st_size
    assert note.weights == receipt.weights["sha256"]
    assert note.versions["colormnet"]
    color(old, tmp_path / "plain.mkv", archive=True, size=32)
    film, shown = (np.array(list(RgbFilm(tmp_path / name)), float) for name in ("plain.mkv", "color.mkv"))
    hues = [rgb.mean((0, 1, 2)) - rgb.mean() for rgb in (film, shown)]  # of R, G and B
    assert np.corrcoef(*hues)[0, 1] > 0.9


def test_a_part_of_a_film(tmp_path: Path, color: Any) -> None:
    """The colors of a part would be put on the film's beginning."""
    old, part = make_film(tmp_path / "old.mkv", frames=20), {"start": "f6", "duration": "f8"}
    color(old, tmp_path / "plain.mkv", archive=True, **part)
    color(old, tmp_path / "color.mkv", chroma_out=tmp_path / "color.mkv", **part)
    assert apply(old, tmp_path / "color.mkv", tmp_path / "out.mkv").frames == 8
    assert difference(tmp_path / "plain.mkv", tmp_path / "out.mkv") <= 1
    with pytest.raises(UsageError, match=r"`steady` is for whole films, but .*color\.mkv has the color of a part"):
        apply(old, tmp_path / "color.mkv", tmp_path / "x.mkv", steady=True)
    with pytest.raises(UsageError, match="The color file says which part it colors"):
        apply(old, tmp_path / "color.mkv", tmp_path / "x.mkv", start="f3")


def test_files_that_do_not_belong_together(tmp_path: Path, color: Any) -> None:
    """A film would get the colors of another one."""
    old, colors = make_film(tmp_path / "old.mkv"), tmp_path / "color.mkv"
    color(old, colors, chroma_out=colors)
    for name, changes, message in (
        ("wide.mkv", {"width": 80}, r"wide\.mkv is 80×48, .*color\.mkv is of a film of 64×48"),
        ("short.mkv", {"frames": 11}, r"short\.mkv does not have the 12 frames of .*color\.mkv"),
        ("long.mkv", {"frames": 13}, r"long\.mkv does not have the 12 frames of .*color\.mkv"),
        (
            "slow.mkv",
            {"rate": Fraction(24)},
            r"Frame 1 of .*slow\.mkv is shown at 0\.042 s, its color",
        ),
    ):
        other = make_film(tmp_path / name, **changes)
        with pytest.raises(MediaError, match=message):
            apply(other, colors, tmp_path / "x.mkv")
    with pytest.raises(MediaError, match=r"old\.mkv was not written by `colormnet colorize`"):
        apply(old, old, tmp_path / "x.mkv")
    with pytest.raises(UsageError, match=r"color\.mkv is the input itself"):
        apply(old, colors, colors, overwrite=True)
    other = tmp_path / "other.mkv"  # of the same size and length
    with av.open(str(other), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, frame in enumerate(RgbFilm(old)):
            turned = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[::-1, ::-1]), "rgb24")
            turned.pts = number
            out.mux(stream.encode(turned.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    with pytest.raises(MediaError, match=r"color\.mkv has the color of another film than .*other\.mkv"):
        apply(other, colors, tmp_path / "x.mkv")
    with av.open(str(old)) as source, av.open(str(tmp_path / "copy.mkv"), "w") as out:
        out.metadata["title"] = "Copied"
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    apply(tmp_path / "copy.mkv", colors, tmp_path / "fine.mkv")  # another file, but the same film
    assert not list(tmp_path.glob("x.mkv*"))


def test_a_file_cut_short(tmp_path: Path, color: Any) -> None:
    """The end of a film would be left out."""
    old, colors = make_film(tmp_path / "old.mkv"), tmp_path / "color.mkv"
    color(old, colors, chroma_out=colors)
    (tmp_path / "cut.mkv").write_bytes(colors.read_bytes()[:-40000])
    with pytest.raises(MediaError, match=r"cut\.mkv"):
        apply(old, tmp_path / "cut.mkv", tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()


def stop_after(frames: int, phase: str) -> Any:
    def stop(at: Any) -> None:
        if at.phase == phase and at.frame > frames:
            raise KeyboardInterrupt

    return stop


@pytest.mark.slow
def test_both_steps_are_resumed(tmp_path: Path, color: Any) -> None:
    """The network would compute again what it has computed, or a half-written file would be left."""
    old = make_film(tmp_path / "old.mkv", frames=22)
    how = {"archive": True, "chroma_out": tmp_path / "color.mkv"}
    color(old, tmp_path / "whole.mkv", archive=True, chroma_out=tmp_path / "whole-color.mkv")
    with pytest.raises(Interrupted, match=r"the same command resumes at frame (10|15|20)\."):
        color(old, tmp_path / "out.mkv", progress=stop_after(12, "color"), **how)
    assert not (tmp_path / "color.mkv").exists()
    unfinished = shutil.copytree(tmp_path / "color.mkv.colormnet-part", tmp_path / "unfinished")
    with pytest.raises(Interrupted, match=r"the same command resumes at frame (10|15|20)\."):
        color(old, tmp_path / "out.mkv", progress=stop_after(12, "apply"), **how)
    assert not (tmp_path / "out.mkv").exists()
    unfinished.rename(tmp_path / "color.mkv.colormnet-part")  # as after a kill between the file and its folder's end
    colored = []
    receipt = color(old, tmp_path / "out.mkv", progress=lambda at: colored.append(at.phase), **how)
    assert "color" not in colored
    assert receipt.resumed_at >= 10
    assert difference(tmp_path / "whole.mkv", tmp_path / "out.mkv") == 0
    assert np.array_equal(chroma(tmp_path / "whole-color.mkv"), chroma(tmp_path / "color.mkv"))
    assert len(list(tmp_path.iterdir())) == 5  # nothing else is left


@pytest.mark.slow
def test_a_file_with_other_colors_is_not_replaced(tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colors of an earlier run, or another file, would be lost."""
    old, colors = make_film(tmp_path / "old.mkv"), tmp_path / "color.mkv"
    color(old, tmp_path / "a.mkv", chroma_out=colors, archive=True)
    before = colors.read_bytes()
    with pytest.raises(OutputError, match=r"color\.mkv exists, and does not have these colors"):
        color(old, tmp_path / "b.mkv", chroma_out=colors, size=32)
    assert colors.read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr(FilmRun, "_colorize", None)
        for number, vividness in enumerate((None, 1, 0.8)):  # the same colors
            color(old, tmp_path / f"b{number}.mkv", chroma_out=colors, vividness=vividness, crf=30, guided=False)
    color(old, tmp_path / "b.mkv", chroma_out=colors, size=32, overwrite=True)
    assert ColorFile(colors).size == (32, 43)
    with pytest.raises(UsageError, match=r"`chroma_out` writes FFV1 in Matroska: call it color\.mkv"):
        color(old, tmp_path / "c.mkv", chroma_out=tmp_path / "color.mp4")


@pytest.mark.slow
def test_masks_of_a_plan(tmp_path: Path, small_model: Any, photo: Path) -> None:
    """Shots would be protected by no mask, or by those of others, when colors come from a file."""
    from colormnet_cli.shots.detect import Boundary
    from colormnet_cli.shots.make_plan import make_plan
    from colormnet_cli.shots.shot import Transition

    old = make_film(tmp_path / "old.mkv")
    boundaries = [Boundary(0, Transition("start")), Boundary(6, Transition("dissolve", 4, 8))]
    folder = tmp_path / "old-plan"
    make_plan(old, boundaries=lambda _: boundaries)
    shutil.copy(photo, folder / "colored" / "0001.png")
    (folder / "masks").mkdir()
    cv2.imwrite(str(folder / "masks" / "0002.png"), np.full((48, 64), 255, np.uint8))
    how: dict[str, Any] = {"archive": True, "size": 32}
    receipts = []
    for name, more in (("plain", {}), ("out", {"chroma_out": tmp_path / "color.mkv"})):
        colors, output, settings = ColorSource(plan=folder), tmp_path / f"{name}.mkv", ColorizeSettings(**how, **more)
        receipts.append(colorize_video(old, colors, output, model=small_model, settings=settings, device="cpu"))
    assert difference(tmp_path / "plain.mkv", tmp_path / "out.mkv") <= 1
    assert receipts[1].masks == receipts[0].masks
    assert [shot["mask"] for shot in receipts[1].shots] == [None, str(folder / "masks" / "0002.png")]
    plan = plan_apply(
        old, tmp_path / "color.mkv", tmp_path / "applied.mkv", plan=folder, settings=ColorizeSettings(archive=True)
    )
    assert apply_color(plan).masks == receipts[0].masks
    assert difference(tmp_path / "out.mkv", tmp_path / "applied.mkv") == 0
    assert (chroma(tmp_path / "applied.mkv")[8:] == 128).all()


@pytest.mark.slow
def test_kills_leave_the_same_file(tmp_path: Path, photo: Path) -> None:
    """SIGKILL at eight random moments: a file with other colors, or half of one, would be taken for whole."""
    source = make_film(tmp_path / "film.mp4", codec="libx264", frames=240)
    (tmp_path / "run").mkdir()
    command = [sys.executable, str(KILL_AND_RESUME), str(source), str(photo), str(tmp_path / "run"), "1", "color"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["kills"] == 8
    assert all(result["same"])
    assert len(result["stopped_at"]) > 1, "the kills came before any checkpoint"
    assert sorted(result["left"]) == ["broken.mkv", "whole.mkv"]
