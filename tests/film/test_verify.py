"""`verify`: each single change to a finished film is found, and untouched results pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from colormnet_cli import ColorizeSettings, colorize_video
from colormnet_cli.errors import MediaError
from colormnet_cli.film.grading.steady_film import plan_steady, steady_film
from colormnet_cli.film.verify import Check, verify_film
from support.commands import run
from support.films import FULL, make_film

pytestmark = pytest.mark.usefixtures("one_thread")
FFV1 = {"codec": "ffv1", "options": {}}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, small_model: Any) -> Path:
    """old.mkv with everything, out.mkv (FFV1) and out.mp4 (H.264) of it, and the receipt of the first."""
    folder = tmp_path_factory.mktemp("verify")
    make_film(folder / "old.mkv", FULL, rotation=None)
    photo = np.full((48, 64, 3), (30, 90, 200), np.uint8)
    cv2.imwrite(str(folder / "photo.png"), photo)
    for name, more in (("out.mkv", {"archive": True}), ("out.mp4", {})):
        settings = ColorizeSettings(size=32, **more)  # type: ignore[arg-type]
        receipt = colorize_video(
            folder / "old.mkv", folder / "photo.png", folder / name, model=small_model, device="cpu", settings=settings
        )
        (folder / f"{name}.json").write_text(receipt.to_json())
    return folder


def failed(checks: list[Check]) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in checks if not check.passed]


@pytest.mark.slow
def test_untouched_results_pass(films: Path) -> None:
    """A whole film would be called broken, and the command ignored from then on."""
    for name in ("out.mkv", "out.mp4"):
        receipt = json.loads((films / f"{name}.json").read_text())
        checks = verify_film(films / "old.mkv", films / name, receipt=receipt)
        assert failed(checks) == []
        luma = next(check for check in checks if check.name == "luma")
        assert ("bit-identical" in luma.detail) == (name == "out.mkv")


class Tampered:
    """Rewrites a finished film with one change."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target

    def write(
        self,
        frames: Callable[[list[av.VideoFrame]], list[av.VideoFrame]] = lambda frames: frames,
        packet: Callable[[str, int, Any], bool] = lambda kind, number, packet: True,
        keep: Callable[[Any], bool] = lambda stream: True,
        container: Callable[[Any], None] = lambda out: None,
        video: Callable[[Any], None] = lambda stream: None,
    ) -> Path:
        with av.open(str(self.source)) as source, av.open(str(self.target), "w") as out:
            picture = source.streams.video[0]
            decoded = list(av.open(str(self.source)).decode(video=0))
            made = out.add_stream("ffv1", rate=25)
            made.width, made.height, made.pix_fmt = picture.width, picture.height, picture.pix_fmt
            made.time_base = made.codec_context.time_base = picture.time_base
            for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
                setattr(made.codec_context, name, getattr(picture.codec_context, name))
            video(made)
            copies: dict[int, Any] = {}
            for stream in source.streams:
                if stream.type in ("audio", "subtitle") and keep(stream):
                    copies[stream.index] = out.add_stream_from_template(stream)
                    copies[stream.index].metadata.update(stream.metadata)
                if stream.type == "attachment" and keep(stream):
                    out.add_attachment("font.ttf", "font/ttf", FULL.attachment or b"")
            out.metadata.update({k: v for k, v in source.metadata.items() if k.lower() != "encoder"})
            out.set_chapters(source.chapters())
            container(out)
            out.start_encoding()
            counts: dict[int, int] = {}
            for item in source.demux([stream for stream in source.streams if stream.index in copies]):
                if item.size:
                    index = item.stream.index
                    counts[index] = counts.get(index, -1) + 1
                    if packet(item.stream.type, counts[index], item):
                        item.stream = copies[index]
                        out.mux(item)
            for frame in frames(decoded):
                frame.pict_type = 0
                out.mux(made.encode(frame))
            out.mux(made.encode(None))
        return self.target


def brighter(frames: list[av.VideoFrame]) -> list[av.VideoFrame]:
    planes, old = frames[7].to_ndarray(), frames[7]
    planes[1, 36] += 1
    frames[7] = av.VideoFrame.from_ndarray(planes, old.format.name)
    frames[7].pts, frames[7].time_base = old.pts, old.time_base
    frames[7].color_range, frames[7].colorspace = old.color_range, old.colorspace
    return frames


def later(frames: list[av.VideoFrame]) -> list[av.VideoFrame]:
    for frame in frames[5:]:
        frame.pts += 1
    return frames


def doubled(frames: list[av.VideoFrame]) -> list[av.VideoFrame]:
    copy = av.VideoFrame.from_ndarray(frames[-1].to_ndarray(), frames[-1].format.name)
    copy.pts, copy.time_base = frames[-1].pts + 40, frames[-1].time_base
    return [*frames, copy]


def one_lost(kind: str, which: int) -> Callable[[str, int, Any], bool]:
    return lambda found, number, packet: not (found == kind and number == which)


def another_language(out: Any) -> None:
    out.streams[1].metadata["language"] = "fra"


def forced(out: Any) -> None:
    out.streams[3].disposition = av.stream.Disposition.forced.value


def longer_chapter(out: Any) -> None:
    chapters = out.chapters()
    chapters[0]["end"] += chapters[0]["end"] // 10
    out.set_chapters(chapters)


def set_range(stream: Any) -> None:
    stream.codec_context.color_range = 2


def set_matrix(stream: Any) -> None:
    stream.codec_context.colorspace = 6


def set_shape(stream: Any) -> None:
    stream.codec_context.sample_aspect_ratio = Fraction(1)


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "frame dropped": ({"frames": lambda f: f[:11] + f[12:]}, "frames"),
    "frame duplicated": ({"frames": doubled}, "frames"),
    "one luma value by 1": ({"frames": brighter}, "luma"),
    "timestamps by one tick": ({"frames": later}, "timestamps"),
    "audio packet missing": ({"packet": one_lost("audio", 9)}, "audio"),
    "first audio packet missing": ({"packet": one_lost("audio", 0)}, "audio"),
    "subtitle missing": ({"packet": one_lost("subtitle", 1)}, "subtitle"),
    "subtitles missing": ({"keep": lambda stream: stream.type != "subtitle"}, "subtitle"),
    "attachment missing": ({"keep": lambda stream: stream.type != "attachment"}, "attachment"),
    "tag changed": ({"container": lambda out: out.metadata.update(title="Another")}, "metadata"),
    "tag missing": ({"container": lambda out: out.metadata.pop("title")}, "metadata: title"),
    "tag added": ({"container": lambda out: out.metadata.update(comment="New")}, "metadata: comment"),
    "language changed": ({"container": another_language}, "streams: language of audio stream 1"),
    "disposition changed": ({"container": forced}, 'streams: disposition "forced" of subtitle stream 3'),
    "chapter longer": ({"container": longer_chapter}, "chapters: chapter 1"),
    "chapters missing": ({"container": lambda out: out.set_chapters([])}, "chapters"),
    "range flag": ({"video": set_range}, "color range"),
    "matrix": ({"video": set_matrix}, "color matrix"),
}


@pytest.mark.slow
def test_the_rewritten_film_itself_passes(films: Path, tmp_path: Path) -> None:
    """The changes below would be found for another reason than themselves."""
    whole = Tampered(films / "out.mkv", tmp_path / "same.mkv").write()
    others = [text for text in failed(verify_film(films / "old.mkv", whole)) if not text.startswith("pixel aspect")]
    assert others == []  # PyAV cannot write the pixel aspect


@pytest.mark.parametrize("change", list(CHANGES))
def test_each_change_is_found(films: Path, tmp_path: Path, change: str) -> None:
    """A damaged film would be taken for a whole one."""
    how, what = CHANGES[change]
    path = Tampered(films / "out.mkv", tmp_path / "changed.mkv").write(**how)
    found = [text for text in failed(verify_film(films / "old.mkv", path)) if not text.startswith("pixel aspect")]
    assert any(text.startswith(what) for text in found), found


def test_the_pixel_aspect_is_compared(films: Path, tmp_path: Path) -> None:
    """A film for television would be shown too narrow."""
    path = Tampered(films / "out.mkv", tmp_path / "narrow.mkv").write(video=set_shape)
    assert any(text.startswith("pixel aspect") for text in failed(verify_film(films / "old.mkv", path)))


def test_names_in_capitals_and_other_containers(tmp_path: Path) -> None:
    """A film from a camera's card, or a video of another program, would end the command with an internal error."""
    old = make_film(tmp_path / "OLD.MP4", frames=3, codec="libx264")
    assert failed(verify_film(old, old)) == []
    broadcast = make_film(tmp_path / "film.ts", frames=3, codec="libx264")
    with pytest.raises(MediaError, match=r"film\.ts is no result of colormnet: give one of \.mp4, "):
        verify_film(broadcast, broadcast)


@pytest.mark.parametrize(
    ("source", "result", "film"),
    [
        ("old.mov", "out.mov", {"audio": [("pcm_s16le", "deu")], "subtitles": "mov_text"}),
        ("old.mov", "out.mkv", {"audio": [("pcm_s24le", "und")], "metadata": {"title": "Film", "foo": "lost"}}),
        ("old.mp4", "out.mkv", {"audio": [("aac", "deu")], "chapters": True}),
        ("old.ts", "out.mp4", {"audio": [("aac", "deu")]}),
        ("old.mkv", "out.webm", {"audio": [("libopus", "deu")], "attachment": b"FONT"}),
    ],
)
def test_what_containers_change_is_no_difference(
    tmp_path: Path, source: str, result: str, film: dict[str, Any]
) -> None:
    """Whole films would be called broken for how containers divide sound into packets, or hide its beginning."""
    old = make_film(tmp_path / source, frames=12, codec="libx264", **film)
    steady_film(
        plan_steady(
            old, old, tmp_path / result, settings=ColorizeSettings(preset="8" if result.endswith("webm") else None)
        )
    )
    assert failed(verify_film(old, tmp_path / result)) == []


@pytest.mark.parametrize("result", ["out.mkv", "out.mp4"])
def test_covers_are_compared(tmp_path: Path, result: str) -> None:
    """A film with a cover would be called broken, or one with another cover whole."""
    one, other = (cv2.imencode(".jpg", np.full((48, 64, 3), value, np.uint8))[1].tobytes() for value in (50, 200))
    for name, cover in (("old", one), ("changed", other), ("without", None)):
        film = make_film(tmp_path / f"{name}.mp4", frames=3, codec="libx264", cover=cover)
        steady_film(plan_steady(film, film, tmp_path / f"{name}-{result}", settings=ColorizeSettings()))
    assert failed(verify_film(tmp_path / "old.mp4", tmp_path / f"old-{result}")) == []
    for name in ("changed", "without"):
        (found,) = failed(verify_film(tmp_path / "old.mp4", tmp_path / f"{name}-{result}"))
        assert found.startswith("video stream 1 (mjpeg)"), found


@pytest.mark.parametrize("tags", [(1, 1), (6, 6), (5, 4), (2, 1)])
def test_color_tags_are_kept_in_prores(tmp_path: Path, tags: tuple[int, int]) -> None:
    """ProRes stores primaries and transfer function in each frame: editing programs would show other colors."""
    old = make_film(tmp_path / "old.mkv", frames=2, codec="libx264", matrix=tags[0], transfer=tags[1])
    steady_film(plan_steady(old, old, tmp_path / "out.mov", settings=ColorizeSettings(codec="prores")))
    assert failed(verify_film(old, tmp_path / "out.mov")) == []


def test_another_picture_in_a_lossy_film_is_found(films: Path, tmp_path: Path, small_model: Any) -> None:
    """Losses of the encoder would hide a wrong scene."""
    other = make_film(tmp_path / "other.mkv", FULL, rotation=None, bars=30)
    checks = verify_film(other, films / "out.mp4")
    assert any(text.startswith("luma: another picture") for text in failed(checks))


def test_the_command(films: Path, tmp_path: Path) -> None:
    """An archive's script would not learn that a film is damaged."""
    code, out, err = run(["verify", "old.mkv", "out.mkv", "--json"], films)
    assert code == 0, err
    assert json.loads(out)["passed"] is True
    broken = Tampered(films / "out.mkv", tmp_path / "broken.mkv").write(frames=brighter)
    code, out, _ = run(["verify", "old.mkv", str(broken)], films)
    assert code == 1
    assert "FAIL  luma" in out
    assert "frame 7 at" in out
    _, _, err = run(["verify", "old.mkv", str(broken), "--receipt", "out.mkv.json"], films)
    assert "receipt, result" in err
