"""Films for tests, made by FFmpeg's own encoders and muxers through PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader


@dataclass(frozen=True)
class Film:
    """What `make_film` writes. `pts` are in `time_base`; None: at a constant rate."""

    frames: int = 12
    width: int = 64
    height: int = 48
    codec: str = "ffv1"
    pix_fmt: str = "yuv420p"
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    pts: Sequence[int] | None = None
    options: dict[str, str] = field(default_factory=dict)
    full_range: bool = False
    matrix: int = 2
    color: bool = False  # in the chroma planes, else gray
    bars: int = 0  # black columns on both sides
    sar: Fraction | None = None
    rotation: int | None = None
    audio: Sequence[tuple[str, str]] = ()  # (encoder, language)
    dispositions: dict[int, str] = field(
        default_factory=dict
    )  # of the audio streams, by number: names of FFmpeg's dispositions
    subtitles: str | None = None  # codec
    attachment: bytes | None = None
    cover: bytes | None = None
    chapters: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    transfer: int | None = None
    container_options: dict[str, str] = field(default_factory=dict)


FULL = Film(
    frames=30, codec="libx264", time_base=Fraction(1, 1000), audio=[("aac", "deu"), ("flac", "eng")],
    subtitles="subrip", attachment=b"FONT" * 100, chapters=True, metadata={"title": "Der Film", "artist": "Someone"},
    sar=Fraction(16, 11), rotation=90, matrix=1,
)  # fmt: skip


def picture(number: int, height: int, width: int, bits: int = 8, full: bool = False) -> np.ndarray:
    """Luma [H, W]: a bright square that moves over a gradient with some grain, at limited or full range."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width]
    value = (x / max(1, width - 1) * 0.6 + y / max(1, height - 1) * 0.2) + random.random((height, width)) * 0.05
    left = (number * 3) % max(1, width - width // 4)
    value[height // 4 : height // 2 + 1, left : left + width // 4 + 1] = 0.95
    low, span = (0, 2**bits - 1) if full else (16 << (bits - 8), 219 << (bits - 8))
    return (low + value.clip(0, 1) * span).astype(np.uint8 if bits == 8 else np.uint16)


def make_film(path: str | Path, film: Film | None = None, **changes: Any) -> Path:
    """Write a film; its frames' luma is `picture`."""
    film = Film(**{**(film or Film()).__dict__, **changes})
    path = Path(path)
    unit = film.time_base or 1 / film.rate
    options = {"movie_timescale": str(unit.denominator)} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options={**options, **film.container_options}) as out:
        video = out.add_stream(film.codec, rate=film.rate, options=dict(film.options))
        video.width, video.height, video.pix_fmt = film.width, film.height, film.pix_fmt
        video.time_base = video.codec_context.time_base = unit
        if film.codec.startswith("libx265"):
            video.options["x265-params"] = "log-level=none:" + video.options.get("x265-params", "")
        video.codec_context.color_range = 2 if film.full_range else 1
        if film.matrix != 2:
            video.codec_context.colorspace = film.matrix
            video.codec_context.color_primaries = film.matrix
        if film.transfer is not None:
            video.codec_context.color_trc = film.transfer
        if film.sar is not None:
            video.codec_context.sample_aspect_ratio = film.sar
        if film.rotation is not None and hasattr(video, "set_display_rotation"):  # PyAV 18
            video.set_display_rotation(film.rotation)
        out.metadata.update(film.metadata)
        if film.chapters:
            unit_ms = Fraction(1, 1000)
            out.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 200, "time_base": unit_ms, "metadata": {"title": "One"}},
                    {"id": 2, "start": 200, "end": 480, "time_base": unit_ms, "metadata": {"title": "Two"}},
                ]
            )
        tracks = [_add_audio(out, *spec) for spec in film.audio]
        for number, disposition in film.dispositions.items():
            tracks[number].disposition = getattr(av.stream.Disposition, disposition).value
        text = _add_subtitles(out, film.subtitles) if film.subtitles else None
        if film.attachment is not None:
            out.add_attachment("font.ttf", "font/ttf", film.attachment)
        if film.cover is not None:
            cover = out.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
            cover.disposition = av.stream.Disposition.attached_pic.value
        out.start_encoding()
        if film.cover is not None:
            _mux_bytes(out, cover, film.cover, 0)
        for packet in _audio_packets(tracks, float(film.frames / film.rate)):
            out.mux(packet)
        if text is not None:
            for i in range(2):
                _mux_bytes(out, text, _subtitle(film.subtitles, f"line {i}"), i * 200, 150)
        for number in range(film.frames):
            frame = _frame(number, film)
            frame.pts = film.pts[number] if film.pts else number * round(1 / film.rate / unit)
            frame.time_base = unit
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def _frame(number: int, film: Film) -> av.VideoFrame:
    frame = av.VideoFrame(film.width, film.height, film.pix_fmt)
    parts = frame.format.components
    bits = max(part.bits for part in parts)
    luma = picture(number, film.height, film.width, bits, film.full_range)
    if film.bars:
        luma[:, : film.bars] = luma[:, -film.bars :] = 0 if film.full_range else 16 << (bits - 8)
    if frame.format.name in ("rgb24", "pal8") or frame.format.is_rgb:
        rgb = np.repeat(luma[..., None], 3, -1)
        source = av.VideoFrame.from_ndarray(rgb, "rgb24")
        return source if film.pix_fmt == "rgb24" else source.reformat(format=film.pix_fmt)
    for i, plane in enumerate(frame.planes):
        rows = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16).reshape(plane.height, -1)
        if i == 0:
            rows[:, : film.width] = luma
        else:
            rows[:] = 1 << (bits - 1)
            if film.color:
                rows[:] += (20 << (bits - 8)) if i == 1 else 0
    frame.color_range = 2 if film.full_range else 1
    return frame


def _add_audio(out: Any, codec: str, language: str) -> Any:
    stream = out.add_stream(codec, rate=48000)
    stream.layout = "stereo"
    if codec == "wmav2":  # has no default
        stream.bit_rate = 128_000
    stream.metadata["language"] = language
    return stream


def _audio_packets(tracks: list[Any], seconds: float) -> list[Any]:
    packets = []
    for track in tracks:
        for block in range(int(seconds * 48000) // 1024):
            name = track.codec_context.format.name
            time = (np.arange(1024) + block * 1024) / 48000
            wave = 0.3 * np.sin(2 * np.pi * 440 * time)
            planar = name.endswith("p")
            kinds = {
                "s32p": np.int32,
                "fltp": np.float32,
                "flt": np.float32,
                "s16": np.int16,
                "s16p": np.int16,
                "s32": np.int32,
                "u8": np.uint8,
            }
            scales = {"flt": 1, "fltp": 1, "s16": 32767, "s16p": 32767, "u8": 127}
            data = wave * scales.get(name, 2**31 - 1) + (128 if name == "u8" else 0)
            samples = np.stack([data, data]).astype(kinds[name])
            frame = av.AudioFrame.from_ndarray(
                samples if planar else np.ascontiguousarray(samples.T).reshape(1, -1), name, "stereo"
            )
            frame.sample_rate, frame.pts, frame.time_base = 48000, block * 1024, Fraction(1, 48000)
            packets += track.encode(frame)
        packets += track.encode(None)
    return sorted(packets, key=lambda p: p.dts * p.time_base)


def _add_subtitles(out: Any, codec: str) -> Any:
    stream = out.add_mux_stream(codec)
    stream.time_base = Fraction(1, 1000)
    stream.metadata["language"] = "deu"
    return stream


def _subtitle(codec: str | None, text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode() if codec == "mov_text" else text.encode()


def _mux_bytes(out: Any, stream: Any, data: bytes, milliseconds: int, duration: int = 0) -> None:
    packet = av.Packet(data)
    packet.stream = stream
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = milliseconds
    packet.duration = duration
    packet.is_keyframe = True
    out.mux(packet)


def frames_of(path: Path) -> list[tuple[Fraction, np.ndarray]]:
    """Every frame's timestamp (seconds) and luma."""
    info = probe(path)
    return [(frame.pts * info.time_base, frame.luma) for frame in Reader(info).frames()]


def packets_of(path: Path, kind: str, number: int = 0) -> list[tuple[Fraction, bytes]]:
    """Every packet of one stream: its timestamp (seconds) and bytes."""
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][number]
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]


def assert_same_frames(one: Path, other: Path) -> None:
    """Compare timestamps and luma, frame by frame."""
    a, b = frames_of(one), frames_of(other)
    assert [t for t, _ in a] == [t for t, _ in b]
    for number, ((_, x), (_, y)) in enumerate(zip(a, b, strict=True)):
        assert np.array_equal(x, y), number
