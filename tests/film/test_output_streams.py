"""Everything of a film but its color, in the finished file: timestamps, sound, subtitles, titles."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from colormnet_cli.errors import MediaError
from colormnet_cli.video.probe import probe
from support.films import FULL, Film, frames_of, make_film, packets_of

pytestmark = pytest.mark.usefixtures("one_thread", "no_warning_about_references")


VFR = [0, 3000, 7000, 7500, 20000, 20010, 40000, 50000, 51000, 60000, 60001, 90000]


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg4", "ffv1", "vp9", "av1"])
@pytest.mark.parametrize(
    "film",
    [Film(codec="libx264", time_base=Fraction(1, 90000), pts=VFR),
     Film(codec="libx264", time_base=Fraction(1, 90000), pts=[288001 + i * 3003 for i in range(12)]),
     Film(codec="libx264", rate=Fraction(30000, 1001), frames=14, options={"bf": "3"}),
     Film(codec="libx264", frames=24, pts=range(-4, 20), options={"bf": "2"})],
    ids=["variable", "late", "30000/1001", "edit list"],
)  # fmt: skip
def test_timestamps_are_kept(
    tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch, film: Film, codec: str
) -> None:
    """Sound and picture stay together only if every frame keeps its time; here over several segments."""
    monkeypatch.setitem(__import__("colormnet_cli.film.checkpoint").film.checkpoint.SEGMENT_FRAMES, "cpu", 5)
    source = make_film(tmp_path / "film.mp4", film)
    receipt = color(source, tmp_path / "out.mp4", codec=codec)
    before, after = frames_of(source), frames_of(tmp_path / "out.mp4")
    assert [t for t, _ in before] == [t for t, _ in after]
    assert receipt.frames == len(before)
    assert receipt.warnings == ()


@pytest.mark.parametrize("codec", ["ffv1", "h264"])
def test_the_last_frame_stands_no_longer_than_in_the_film(tmp_path: Path, color: Any, codec: str) -> None:
    """An .mp4 with B-frames gives durations in the order of decoding: the pause in the middle is not at the end."""
    pts = [*range(0, 320, 40), *range(1280, 1440, 40)]
    source = make_film(tmp_path / "film.mp4", codec="libx264", time_base=Fraction(1, 1000), pts=pts)
    output = tmp_path / f"out.{'mkv' if codec == 'ffv1' else 'mp4'}"
    color(source, output, codec=codec)
    with av.open(str(output)) as container:
        assert container.duration / 1e6 == pytest.approx(1.44)


def test_matroska_keeps_its_own_timestamps(tmp_path: Path, color: Any) -> None:
    """Milliseconds in, the same milliseconds out; finer ones are rounded, and that is said."""
    source = make_film(
        tmp_path / "film.mkv", codec="libx264", time_base=Fraction(1, 1000), pts=[3200, 3233, 3267, 3300], frames=4
    )
    assert color(source, tmp_path / "out.mkv").warnings == ()
    assert [t for t, _ in frames_of(tmp_path / "out.mkv")] == [t for t, _ in frames_of(source)]
    fine = make_film(
        tmp_path / "film.mp4", codec="libx264", rate=Fraction(30000, 1001), frames=4, audio=[("aac", "deu")]
    )
    assert any("millisecond" in warning for warning in color(fine, tmp_path / "fine.mkv").warnings)
    moved = [abs(a - b) for (a, _), (b, _) in zip(frames_of(fine), frames_of(tmp_path / "fine.mkv"), strict=True)]
    assert max(moved) <= Fraction(1, 2000)


def described(path: Path) -> dict[str, Any]:
    """Everything that is to be kept."""
    info = probe(path)
    names = ("sample_aspect_ratio", "display_matrix", "rate", "range_tag", "matrix_tag", "primaries_tag")
    with av.open(str(path)) as container:
        tags = {k.lower(): v for k, v in container.metadata.items()}
        streams = [s for s in container.streams if s.type != "data"]
        return {
            "tags": (tags["title"], tags["artist"]),
            "chapters": [
                (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
                for c in container.chapters()
            ],
            "streams": [(s.type, s.metadata.get("language"), s.disposition) for s in streams],
            "attachments": [s.data for s in streams if s.type == "attachment"],
            "picture": [getattr(info, name) for name in names],
        }


@pytest.mark.slow
def test_everything_else_is_kept_in_matroska(tmp_path: Path, color: Any) -> None:
    """Sound, subtitles, fonts, chapters, titles, rotation: what other tools lose."""
    source = make_film(tmp_path / "film.mkv", FULL)
    receipt = color(source, tmp_path / "out.mkv")
    assert receipt.warnings == ()
    assert described(source) == described(tmp_path / "out.mkv")
    for kind, number in (("audio", 0), ("audio", 1), ("subtitle", 0)):
        assert packets_of(source, kind, number) == packets_of(tmp_path / "out.mkv", kind, number)


@pytest.mark.slow
def test_everything_else_is_kept_in_mp4(tmp_path: Path, color: Any) -> None:
    """The same in the other container that everybody uses."""
    film = {"attachment": None, "audio": [("aac", "deu"), ("ac3", "eng")], "subtitles": "mov_text"}
    source = make_film(tmp_path / "film.mp4", FULL, time_base=Fraction(1, 90000), **film)
    assert color(source, tmp_path / "out.mp4").warnings == ()
    assert described(source) == described(tmp_path / "out.mp4")
    for number in (0, 1):
        assert packets_of(source, "audio", number) == packets_of(tmp_path / "out.mp4", "audio", number)
    texts = [
        [(t, data) for t, data in packets_of(path, "subtitle") if len(data) > 2]
        for path in (source, tmp_path / "out.mp4")
    ]
    assert texts[0] == texts[1] != []


@pytest.mark.slow
def test_what_a_container_cannot_store_is_reported(tmp_path: Path, color: Any) -> None:
    """A track that vanishes without a word is missed when the original is gone."""
    pcm = make_film(
        tmp_path / "pcm.mov", codec="libx264", frames=30, audio=[("pcm_s16le", "fra"), ("pcm_s24le", "ita")]
    )
    receipt = color(pcm, tmp_path / "out.mp4")
    assert sum("converted to AAC" in w for w in receipt.warnings) == 2
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [(s.codec_context.name, s.language) for s in container.streams.audio] == [("aac", "fra"), ("aac", "ita")]
        seconds = sum(f.samples for f in container.decode(audio=0)) / 48000
    assert abs(seconds - 1.2) < 0.05
    full = make_film(tmp_path / "film.mkv", FULL)
    warnings = " ".join(color(full, tmp_path / "full.mp4").warnings)
    assert "mov_text" in warnings
    assert "attachment stream 4 (font.ttf) was left out" in warnings
    assert [d[2:] for _, d in packets_of(tmp_path / "full.mp4", "subtitle") if len(d) > 2] == [b"line 0", b"line 1"]
    color(full, tmp_path / "silent.mkv", audio="none")
    assert probe(tmp_path / "silent.mkv").streams[1].kind == "subtitle"
    color(full, tmp_path / "aac.mkv", audio="aac")
    assert [s.codec for s in probe(tmp_path / "aac.mkv").streams if s.kind == "audio"] == ["aac", "aac"]


def test_a_part_begins_at_zero_with_its_sound(tmp_path: Path, color: Any) -> None:
    """`--start` and `--end` cut picture and sound at the same place."""
    source = make_film(tmp_path / "film.mkv", FULL, frames=40)
    receipt = color(source, tmp_path / "out.mkv", start="0.4", end="f30")
    assert receipt.frames == 20
    assert [t for t, _ in frames_of(tmp_path / "out.mkv")] == [Fraction(i, 25) for i in range(20)]
    sound = packets_of(tmp_path / "out.mkv", "audio")
    whole = packets_of(source, "audio")
    inside = [data for t, data in whole if Fraction(4, 10) <= t < Fraction(12, 10)]
    assert [data for _, data in sound] == inside
    assert 0 <= sound[0][0] < Fraction(22, 1000)
    with pytest.raises(MediaError, match="no frame"):
        color(source, tmp_path / "none.mkv", start="100")
    assert not (tmp_path / "none.mkv").exists()
