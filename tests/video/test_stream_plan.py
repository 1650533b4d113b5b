"""Audio, subtitles, covers and titles, from one container to another."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import ColorizeSettings, Receipt, colorize_video
from colormnet_cli.video.probe import probe
from colormnet_cli.video.stream_plan import plan_streams
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
    """The film with a quarter of a second of audio added; PCM outside .mov has no channel layout."""
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
def test_audio_without_a_channel_layout_is_converted(tmp_path: Path, color: Any, channels: int, ending: str) -> None:
    """PCM in .mkv has a number of channels but no layout: such a film was refused."""
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


def test_too_many_channels_for_the_encoder_are_reported_in_the_plan(tmp_path: Path, color: Any) -> None:
    """Found only when muxing, it would cost hours of coloring."""
    source = add_sound(make_film(tmp_path / "film.mp4", codec="libx264", frames=2), tmp_path / "film.mkv", 9)
    assert any("cannot hold its channels" in warning for warning in color(source, tmp_path / "out.mp4").warnings)
    notes = [note for note in color(source, tmp_path / "out.mkv", audio="aac").warnings if "its channels" in note]
    assert len(notes) == 1
    assert ".mkv" not in notes[0]  # ".mkv may" was said of .mkv itself


@pytest.mark.parametrize(("ending", "language"), [("mp4", "deu"), ("mov", "ger"), ("mkv", "deu")])
def test_titles_and_languages_of_streams_are_kept(tmp_path: Path, color: Any, ending: str, language: str) -> None:
    """Users could not tell their audio tracks apart: .mp4 renames titles, .mov calls German "ger"."""
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
def test_metadata_that_a_container_cannot_store_is_reported(
    tmp_path: Path, color: Any, ending: str, said: str, warned: str
) -> None:
    """Lost dispositions and languages would go unnoticed; .mov knows no Bosnian, and Swedish under its own name."""
    source = tmp_path / "film.mkv"
    sound = [("aac", "bos"), ("aac", "swe")]
    make_film(source, codec="libx264", frames=8, audio=sound, dispositions={0: "original"})
    warnings = color(source, tmp_path / f"out.{ending}").warnings
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        assert " ".join(s.metadata.get("language", "") for s in container.streams.audio) == said
    assert len(warnings) == bool(warned)
    assert warned in " ".join(warnings)


def test_swedish_of_a_mov_is_swedish_in_an_mp4(tmp_path: Path, color: Any) -> None:
    """FFmpeg reads QuickTime's Swedish as "sve", which no player knows in an .mp4."""
    source = make_film(tmp_path / "film.mov", codec="libx264", frames=8, audio=[("aac", "sve")])
    color(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].metadata["language"] == "swe"


@pytest.mark.slow
def test_audio_that_an_edit_list_hides_stays_hidden(tmp_path: Path, color: Any) -> None:
    """A clip trimmed on a phone still contains the rest; in .mkv it would be heard before the picture starts."""
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
def test_a_subtitle_on_screen_at_the_start_of_a_part_is_kept(
    tmp_path: Path, color: Any, source: str, output: str
) -> None:
    """The first line spoken in a part would have no subtitle; earlier ones must not appear."""
    text = {"mkv": "subrip", "mp4": "mov_text"}[source]
    film = make_film(tmp_path / f"film.{source}", codec="libx264", frames=12, subtitles=text)  # 0.2 to 0.35 s: line 1
    color(film, tmp_path / f"out.{output}", start="f7")
    with av.open(str(tmp_path / f"out.{output}")) as container:
        packets = [p for p in container.demux(subtitles=0) if len(bytes(p)) > 2]
    assert [bytes(p)[-6:] for p in packets] == [b"line 1"]
    assert [(p.pts * p.time_base, p.duration * p.time_base) for p in packets] == [(0, Fraction(70, 1000))]


def test_no_subtitle_outlasts_the_part(tmp_path: Path, color: Any) -> None:
    """Players would show the last frame under a subtitle after the film has ended."""
    film = make_film(tmp_path / "film.mkv", codec="libx264", frames=12, subtitles="subrip")  # 0.2 to 0.35 s: line 1
    color(film, tmp_path / "out.mkv", end="f7")
    with av.open(str(tmp_path / "out.mkv")) as container:
        last = [p for p in container.demux(subtitles=0) if p.size][-1]
        assert bytes(last) == b"line 1"
        assert (last.pts + last.duration) * last.time_base == Fraction(280, 1000)


def test_a_cover_is_kept_or_reported(tmp_path: Path, color: Any) -> None:
    """A cover would be lost silently: the .mov muxer accepts it and writes nothing."""
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
def test_audio_that_changes_format_midway_is_converted(tmp_path: Path, color: Any, then: tuple[str, int]) -> None:
    """Broadcasts that switch from stereo to surround ended with a traceback when muxing."""
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


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mkv", "mp4", "mov", "webm"])
def test_wma_audio_is_converted(tmp_path: Path, color: Any, ending: str) -> None:
    """Every film with WMA audio failed while muxing: the last decoded frame has no timestamp."""
    source = make_film(tmp_path / "film.wmv", codec="wmv2", frames=25, audio=[("wmav2", "")])
    receipt = color(source, tmp_path / f"out.{ending}")
    assert not any("damaged" in warning for warning in receipt.warnings)
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        frames = list(container.decode(audio=0))
    assert sum(frame.samples for frame in frames) / 48000 == pytest.approx(1, abs=0.1)
    assert np.abs(np.concatenate([frame.to_ndarray()[0] for frame in frames])).max() > 0.1


def test_packets_shorter_than_a_millisecond_are_copied_unchanged(tmp_path: Path, color: Any) -> None:
    """TrueHD has packets of 0.83 ms. Pushed apart to Matroska's milliseconds, the audio lagged behind by 20 %."""
    film, source = make_film(tmp_path / "film.mp4", codec="libx264", frames=25), tmp_path / "film.mkv"
    with av.open(str(film)) as pictures, av.open(str(source), "w") as out:
        video, sound = out.add_stream_from_template(pictures.streams.video[0]), out.add_stream("pcm_s16le", rate=48000)
        sound.layout = "stereo"
        for packet in (p for p in pictures.demux(video=0) if p.size):
            packet.stream = video
            out.mux(packet)
        for number in range(1200):
            frame = av.AudioFrame.from_ndarray(np.full((1, 80), number, np.int16), "s16", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, number * 40, Fraction(1, 48000)
            out.mux(sound.encode(frame))
    stamps = [seconds for seconds, _ in packets_of(source, "audio")]
    assert len(stamps) > len(set(stamps))
    assert color(source, tmp_path / "out.mkv").warnings == ()
    assert packets_of(tmp_path / "out.mkv", "audio") == packets_of(source, "audio")


def restamped(film: Path, output: Path, audio: Callable[[int], int]) -> Path:
    """The film with its audio packets at `audio(timestamp)`, in milliseconds."""
    with av.open(str(film)) as source, av.open(str(output), "w") as out:
        streams = [out.add_stream_from_template(stream) for stream in source.streams]
        for packet in (p for p in source.demux() if p.size):
            if packet.stream.type == "audio":
                packet.pts = audio(packet.pts)
                packet.dts = min(packet.dts, packet.pts)  # the muxer wants these in order, and stores the others
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return output


def test_equal_timestamps_stay_in_sync_in_mp4(tmp_path: Path, color: Any) -> None:
    """.mp4 refuses two packets at one time: they are moved by less than what is audible, and only they."""
    film = make_film(tmp_path / "film.mkv", codec="libx264", frames=25, audio=[("aac", "eng")])
    source = restamped(film, tmp_path / "pairs.mkv", lambda at: at // 50 * 50)
    before = [seconds for seconds, _ in packets_of(source, "audio")]
    assert len(before) > len(set(before))
    assert color(source, tmp_path / "out.mp4").warnings == ()
    after = [seconds for seconds, _ in packets_of(tmp_path / "out.mp4", "audio")]
    assert after == sorted(set(after))
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) < Fraction(1, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("audio", ["copy", "aac"])
def test_one_late_audio_packet_moves_no_other(tmp_path: Path, color: Any, audio: str) -> None:
    """A packet stamped ten minutes late squeezed the audio of the rest of the film behind it."""
    film = make_film(tmp_path / "film.mkv", codec="libx264", frames=50, audio=[("mp2", "eng")])
    source = restamped(film, tmp_path / "late.mkv", lambda at: 600_000 if 900 < at < 925 else at)
    assert max(seconds for seconds, _ in packets_of(source, "audio")) == 600
    warnings = color(source, tmp_path / "out.mkv", audio=audio).warnings
    assert "audio stream 1 (mp2): repaired or left out 1 damaged packet." in warnings
    color(film, tmp_path / "good.mkv", audio=audio)
    stamps = [[s for s, _ in packets_of(tmp_path / f"{name}.mkv", "audio")] for name in ("out", "good")]
    assert max(abs(a - b) for a, b in zip(*stamps, strict=True)) <= Fraction(2, 1000)


def samples_of(path: Path) -> np.ndarray:
    """All decoded audio samples, one after the other in time."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    arrays = [frame.to_ndarray().T if frame.format.is_planar else frame.to_ndarray() for frame in frames]
    return np.concatenate([array.reshape(-1) for array in arrays])


@pytest.mark.parametrize(
    ("ending", "codec"),
    [("mov", "pcm_mulaw"), ("mov", "pcm_alaw"), ("mov", "pcm_s8"), ("mov", "pcm_f32be"), ("vob", "pcm_dvd"),
     ("m2ts", "pcm_bluray"), ("wmv", "wmav2"), ("mov", "pcm_s24be")],
)  # fmt: skip
def test_an_archive_keeps_every_sample(tmp_path: Path, color: Any, ending: str, codec: str) -> None:
    """`--archive` turned uncompressed audio into AAC, and said that .mkv could not hold it."""
    video = {"vob": "mpeg2video", "wmv": "wmv2"}.get(ending, "libx264")
    source = make_film(tmp_path / f"film.{ending}", codec=video, frames=25, audio=[(codec, "eng")])
    receipt = color(source, tmp_path / "out.mkv", archive=True)
    assert not any("damaged" in warning or "AAC" in warning for warning in receipt.warnings)
    assert any("without loss" in warning for warning in receipt.warnings) == (codec != "pcm_s24be")  # copied
    assert np.array_equal(samples_of(tmp_path / "out.mkv"), samples_of(source))


@pytest.mark.parametrize(("ending", "codec"), [("mkv", "pcm_s16le"), ("mov", "pcm_mulaw"), ("mp4", "aac")])
def test_uncompressed_audio_stays_so_where_the_container_has_it(
    tmp_path: Path, color: Any, ending: str, codec: str
) -> None:
    """Without `--archive` too: only .mp4, whose players expect it, gets AAC."""
    source = make_film(tmp_path / "film.mov", codec="libx264", frames=25, audio=[("pcm_mulaw", "eng")])
    color(source, tmp_path / f"out.{ending}")
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        assert container.streams.audio[0].codec_context.name == codec
    if ending != "mp4":
        assert np.array_equal(samples_of(tmp_path / f"out.{ending}"), samples_of(source))


def test_attachments_are_missed_in_webm(tmp_path: Path) -> None:
    """A font would vanish without a word: FFmpeg's muxer takes it, and does not write it."""
    film = probe(make_film(tmp_path / "film.mkv", frames=3, attachment=b"FONT"))
    (plan,) = plan_streams(film, "webm", "copy")
    assert (plan.action, plan.note) == (
        "drop", "attachment stream 1 (font.ttf) was left out: .webm cannot hold it, .mkv may.",
    )  # fmt: skip
