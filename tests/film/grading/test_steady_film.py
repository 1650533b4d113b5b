"""A flickering film in, a steady one out, with everything else of the black-and-white original."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from colormnet_cli.errors import Interrupted, MediaError
from colormnet_cli.film.grading.chroma_source import ColoredFilm, SteadyChroma
from colormnet_cli.film.grading.steady_film import plan_steady, steady_film
from colormnet_cli.film.progress_folder import progress_folder
from colormnet_cli.film.verify import verify_film
from colormnet_cli.settings import ColorizeSettings
from colormnet_cli.video.rgb import RgbFilm
from support.clips import picture, write_film
from support.films import FULL, assert_same_frames, make_film

ARCHIVE = ColorizeSettings(archive=True)


def flickering(path: Path, original: Path, seed: int = 0, cut: int = 10**6) -> Path:
    """The film with one color in each frame: another sign of Cb from frame `cut` on, and random shifts."""
    random = np.random.default_rng(seed)
    with av.open(str(original)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = (
            source.streams.video[0].width,
            source.streams.video[0].height,
            "yuv420p",
        )
        for number, frame in enumerate(source.decode(video=0)):
            planes = frame.to_ndarray(format="yuv420p")
            height = frame.height
            planes[height : height + height // 4] = 128 + (30 if number < cut else -30) + random.integers(-8, 9)
            planes[height + height // 4 :] = 128 + random.integers(-8, 9)
            colored = av.VideoFrame.from_ndarray(planes, "yuv420p")
            colored.pts = number
            out.mux(stream.encode(colored))
        out.mux(stream.encode(None))
    return path


def chroma(path: Path) -> np.ndarray:
    """Mean Cb and Cr of each frame, [N, 2]."""
    return np.array([[cb.mean(), cr.mean()] for cb, cr in RgbFilm(path).chroma("yuv420p", "bt601", False)])


def test_only_the_colors_change(tmp_path: Path) -> None:
    """Luma, sound, subtitles, chapters and tags would be those of the tool that colored the film, or lost."""
    old = make_film(tmp_path / "old.mkv", FULL, rotation=None)
    new = flickering(tmp_path / "new.mkv", old)
    receipt = steady_film(plan_steady(old, new, tmp_path / "out.mkv", settings=ARCHIVE))
    assert receipt.frames == FULL.frames
    checks = verify_film(old, tmp_path / "out.mkv")
    assert [check.name for check in checks if not check.passed] == []
    assert_same_frames(old, tmp_path / "out.mkv")
    before, after = chroma(new), chroma(tmp_path / "out.mkv")
    assert np.diff(after, axis=0).std() < 0.5 * np.diff(before, axis=0).std()
    assert not progress_folder(tmp_path / "out.mkv").exists()


def test_own_luma(tmp_path: Path) -> None:
    """Someone without the black-and-white original could not repair a film."""
    new = flickering(tmp_path / "new.mkv", make_film(tmp_path / "old.mkv"))
    steady_film(plan_steady(new, new, tmp_path / "out.mkv", settings=ARCHIVE))
    assert_same_frames(new, tmp_path / "out.mkv")


def test_shots_are_kept_apart(tmp_path: Path) -> None:
    """Colors of one shot would tint the frames around a cut."""
    old = make_film(tmp_path / "old.mkv")
    new = flickering(tmp_path / "new.mkv", old, cut=6)
    plan = plan_steady(old, new, tmp_path / "out.mkv", settings=ARCHIVE)
    steady_film(replace(plan, color=SteadyChroma(ColoredFilm(RgbFilm(new)), 8, (0, 6))))
    cb = chroma(tmp_path / "out.mkv")[:, 0] - 128
    assert (cb[:6] > 30 - 9).all()
    assert (cb[6:] < -30 + 9).all()


@pytest.mark.slow
def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    """Hours of work would be lost, or the result would differ from that of one run."""
    old = make_film(tmp_path / "old.mkv", frames=60)
    new = flickering(tmp_path / "new.mkv", old)
    steady_film(plan_steady(old, new, tmp_path / "whole.mkv", settings=ARCHIVE))
    plan = plan_steady(old, new, tmp_path / "out.mkv", settings=ARCHIVE)

    def stop(at, frame=50):
        if at.phase == "color" and at.frame > frame:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"the same command starts again\."):
        steady_film(replace(plan), partial(stop, frame=20))
    with pytest.raises(Interrupted, match=r"the same command resumes at frame 48\."):
        steady_film(replace(plan), stop)
    receipt = steady_film(plan)
    assert receipt.resumed_at == 48
    one, other = (list(RgbFilm(tmp_path / name)) for name in ("whole.mkv", "out.mkv"))
    assert len(one) == 60
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 80}, r"old\.mkv is 64×48, .*new\.mkv is 80×48: give two films of the same size"),
        ({"frames": 10}, r"old\.mkv has 12 frames, .*new\.mkv has 10: give the colored film of the same length\."),
    ],
)
def test_films_that_do_not_fit(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    """Colors would be put on the wrong frames."""
    old = make_film(tmp_path / "old.mkv")
    new = make_film(tmp_path / "new.mkv", color=True, **changes)
    with pytest.raises(MediaError, match=message):
        plan_steady(old, new, tmp_path / "out.mkv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mkv", "old.mkv"]


def test_another_film(tmp_path: Path) -> None:
    """A film of the same size and length, given by mistake, would color this one at random."""
    old = make_film(tmp_path / "old.mkv")
    turned = tmp_path / "turned.mkv"
    with av.open(str(turned), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, frame in enumerate(RgbFilm(old)):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[::-1, ::-1]), "rgb24")
            picture.pts = number
            out.mux(stream.encode(picture.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    with pytest.raises(MediaError, match=r"turned\.mkv does not show the same film as .*old\.mkv \(their luma corr"):
        plan_steady(old, turned, tmp_path / "out.mkv")


def test_damaged_colored_film(tmp_path: Path) -> None:
    """With a frame lost, all colors behind it would be one frame early."""
    old = make_film(tmp_path / "old.mkv")
    good = make_film(tmp_path / "good.mkv", codec="libx264", options={"g": "1"}, color=True)
    with av.open(str(good)) as source, av.open(str(tmp_path / "new.mkv"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if not packet.size:
                continue
            broken = av.Packet(b"\0" * packet.size) if number == 5 else packet
            broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
            broken.stream = stream
            out.mux(broken)
    with pytest.raises(
        MediaError, match=r"new\.mkv: 1 packet cannot be decoded, so its frame numbers are not reliable"
    ):
        plan_steady(old, tmp_path / "new.mkv", tmp_path / "out.mkv")


def test_unusual_properties_are_reported(tmp_path: Path) -> None:
    """Someone with an interlaced film, or one with transparency, would not learn what that means for the result."""
    old = make_film(tmp_path / "old.mkv", pix_fmt="yuva420p", options={})
    new = flickering(tmp_path / "new.mkv", old)
    receipt = steady_film(plan_steady(old, new, tmp_path / "out.mkv", settings=ARCHIVE))
    assert "The film's transparency was left out." in receipt.warnings


@pytest.mark.parametrize(
    ("pix_fmt", "matrix", "full"),
    [("bgr0", 0, True), ("yuv444p", 1, False), ("yuv420p", 5, True), ("yuv422p10le", 1, True)],
)
def test_colors_of_other_formats(tmp_path: Path, pix_fmt: str, matrix: int, full: bool) -> None:
    """Other programs write RGB, another matrix or range: their colors would come out shifted."""
    true = [picture(number) for number in range(6)]
    old = write_film(tmp_path / "old.mkv", true, "yuv444p")
    with av.open(str(tmp_path / "new.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.color_range = 2 if full else 1
        if matrix:
            stream.codec_context.colorspace = matrix
        for number, rgb in enumerate(true):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            arguments = {"dst_colorspace": matrix, "dst_color_range": 2 if full else 1} if matrix else {}
            frame = frame.reformat(format=pix_fmt, interpolation=2 | 0x2000 | 0x40000 | 0x80000, **arguments)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    steady_film(plan_steady(old, tmp_path / "new.mkv", tmp_path / "out.mkv", settings=ARCHIVE))
    result, colored, original = (np.array(list(RgbFilm(tmp_path / f"{name}.mkv"))) for name in ("out", "new", "old"))
    assert np.abs(colored.astype(int) - true).mean() < 3  # what was written is what was meant
    assert np.abs(result.astype(int) - original).mean() < 3
