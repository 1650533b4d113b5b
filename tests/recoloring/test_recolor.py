"""A passage of a finished film is colored again: nothing else of the film changes, and it plays through."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import av
import cv2
import numpy as np
import pytest

from colormnet_cli import ColorizeSettings, ColorSource, Receipt, colorize_video, plan_recolor, recolor
from colormnet_cli.errors import Interrupted, MediaError, OutputError, UsageError
from colormnet_cli.film import checkpoint
from colormnet_cli.film.receipt import FileRecord
from colormnet_cli.film.verify import verify_film
from colormnet_cli.networks.weight_file import save_network
from colormnet_cli.video import reader
from colormnet_cli.video.passage_encoder import write_passage
from colormnet_cli.video.rgb import RgbFilm
from support.commands import start
from support.films import FULL, frames_of, make_film
from support.shot_films import Part, camera_scene, join, write_film

pytestmark = pytest.mark.usefixtures("one_thread")
FRAMES, SEGMENT = 64, 16
GRAY = ColorizeSettings(vividness=0)  # new color that is told from the old one
CODECS: dict[str, dict[str, Any]] = {
    "h264.mp4": {}, "hevc.mp4": {"codec": "hevc"}, "ffv1.mkv": {"archive": True}, "prores.mov": {"codec": "prores"},
    "vp9.webm": {},
}  # fmt: skip
MORE: dict[str, dict[str, Any]] = {
    "h264.mkv": {}, "hevc.mkv": {"codec": "hevc"}, "vp9.mp4": {"codec": "vp9"}, "av1.mp4": {"codec": "av1"},
    "mpeg4.mp4": {"codec": "mpeg4"},
}  # fmt: skip


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with sound, subtitles, an attachment, chapters and tags; red.png and blue.png beside it."""
    folder = tmp_path_factory.mktemp("recolor")
    for name, bgr in (("red", (30, 20, 220)), ("blue", (200, 90, 30))):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((48, 64, 3), bgr, np.uint8))
    return make_film(folder / "old.mkv", FULL, rotation=None, frames=FRAMES)


@pytest.fixture(scope="module")
def colored(old: Path, small_model: Any) -> Any:
    """Gives the colored film of a name in `CODECS`, with its receipt beside it, made once."""

    def make(name: str) -> Path:
        path = old.parent / name
        if not path.exists():
            receipt = film_of(old, path, {**CODECS, **MORE}[name], small_model)
            path.with_name(name + ".json").write_text(receipt.to_json())
        return path

    return make


@pytest.fixture
def film(colored: Any, tmp_path: Path) -> Any:
    """Gives a copy of a colored film, with the receipt beside it if that is wanted."""

    def copied(name: str, receipt: bool = True) -> Path:
        path = colored(name)
        if receipt:
            shutil.copy(path.with_name(name + ".json"), tmp_path)
        return Path(shutil.copy(path, tmp_path))

    return copied


def film_of(old: Path, path: Path, more: dict[str, Any], model: Any) -> Receipt:
    """The colored film, in segments of 16 frames."""
    settings = ColorizeSettings(size=32, vividness=4, **more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(checkpoint.SEGMENT_FRAMES, "cpu", SEGMENT)
        return colorize_video(old, old.parent / "blue.png", path, model=model, device="cpu", settings=settings)


def packets(path: Path) -> dict[int, list[tuple[Any, ...]]]:
    """Of every stream, each packet's timestamps and hash."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                found.setdefault(packet.stream.index, []).append((packet.pts, packet.dts, packet.duration, digest))
    return found


def strength(path: Path) -> np.ndarray:
    """Mean distance of Cb and Cr from gray of each frame, in 8-bit codes."""
    info = RgbFilm(path).info
    planes = RgbFilm(path).chroma("yuv444p", info.matrix, info.full_range)
    return np.array([np.abs(np.stack(pair) - 128.0).mean() for pair in planes])


def assert_only_passage_differs(before: Path, after: Path, begin: int, end: int) -> None:
    """Every packet but those of the video from `begin` to `end`, and all timestamps."""
    one, other = packets(before), packets(after)
    assert one.keys() == other.keys()
    for index, mine in one.items():
        theirs = other[index]
        assert [p[:3] for p in mine if index] == [p[:3] for p in theirs if index]
        assert sorted(p[0] for p in mine) == sorted(p[0] for p in theirs)
        differing = [n for n, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a[3] != b[3]]
        assert (not differing) if index else (differing and begin <= differing[0] and differing[-1] < end)
    with av.open(str(before)) as a, av.open(str(after)) as b:
        assert a.duration == b.duration
        assert [s.metadata for s in a.streams] == [s.metadata for s in b.streams]
        assert a.streams.video[0].codec_context.codec_tag == b.streams.video[0].codec_context.codec_tag


def assert_plays(path: Path) -> None:
    """Every packet can be decoded, also by the `ffmpeg` command, which has nothing to say about it."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == FRAMES
    assert not any(frame.is_corrupt for frame in frames)
    if shutil.which("ffmpeg"):
        command = ["ffmpeg", "-v", "warning", "-i", str(path), "-map", "0:v", "-map", "0:a", "-f", "null", "-"]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        assert [line for line in run.stderr.splitlines() if "ttachment" not in line and "probesize" not in line] == []


@pytest.mark.parametrize("name", [*CODECS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_everything_else_is_copied(film: Any, old: Path, small_model: Any, name: str) -> None:
    """A correction of seconds would change the rest of the film, or break players at its ends."""
    path = film(name)
    before = Path(shutil.copy(path, path.with_name(f"before-{name}")))
    plan = plan_recolor(path, old.parent / "red.png", "f24", "f38", settings=GRAY)
    splice = plan.splice
    intra = name in ("ffv1.mkv", "prores.mov", "mpeg4.mp4")
    assert intra or (splice.begin, splice.end) == (16, 48)
    receipt = recolor(plan, small_model, device="cpu")
    assert_only_passage_differs(before, path, splice.begin, splice.end)
    assert_plays(path)
    receipts = [json.loads(path.with_name(name + ".json").read_text()), receipt.to_dict()]
    checks = [[c.name for c in verify_film(old, path, receipt=r) if not c.passed] for r in (receipts[0], None)]
    assert checks[0] == checks[1] == [c.name for c in verify_film(old, before) if not c.passed]
    one, other = strength(before), strength(path)
    assert one.min() > 2
    assert other[29:33].max() < (0.01 if name == "ffv1.mkv" else 0.7)
    assert np.array_equal(one[: splice.begin], other[: splice.begin])
    assert np.array_equal(one[splice.end :], other[splice.end :])
    assert list(path.parent.glob("*.colormnet-part")) == []


@pytest.mark.slow
def test_color_passes_over(film: Any, old: Path, small_model: Any) -> None:
    """A jump of color within a shot would be seen; frames outside would not keep theirs."""
    path = film("ffv1.mkv")
    before = strength(path)
    settings = replace(GRAY, lookahead=5)
    plan = plan_recolor(path, old.parent / "red.png", "f10", "f50", settings=settings)
    assert (plan.passage.rising, plan.passage.falling) == (12, 12)
    recolor(plan, small_model, device="cpu")
    shares = 1 - strength(path) / before
    expected = [plan.passage.share(frame) for frame in range(FRAMES)]
    assert shares == pytest.approx(expected, abs=0.05)
    assert shares[[9, 50]].tolist() == [0, 0]


@pytest.mark.slow
def test_a_shot_is_recolored_from_its_cut_on(tmp_path: Path, small_model: Any, old: Path) -> None:
    """The new colors would come in over half a second though the picture changes at once."""
    frames, _ = join([Part(camera_scene(seed, (48, 64)), 30) for seed in range(3)])
    write_film(tmp_path / "old.mkv", frames)
    photo = old.parent / "blue.png"
    settings = ColorizeSettings(archive=True, size=32)
    colorize_video(tmp_path / "old.mkv", photo, tmp_path / "out.mkv", model=small_model, settings=settings)
    passages = [
        plan_recolor(tmp_path / "out.mkv", photo, first, last).passage
        for first, last in (("f30", "f60"), (1.25, 2.5), ("f40", "f50"))
    ]
    assert [(p.first, p.last, p.rising, p.falling) for p in passages] == [
        (30, 60, 0, 0), (30, 60, 0, 0), (40, 50, 3, 3),
    ]  # fmt: skip


@pytest.mark.slow
def test_other_settings_than_the_film(tmp_path: Path, old: Path, small_model: Any) -> None:
    """Without a receipt, a film of another quality could not be corrected, or would not play."""
    path = tmp_path / "out.mp4"
    film_of(old, path, {"crf": 30}, small_model)
    before = Path(shutil.copy(path, tmp_path / "before.mp4"))
    sizes = []
    for first in ("f20", "f40"):
        plan = plan_recolor(path, old.parent / "red.png", first, "f44", source=old)
        recolor(plan, small_model, device="cpu")
        assert_plays(path)
        with av.open(str(path)) as container:
            sizes.append(len(container.streams.video[0].codec_context.extradata or b""))
    assert sizes[0] == sizes[1]  # the second passage needs no third header
    assert_only_passage_differs(before, path, 16, 48)
    assert all(check.passed for check in verify_film(old, path))


@pytest.mark.slow
def test_a_film_of_another_encoder(tmp_path: Path, old: Path, small_model: Any) -> None:
    """Someone who gives the wrong settings would get a film that breaks in the middle."""
    path = tmp_path / "out.mkv"
    film_of(old, path, {"codec": "hevc", "preset": "ultrafast"}, small_model)
    with pytest.raises(OutputError, match=r"out\.mkv was not encoded as libx265 .*give the settings"):
        plan_recolor(path, old.parent / "red.png", "f20", "f30", source=old)
    with pytest.raises(OutputError, match=r"\(codec hevc, not h264\)"):
        plan_recolor(path, old.parent / "red.png", "f20", "f30", source=old, settings=ColorizeSettings(codec="h264"))
    told = ColorizeSettings(codec="hevc", preset="ultrafast")
    assert plan_recolor(path, old.parent / "red.png", "f20", "f30", source=old, settings=told).splice.begin == 16
    assert [one.name for one in tmp_path.iterdir()] == ["out.mkv"]


@pytest.mark.slow
def test_the_receipt_lists_every_change(film: Any, old: Path, small_model: Any) -> None:
    """Nobody could tell later which seconds of a film were colored by what."""
    path = film("ffv1.mkv")
    receipt_path = path.with_name("ffv1.mkv.json")
    first = json.loads(receipt_path.read_text())
    first["findings"] = {"passages": [{"worst_frame": frame} for frame in (9, 10, 39, 40)]}
    receipt_path.write_text(json.dumps(first))
    for begin in (10, 30):
        recolor(plan_recolor(path, old.parent / "red.png", f"f{begin}", f"f{begin + 10}"), small_model, device="cpu")
    last = json.loads(receipt_path.read_text())
    changes = last.pop("changes")
    assert [change["frames"] for change in changes] == [[10, 20], [30, 40]]
    assert [(change["start"], change["end"]) for change in changes] == [(0.4, 0.8), (1.2, 1.6)]
    assert changes[0]["before"]["sha256"] == first["output"]["sha256"]
    assert changes[0]["source"]["sha256"] == first["inputs"][0]["sha256"]
    assert Path(changes[0]["references"][0]["path"]).name == "red.png"
    assert changes[0]["settings"]["vividness"] == 4  # as the film was colored
    assert last.pop("output")["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert last.pop("findings") == {"passages": [{"worst_frame": 9}, {"worst_frame": 40}]}
    assert last == {name: first[name] for name in last}
    assert Receipt.from_dict({**last, "output": first["output"], "changes": changes}).changes == changes


@pytest.mark.slow
def test_where_the_luma_comes_from(film: Any, old: Path, tmp_path: Path) -> None:
    """A film would be compressed twice without a word, or an archive could not be corrected without its source."""
    red, lossy, lossless = old.parent / "red.png", film("h264.mp4"), film("ffv1.mkv", receipt=False)
    by_receipt = plan_recolor(lossy, red, "f20", "f30")
    assert by_receipt.film.info.path == old
    named = f"The luma of the passage is that of {old}, which the receipt names."
    assert by_receipt.warnings == (named,)
    own = plan_recolor(lossless, red, "f20", "f30")
    assert own.film.info.path == lossless
    assert own.warnings == (f"The luma of the passage is that of {lossless} itself.",)
    assert plan_recolor(lossy, red, "f20", "f30", source="-").film.info.path == lossy
    receipt = json.loads((tmp_path / "h264.mp4.json").read_text())
    steady = json.dumps({**receipt, "settings": {**receipt["settings"], "steady": True}})
    (tmp_path / "h264.mp4.json").write_text(steady)
    flicker = "Flicker was removed from the colors of the film, but not from those of the passage."
    assert plan_recolor(lossy, red, "f20", "f30").warnings == (named, flicker)
    (tmp_path / "h264.json").write_text(json.dumps({**receipt, "output": {**receipt["output"], "sha256": "0"}}))
    (tmp_path / "h264.mp4.json").rename(tmp_path / "kept.json")
    with pytest.raises(UsageError, match=r"h264\.json is the receipt of another film, or h264\.mp4 has changed since"):
        plan_recolor(lossy, red, "f20", "f30")
    (tmp_path / "h264.json").unlink()
    receipt["inputs"][0]["path"] = "/gone/film.mkv"
    (tmp_path / "h264.mp4.json").write_text(json.dumps(receipt))
    with pytest.raises(
        UsageError, match=r"its source is not known \(/gone/film\.mkv, which its receipt names, is gone"
    ):
        plan_recolor(lossy, red, "f20", "f30")
    (tmp_path / "h264.mp4.json").unlink()
    with pytest.raises(UsageError, match=r"its source is not known: give the film that was colored \(`source`\)"):
        plan_recolor(lossy, red, "f20", "f30")


def test_another_film(film: Any, old: Path, tmp_path: Path, small_model: Any) -> None:
    """A passage of another film would be put into this one."""
    path, red = film("ffv1.mkv"), old.parent / "red.png"
    other = film("h264.mp4").with_name("h264.mp4.json")
    before = path.read_bytes()
    wrong = make_film(tmp_path / "wrong.mkv", FULL, rotation=None, frames=FRAMES, bars=28)
    plan = plan_recolor(path, red, "f20", "f31", source=wrong)
    with pytest.raises(MediaError, match=r"wrong\.mkv does not show what .*ffv1\.mkv does in frame 20"):
        recolor(plan, small_model, device="cpu")
    between = plan_recolor(path, red, "f21", "f25", source=wrong)  # every tenth frame is compared, and the first one
    with pytest.raises(MediaError, match=r"wrong\.mkv does not show what .*ffv1\.mkv does in frame 21"):
        recolor(between, small_model, device="cpu")
    slow = make_film(tmp_path / "slow.mkv", FULL, rotation=None, frames=FRAMES, rate=Fraction(20))
    with pytest.raises(MediaError, match=r"slow\.mkv has no frame where .*ffv1\.mkv has frame"):
        plan_recolor(path, red, "f20", "f31", source=slow)
    with pytest.raises(MediaError, match=r"small\.mkv is 32×48, .* give the film that was colored"):
        plan_recolor(path, red, "f20", "f31", source=make_film(tmp_path / "small.mkv", width=32))
    with pytest.raises(MediaError, match=r"is the receipt of another film"):
        plan_recolor(path, red, "f20", "f31", receipt=other)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("times", "colors", "message"),
    [
        (("f64", "f70"), ColorSource(("red.png",)), r"f64 up to f70: .* whose last frame is f63 at 0:00:02\.520"),
        ((1, 1), ColorSource(("red.png",)), r"has no frame from 1 up to 1"),
        (("f20", "f30"), ColorSource(), r"There is no reference image"),
        (("f20", "f30"), ColorSource(references_at=(("f50", "red.png"),)), r"belongs to frame 50, at 0:00:02.000, but"),
    ],
)
def test_impossible_passages(
    film: Any, old: Path, times: Any, colors: ColorSource, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence says what is wrong, before anything is computed."""
    monkeypatch.chdir(old.parent)
    with pytest.raises((MediaError, UsageError), match=message):
        plan_recolor(film("ffv1.mkv"), colors, *times)


def test_a_colored_frame_of_the_passage(film: Any, old: Path, small_model: Any) -> None:
    """The picture of a frame in the middle would not count for the frames before it."""
    path = film("ffv1.mkv")
    colors = ColorSource(references_at=(("f25", str(old.parent / "red.png")),))
    plan = plan_recolor(path, colors, "f20", "f30", settings=ColorizeSettings(vividness=1))
    assert [(one.begin, one.end, one.backward) for one in plan.film.schedule.passes] == [
        (20, 25, True), (25, 30, False),
    ]  # fmt: skip
    recolor(plan, small_model, device="cpu")
    red = [cr.mean() for _, cr in RgbFilm(path).chroma("yuv420p", "bt709", False)]
    assert red[25] > 160
    assert max(red[:20] + red[30:]) < 140
    assert_plays(path)


@pytest.mark.slow
def test_a_part_of_a_film(tmp_path: Path, old: Path, small_model: Any) -> None:
    """A passage of a film that begins later than its source would get the luma of other frames."""
    settings = ColorizeSettings(archive=True, size=32, start="f10", duration="f40")
    photo = old.parent / "blue.png"
    receipt = colorize_video(old, photo, tmp_path / "out.mkv", model=small_model, settings=settings)
    (tmp_path / "out.json").write_text(receipt.to_json())
    for source in (None, "-"):
        recolor(plan_recolor(tmp_path / "out.mkv", photo, 0.4, 0.8, source=source), small_model, device="cpu")
    lumas = [luma for _, luma in frames_of(tmp_path / "out.mkv")]
    expected = [luma for _, luma in frames_of(old)][10:50]
    assert all(np.array_equal(a, b) for a, b in zip(lumas, expected, strict=True))


@pytest.mark.slow
def test_far_into_a_film(tmp_path: Path, old: Path, small_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of film would be decoded to correct its last seconds, or the luma of other frames be taken."""
    photo, settings = old.parent / "blue.png", ColorizeSettings(archive=True, size=32)
    source = make_film(tmp_path / "old.mp4", frames=40, rate=Fraction(1), codec="libx264", options={"g": "8"})
    colorize_video(source, photo, tmp_path / "out.mkv", model=small_model, settings=settings)
    before = Path(shutil.copy(tmp_path / "out.mkv", tmp_path / "before.mkv"))
    plan = plan_recolor(tmp_path / "out.mkv", photo, "0:34", "0:38", source=source)
    sought: list[Any] = []
    seek = reader.seek
    monkeypatch.setattr(reader, "seek", lambda *where: sought.append(where) or seek(*where))
    recolor(plan, small_model, device="cpu")
    assert len(sought) == 1
    assert_only_passage_differs(before, tmp_path / "out.mkv", 34, 38)
    assert all(check.passed for check in verify_film(source, tmp_path / "out.mkv"))


@pytest.mark.slow
def test_protected_parts_stay_neutral(film: Any, old: Path, tmp_path: Path, small_model: Any) -> None:
    """A caption that was protected when the film was colored would get color."""
    path, mask = film("ffv1.mkv"), np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    receipt = json.loads((tmp_path / "ffv1.mkv.json").read_text())
    receipt["settings"]["protect"] = str(tmp_path / "mask.png")
    (tmp_path / "ffv1.mkv.json").write_text(json.dumps(receipt))
    recolor(plan_recolor(path, old.parent / "red.png", "f20", "f40"), small_model, device="cpu")
    cb, _ = list(RgbFilm(path).chroma("yuv420p", "bt709", False))[30]
    assert (cb[:, :16] == 128).all()
    assert (cb[:, 16:] != 128).any()


# What goes wrong on the way


@pytest.mark.slow
def test_a_film_is_hashed_before_it_is_replaced(
    film: Any, old: Path, small_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while a large film is hashed, it would be a new film with the receipt of the old one."""
    path = film("ffv1.mkv")
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}

    def stop(path: Path) -> FileRecord:
        raise KeyboardInterrupt

    plan = plan_recolor(path, old.parent / "red.png", "f20", "f40")
    monkeypatch.setattr(FileRecord, "of", stop)
    with pytest.raises(Interrupted, match=r"ffv1\.mkv was left as it was"):
        recolor(plan, small_model, device="cpu")
    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before


@pytest.mark.slow
def test_an_interrupted_run_leaves_the_film(film: Any, old: Path, small_model: Any) -> None:
    """Someone who presses Ctrl-C would lose the film of hours."""
    path = film("ffv1.mkv")
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    plan = plan_recolor(path, old.parent / "red.png", "f20", "f40")
    for phase in ("color", "join"):

        def stop(at: Any, phase: str = phase) -> None:
            if at.phase == phase and at.frame > 1:
                raise KeyboardInterrupt

        with pytest.raises(Interrupted, match=r"ffv1\.mkv was left as it was"):
            recolor(plan, small_model, device="cpu", progress=stop)
        assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before


def test_a_receipt_that_cannot_be_written(
    film: Any, old: Path, small_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The film would be called unchanged though it is not."""
    path = film("ffv1.mkv")
    before = path.read_bytes()
    plan = plan_recolor(path, old.parent / "red.png", "f20", "f24")
    monkeypatch.setattr("colormnet_cli.recoloring.recolor.write_whole", Mock(side_effect=OSError(28, "no room")))
    receipt = recolor(plan, small_model, device="cpu")
    assert path.read_bytes() != before
    assert receipt.changes[-1]["warnings"][-1].endswith("cannot be written (no room): it is that of the old film.")


@pytest.mark.slow
def test_a_passage_that_does_not_play(film: Any, old: Path, small_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that makes other packets than it said would ruin the film."""
    path = film("h264.mp4")
    before = path.read_bytes()

    def damaged(info: Any, spec: Any, folder: Path) -> Path:
        made = write_passage(info, spec, folder)
        data = bytearray(made.read_bytes())
        place = data.index(b"mdat") + 1500
        data[place : place + 2000] = bytes(2000)
        made.write_bytes(data)
        return made

    plan = plan_recolor(path, old.parent / "red.png", "f20", "f40")
    monkeypatch.setattr("colormnet_cli.recoloring.recolor.write_passage", damaged)
    with pytest.raises(OutputError, match=r"does not play within .*h264\.mp4, which was left as it was"):
        recolor(plan, small_model, device="cpu")
    assert path.read_bytes() == before
    assert list(path.parent.glob("*.colormnet-part")) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", ["recoloring.recolor.write_passage", "recoloring.recolor.place_output"])
def test_a_killed_run_leaves_the_film(film: Any, old: Path, small_model: Any, where: str) -> None:
    """A power cut would leave half a film, or none, and a folder that stops the next run."""
    path = film("ffv1.mkv")
    before = path.read_bytes()
    save_network(small_model, path.parent / "small.pt")
    module, _, name = f"colormnet_cli.{where}".rpartition(".")
    patch = f"import os, signal, {module} as m\nm.{name} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)"
    line = f"recolor ffv1.mkv --from f20 --to f30 --ref {old.parent / 'red.png'} --model small.pt --device cpu"
    process = start(line.split(), path.parent, patch=patch)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert len(list(path.parent.glob("*.colormnet-part"))) == 1
    recolor(plan_recolor(path, old.parent / "red.png", "f20", "f30"), small_model, device="cpu")
    assert path.read_bytes() != before
    assert_plays(path)
    assert list(path.parent.glob("*.colormnet-part")) == []
