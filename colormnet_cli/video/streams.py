"""The streams beside the picture: which are copied, converted or left out, and the copying itself."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from .probe import StreamInfo, VideoInfo, open_input
from .subtitles import convert_text, text_form_for

__all__ = ["StreamPlan", "Window", "add_streams", "copied_packets", "plan_streams"]

log = logging.getLogger(__name__)

# Written by the muxer, or true of the source file only
_STALE = ("encoder", "duration", "number_of_frames", "number_of_bytes", "bps", "vendor_id", "_statistics")
_AUDIO_ENCODER = {"mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "libopus"}
_MIME = {"mjpeg": ("image/jpeg", "jpg"), "png": ("image/png", "png"), "bmp": ("image/bmp", "bmp")}


@dataclass(frozen=True)
class StreamPlan:
    """What becomes of one stream."""

    stream: StreamInfo
    action: str  # "copy", "drop", "attach" (a cover picture into Matroska), or the codec it is converted to
    note: str | None = None  # a sentence, where it is not simply copied

    @property
    def name(self) -> str:
        """For people: `audio stream 1 (pcm_s16le, deu)`."""
        details = ", ".join(d for d in (self.stream.codec, self.stream.language) if d and d != "und")
        return f"{self.stream.kind} stream {self.stream.index} ({details})"


@dataclass(frozen=True)
class Window:
    """The part of the film that goes out, in seconds of the source; `shift` is added to every instant."""

    begin: Fraction | None = None
    end: Fraction | None = None
    shift: Fraction = Fraction(0)


def plan_streams(container: InputContainer, info: VideoInfo, muxer: str, audio: str) -> tuple[StreamPlan, ...]:
    """A plan for every stream but the one that is coloured."""
    plans = []
    for stream, known in zip(container.streams, info.streams, strict=True):
        if known.index != info.index:
            plans.append(_plan(stream, known, muxer, audio, bool(info.chapters)))
    return tuple(plan for plan in plans if plan is not None)


def _plan(stream: Any, known: StreamInfo, muxer: str, audio: str, chapters: bool) -> StreamPlan | None:
    copied = StreamPlan(known, "copy")
    if known.kind == "data" and chapters and known.codec in ("bin_data", "text", "unknown"):
        return None  # QuickTime's chapter track: chapters are written anew
    if known.kind == "audio":
        return _plan_audio(stream, copied, muxer, audio)
    if known.attached_picture and muxer == "matroska":
        return StreamPlan(known, "attach" if known.codec in _MIME else "drop")
    if known.kind == "video" and not known.attached_picture:
        return StreamPlan(known, "drop", f"{copied.name} was left out: only the first video stream is coloured.")
    if _holds(muxer, stream):
        return copied
    form = text_form_for(muxer, known.codec)
    if form is not None:
        return StreamPlan(
            known, form, f"{copied.name} was converted to {form}: {_ending(muxer)} holds no {known.codec}."
        )
    elsewhere = "" if muxer == "matroska" else ", .mkv may"
    return StreamPlan(known, "drop", f"{copied.name} was left out: {_ending(muxer)} cannot hold it{elsewhere}.")


def _plan_audio(stream: Any, copied: StreamPlan, muxer: str, audio: str) -> StreamPlan:
    known = copied.stream
    if audio == "none":
        return StreamPlan(known, "drop")
    pcm_in_mp4 = muxer == "mp4" and known.codec.startswith("pcm_")  # allowed since 2017, played by few
    if audio == "copy" and not pcm_in_mp4 and _holds(muxer, stream):
        return copied
    encoder = "aac" if audio == "aac" and muxer != "webm" else _AUDIO_ENCODER[muxer]
    if audio == "aac" and known.codec == "aac" and _holds(muxer, stream):
        return copied
    name = {"aac": "AAC", "libopus": "Opus"}[encoder]
    if stream.codec_context is None:
        return StreamPlan(known, "drop", f"{copied.name} was left out: this FFmpeg has no decoder for it.")
    why = "" if audio == "aac" and encoder == "aac" else f": {_ending(muxer)} does not hold it as it is"
    return StreamPlan(known, encoder, f"{copied.name} was converted to {name}{why}.")


def _ending(muxer: str) -> str:
    return {"matroska": ".mkv"}.get(muxer, "." + muxer)


def _holds(muxer: str, stream: Any) -> bool:
    """Whether a header with this stream alone can be written."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            _add_copy(trial, stream)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError, OSError) as error:
        log.debug("%s in %s: %s", stream, muxer, error)
        return False
    return True


def add_streams(
    output: OutputContainer, source: InputContainer, path: Path, plans: tuple[StreamPlan, ...], window: Window
) -> dict[int, _Track]:
    """Set up the output's streams beside the picture; the tracks that make their packets, by source index."""
    tracks: dict[int, _Track] = {}
    for plan in plans:
        stream = source.streams[plan.stream.index]
        if plan.action == "attach":
            _attach_picture(output, path, stream)
        elif plan.action == "copy":
            added = _add_copy(output, stream)
            if stream.type != "attachment":
                tracks[stream.index] = _Track(stream, added, window)
        elif plan.stream.kind == "subtitle" and plan.action != "drop":
            tracks[stream.index] = _Text(stream, _add_text(output, stream, plan.action), window, plan.action)
        elif plan.action != "drop":
            tracks[stream.index] = _Converted(stream, _add_audio(output, stream, plan.action), window)
    return tracks


def _add_copy(output: OutputContainer, stream: Any) -> Any:
    added = output.add_stream_from_template(stream, opaque=True)
    _describe(added, stream)
    return added


def _add_audio(output: OutputContainer, stream: Any, encoder: str) -> Any:
    source = stream.codec_context
    rates = (48000,) if encoder == "libopus" else (48000, 44100, 96000, 88200, 64000, 32000, 24000, 22050, 16000, 8000)
    added: Any = output.add_stream(encoder, rate=source.sample_rate if source.sample_rate in rates else 48000)
    layout = source.layout.name if 0 < source.layout.nb_channels <= 8 else "stereo"
    added.layout = layout
    added.bit_rate = 128_000 * max(1, added.codec_context.layout.nb_channels)
    _describe(added, stream)
    return added


def _add_text(output: OutputContainer, stream: Any, form: str) -> Any:
    added: Any = output.add_mux_stream(form)
    added.time_base = Fraction(1, 1000)
    _describe(added, stream)
    return added


def _describe(added: Any, stream: Any) -> None:
    """Language, title and the like, and what the stream is for."""
    added.metadata.update({k: v for k, v in stream.metadata.items() if not k.lower().startswith(_STALE)})
    added.disposition = stream.disposition.value


def _attach_picture(output: OutputContainer, path: Path, stream: Any) -> None:
    mime, ending = _MIME[stream.codec_context.name]
    with open_input(path) as again:  # the source itself is to be read from its beginning later
        packet = next((p for p in again.demux(again.streams[stream.index]) if p.size), None)
    if packet is not None:
        output.add_attachment(stream.metadata.get("filename", f"cover.{ending}"), mime, bytes(packet))


def copied_packets(source: InputContainer, tracks: dict[int, _Track]) -> Iterator[tuple[Fraction, Any]]:
    """Packets for the output in the source's order, each with its instant (decoding time, seconds)."""
    streams = [source.streams[index] for index in tracks]
    failures = 0
    while streams:
        try:
            for packet in source.demux(streams):
                yield from tracks[packet.stream_index if packet.size else packet.stream.index].packets(packet)
            return
        except av.error.FFmpegError as error:
            failures += 1
            log.debug("read error: %s", error)
            if failures >= 200:
                break
    for track in tracks.values():
        yield from track.flush()


class _Track:
    """Packets of one stream, copied; their instants moved by the window's shift."""

    def __init__(self, stream: Any, added: Any, window: Window) -> None:
        self.stream, self.added, self.window = stream, added, window
        self.damaged = 0
        self._last_dts: int | None = None

    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        if not packet.size:
            yield from self.flush()
            return
        if self.stream.type == "subtitle" and bytes(packet) == b"\0\0":  # a gap of mov_text; the muxer writes its own
            return
        step = packet.duration or 1
        last = self._last_dts
        if packet.pts is None and packet.dts is None:
            packet.pts = packet.dts = 0 if last is None else last + step
        elif packet.dts is None:
            packet.dts = packet.pts
        elif packet.pts is None:
            packet.pts = packet.dts
        if not self._within(packet.pts * packet.time_base):
            return
        if last is not None and packet.dts <= last and self.stream.type != "subtitle":
            packet.dts = last + 1
            packet.pts = max(packet.pts, packet.dts)
            self.damaged += 1
        self._last_dts = packet.dts
        yield self._out(packet)

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        yield from ()

    def _within(self, seconds: Fraction) -> bool:
        begin, end = self.window.begin, self.window.end
        return (begin is None or seconds >= begin) and (end is None or seconds < end)

    def _out(self, packet: Any) -> tuple[Fraction, Any]:
        """The packet as the output gets it."""
        shift = round(self.window.shift / packet.time_base)
        packet.pts += shift
        packet.dts += shift
        packet.stream = self.added
        return packet.dts * packet.time_base, packet


class _Text(_Track):
    """Text subtitles in another form."""

    def __init__(self, stream: Any, added: Any, window: Window, form: str) -> None:
        super().__init__(stream, added, window)
        self.form = form

    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        data = convert_text(bytes(packet), self.stream.codec_context.name, self.form) if packet.size else None
        if data is None:
            return
        text: Any = av.Packet(data)
        text.pts, text.dts, text.duration, text.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
        text.is_keyframe = True
        yield from super().packets(text)


class _Converted(_Track):
    """Audio that is encoded anew."""

    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        try:
            frames = packet.decode()
        except EOFError:
            frames = []
        except av.error.FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            if frame.pts is None or self._within(frame.pts * frame.time_base):
                yield from map(self._out, self.added.encode(frame))
        if not packet.size:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[Fraction, Any]]:
        try:
            yield from map(self._out, self.added.encode(None))
        except EOFError:  # flushed before
            return
