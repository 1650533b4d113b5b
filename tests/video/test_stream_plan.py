"""Sound, covers and titles that come out of one container and go into another."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import ColorizeSettings, Receipt, colorize_video
from support.films import frames_of, make_film, packets_of


@pytest.fixture
def color(small_model: Any, tmp_path: Path) -> Any:
    """`color(source, output, **settings)` with the small network on the CPU."""
    torch.set_num_threads(1)
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))

    def run(source: Path, output: Path, **settings: Any) -> Receipt:
        chosen = ColorizeSettings(size=32, **settings)
        return colorize_video(source, [photo], output, model=small_model, settings=chosen, device="cpu")

    return run


def add_sound(film: Path, output: Path, channels: int, title: str = "", codec: str = "pcm_s16le") -> Path:
    """The film with a quarter of a second of sound beside it; PCM outside of .mov names no channel layout."""
    names = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 9: "hexadecagonal"}
    with av.open(str(film)) as source, av.open(str(output), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream(codec, rate=48000)
        sound.layout = names[channels]
        sound.metadata.update({"title": title, "language": "deu"})
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        wave = np.sin(np.arange(12000) / 10)[:, None].repeat(sound.codec_context.layout.nb_channels, 1)
        frame = av.AudioFrame.from_ndarray((wave * 9999).astype(np.int16).reshape(1, -1), "s16", names[channels])
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return output


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_sound_without_a_channel_layout_is_converted(tmp_path: Path, color: Any, channels: int, ending: str) -> None:
    """PCM in .mkv says how many channels it has, not which: such a film must not be refused."""
    film = make_film(tmp_path / "film.mp4", codec="libx264", frames=3)
    source = add_sound(film, tmp_path / "film.mkv", channels)
    with av.open(str(source)) as container:
        assert container.streams.audio[0].layout.name == f"{channels} channels"
    color(source, tmp_path / f"out.{ending}")
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        sound = container.streams.audio[0]
        assert sound.channels == channels
        wave = np.concatenate([f.to_ndarray()[0] for f in container.decode(sound)])
        assert abs(len(wave) - 12000) < 2500
        assert np.abs(wave).max() > 0.1


def test_more_channels_than_the_encoder_has_are_named_before_the_first_frame(tmp_path: Path, color: Any) -> None:
    """Found out when hours of colour are done, it would cost them."""
    source = add_sound(make_film(tmp_path / "film.mp4", codec="libx264", frames=2), tmp_path / "film.mkv", 9)
    assert any("cannot hold its channels" in warning for warning in color(source, tmp_path / "out.mp4").warnings)


@pytest.mark.parametrize(("ending", "language"), [("mp4", "deu"), ("mov", "ger"), ("mkv", "deu")])
def test_titles_and_languages_of_tracks_survive(tmp_path: Path, color: Any, ending: str, language: str) -> None:
    """.mp4 gives a track's title back under another name than it takes it by; .mov knows German as "ger" only."""
    film = make_film(tmp_path / "film.mp4", codec="libx264", frames=2)
    source = add_sound(film, tmp_path / "source.mp4", 2, "Kommentar", "aac")
    color(source, tmp_path / f"out.{ending}")
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        tags = container.streams.audio[0].metadata
    assert tags["title" if ending == "mkv" else "name"] == "Kommentar"
    assert tags["language"] == language


@pytest.mark.parametrize(
    ("ending", "said", "warned"),
    [("mkv", "bos swe", ""), ("mp4", "bos swe", 'its disposition "original"'), ("mov", " sve", "its language (bos)")],
)
def test_what_a_container_cannot_say_of_a_track_is_named(
    tmp_path: Path, color: Any, ending: str, said: str, warned: str
) -> None:
    """Which track is the original's is not to be heard; .mov knows no Bosnian, and Swedish by a name of its own."""
    source = tmp_path / "film.mkv"
    sound = [("aac", "bos"), ("aac", "swe")]
    make_film(source, codec="libx264", frames=8, audio=sound, purposes={0: "original"})
    warnings = color(source, tmp_path / f"out.{ending}").warnings
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        assert " ".join(s.metadata.get("language", "") for s in container.streams.audio) == said
    assert len(warnings) == bool(warned)
    assert warned in " ".join(warnings)


def test_a_swedish_track_of_a_mov_is_swedish_elsewhere(tmp_path: Path, color: Any) -> None:
    """FFmpeg reads QuickTime's Swedish as "sve", which no player knows in an .mp4."""
    source = make_film(tmp_path / "film.mov", codec="libx264", frames=8, audio=[("aac", "sve")])
    color(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].metadata["language"] == "swe"


def test_sound_that_an_edit_list_cuts_away_stays_away(tmp_path: Path, color: Any) -> None:
    """A clip trimmed on a phone keeps what was cut off; in .mkv that would be heard before the picture begins."""
    whole = make_film(tmp_path / "film.mp4", codec="libx264", frames=50, audio=[("aac", "deu")], options={"g": "50"})
    cut = tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as out:
        streams = [out.add_stream_from_template(stream) for stream in source.streams]
        for packet in source.demux():
            if packet.size:
                packet.pts -= round(1 / packet.time_base)
                packet.dts -= round(1 / packet.time_base)
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    assert packets_of(cut, "audio")[0][0] < Fraction(-1, 2)  # hidden, but there
    assert color(cut, tmp_path / "out.mkv", strict=True).warnings == ()
    sound = packets_of(tmp_path / "out.mkv", "audio")
    assert Fraction(-1, 10) < sound[0][0] < 0  # the decoder's run-up
    assert [data for _, data in sound] == [data for _, data in packets_of(cut, "audio")][-len(sound) :]
    assert frames_of(tmp_path / "out.mkv")[0][0] == 0
    color(cut, tmp_path / "out.mp4")  # this one has an edit list of its own
    assert packets_of(tmp_path / "out.mp4", "audio") == packets_of(cut, "audio")


@pytest.mark.parametrize(("source", "output"), [("mkv", "mkv"), ("mp4", "mp4"), ("mkv", "mp4"), ("mp4", "mkv")])
def test_a_subtitle_on_the_screen_at_the_cut_stays(tmp_path: Path, color: Any, source: str, output: str) -> None:
    """The first line that is spoken in the part would have no words; what is over by then has no place in it."""
    text = {"mkv": "subrip", "mp4": "mov_text"}[source]
    film = make_film(tmp_path / f"film.{source}", codec="libx264", frames=12, subtitles=text)  # 0.2 to 0.35 s: line 1
    color(film, tmp_path / f"out.{output}", start="f7")
    with av.open(str(tmp_path / f"out.{output}")) as container:
        packets = [p for p in container.demux(subtitles=0) if len(bytes(p)) > 2]
    assert [bytes(p)[-6:] for p in packets] == [b"line 1"]
    assert [(p.pts * p.time_base, p.duration * p.time_base) for p in packets] == [(0, Fraction(70, 1000))]


def test_no_subtitle_outlasts_the_part(tmp_path: Path, color: Any) -> None:
    """Players would show the film as longer than it is, its last picture standing under a line of text."""
    film = make_film(tmp_path / "film.mkv", codec="libx264", frames=12, subtitles="subrip")  # 0.2 to 0.35 s: line 1
    color(film, tmp_path / "out.mkv", end="f7")
    with av.open(str(tmp_path / "out.mkv")) as container:
        last = [p for p in container.demux(subtitles=0) if p.size][-1]
        assert bytes(last) == b"line 1"
        assert (last.pts + last.duration) * last.time_base == Fraction(280, 1000)


def test_a_cover_is_kept_or_named(tmp_path: Path, color: Any) -> None:
    """.mov has no place for a cover: the muxer takes it, and writes nothing."""
    cover = av.CodecContext.create("mjpeg", "w")
    cover.width, cover.height, cover.pix_fmt, cover.time_base = 64, 48, "yuvj420p", Fraction(1)
    picture = bytes(cover.encode(av.VideoFrame(64, 48, "yuvj420p"))[0])
    source = make_film(tmp_path / "film.mp4", codec="libx264", frames=2, cover=picture)
    assert color(source, tmp_path / "out.mp4").warnings == ()
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert bytes(next(container.demux(video=1))) == picture
    assert any("video stream 1 (mjpeg) was left out" in w for w in color(source, tmp_path / "out.mov").warnings)


def ac3(layout: str, rate: int, begin: Fraction) -> list[Any]:
    """A second of AC-3 with a tone, from `begin` on."""
    context: Any = av.CodecContext.create("ac3", "w")
    context.sample_rate, context.layout, context.format = rate, layout, "fltp"
    wave = 0.3 * np.sin(np.arange(rate) / rate * 2 * np.pi * 440).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave] * context.layout.nb_channels), "fltp", layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, int(begin * rate), Fraction(1, rate)
    return [*context.encode(frame), *context.encode(None)]


@pytest.mark.parametrize("then", [("5.1", 48000), ("stereo", 44100)])
def test_sound_that_changes_midway_is_converted(tmp_path: Path, color: Any, then: tuple[str, int]) -> None:
    """Broadcasts go from stereo to surround for the film: at the very end of a night's work came a traceback."""
    film, source = make_film(tmp_path / "film.mp4", codec="libx264", frames=3), tmp_path / "film.ts"
    with av.open(str(film)) as pictures, av.open(str(source), "w") as out:
        video, sound = out.add_stream_from_template(pictures.streams.video[0]), out.add_stream("ac3", rate=48000)
        sound.layout = "stereo"
        parts = [("stereo", 48000), then, ("stereo", 48000)]
        packets = [(p, sound) for begin, part in enumerate(parts) for p in ac3(*part, begin * Fraction(11, 10))]
        for packet, stream in [*((p, video) for p in pictures.demux(video=0) if p.size), *packets]:
            packet.stream = stream
            out.mux(packet)
    warnings = color(source, tmp_path / "out.mp4", audio="aac").warnings
    assert not any("damaged" in warning for warning in warnings)
    with av.open(str(tmp_path / "out.mp4")) as container:
        sound = [(float(f.pts * f.time_base), np.abs(f.to_ndarray()[0]).max() > 0.1) for f in container.decode(audio=0)]
    begin = min(time for time, _ in sound)  # the muxer of .ts begins later than zero
    for second in (0.5, 1.6, 2.7):
        assert all(loud for time, loud in sound if abs(time - begin - second) < 0.3)
    assert max(time for time, _ in sound) - begin == pytest.approx(3.2, abs=0.06)
