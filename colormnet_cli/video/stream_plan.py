"""Decides which of the source's other streams are copied, converted or left out, and adds them to the output."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from .demux import first_packets
from .metadata import copy_metadata, lost_metadata
from .probe import StreamInfo, VideoInfo, open_input
from .stream_packets import ConvertedSubtitles, CopiedStream, TimeRange, TranscodedAudio, mux_copied
from .subtitle_text import text_codec_for

__all__ = ["StreamPlan", "add_streams", "plan_streams"]

log = logging.getLogger(__name__)

# Encoders that store decoded samples as they are, by their format
_LOSSLESS = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s32le", "flt": "pcm_f32le", "dbl": "pcm_f64le"}
_AUDIO_ENCODER = {"mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "libopus"}
# Layouts that every encoder takes, by number of channels, for audio that names no layout
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_RATES = {  # that an encoder takes; others take all
    "aac": (48000, 44100, 96000, 88200, 64000, 32000, 24000, 22050, 16000, 8000),
    "libopus": (48000,),
}
_MIME = {"mjpeg": ("image/jpeg", "jpg"), "png": ("image/png", "png"), "bmp": ("image/bmp", "bmp")}


@dataclass(frozen=True)
class StreamPlan:
    """What happens to one stream."""

    stream: StreamInfo
    action: str  # "copy", "drop", "attach" (a cover picture into Matroska), or the codec it is converted to
    note: str | None = None  # a warning, where it is not copied unchanged

    @property
    def name(self) -> str:
        """For messages: `audio stream 1 (pcm_s16le, deu)`."""
        details = ", ".join(d for d in (self.stream.codec, self.stream.language) if d and d != "und")
        return f"{self.stream.kind} stream {self.stream.index} ({details})"

    def to_dict(self) -> dict[str, Any]:
        """For the receipt and --dry-run."""
        return {"stream": self.name, "action": self.action, "note": self.note}


def plan_streams(info: VideoInfo, muxer: str, audio: str, lossless: bool = False) -> tuple[StreamPlan, ...]:
    """A plan for every stream except the one that is colored.

    Args:
        audio: "copy", "aac" or "none".
        lossless: audio that cannot be copied is stored uncompressed, where the container has that.
    """
    with open_input(info.path) as container:
        planner = _Planner(container, info, muxer, audio, lossless)
        plans = [planner.plan(stream) for stream in container.streams if stream.index != info.index]
    return tuple(plan for plan in plans if plan is not None)


class _Planner:
    """Plans single streams of an open file: what the muxer takes is found out by muxing the stream's first packets."""

    def __init__(
        self, container: InputContainer, info: VideoInfo, muxer: str, audio: str, lossless: bool = False
    ) -> None:
        self.info, self.muxer, self.audio, self.lossless = info, muxer, audio, lossless
        self.ending = _ending(muxer)
        self.timecode = container.streams[info.index].metadata.get("timecode")
        self.packets: dict[int, list[Any]] = {}
        for packet in first_packets(container):
            self.packets.setdefault(packet.stream.index, []).append(packet)

    def plan(self, stream: Any) -> StreamPlan | None:
        """None: the muxer writes this stream itself."""
        known = self.info.streams[stream.index]
        plan = self._audio(stream, known) if known.kind == "audio" else self._other(stream, known)
        if plan is None or plan.action in ("drop", "attach"):
            return plan
        lost = lost_metadata(stream, self.muxer)
        if lost:
            note = f"{plan.name}: {self.ending} does not store {' or '.join(lost)}."
            plan = replace(plan, note=f"{plan.note} {note}" if plan.note else note)
        return plan

    def _other(self, stream: Any, known: StreamInfo) -> StreamPlan | None:
        copied = StreamPlan(known, "copy")
        if known.kind == "data" and self.info.chapters and known.codec in ("bin_data", "text", "unknown"):
            return None  # QuickTime's chapter track
        if known.kind == "data" and stream.metadata.get("timecode", "") == self.timecode:
            return None  # a timecode track: also a tag of the video stream, from which .mov and .mp4 make a track again
        if known.kind == "data" and known.codec == "unknown":  # .mov takes these, and writes no description of them
            return StreamPlan(known, "drop", f"{copied.name} was left out: FFmpeg does not know its format.")
        if known.attached_picture and self.muxer == "matroska" and known.codec in _MIME:
            return StreamPlan(known, "attach")
        if known.kind == "video" and not known.attached_picture:
            return StreamPlan(known, "drop", f"{copied.name} was left out: only the first video stream is colored.")
        unheld = known.attached_picture and self.muxer != "mp4"
        unheld |= (
            known.kind == "attachment" and self.muxer == "webm"
        )  # FFmpeg's muxer leaves these out, and says nothing
        if not unheld and self._takes(stream):
            return copied
        text = text_codec_for(self.muxer, known.codec)
        if text is not None:
            note = f"{copied.name} was converted to {text}: {self.ending} does not hold {known.codec}."
            return StreamPlan(known, text, note)
        elsewhere = "" if self.muxer == "matroska" else ", .mkv may"
        return StreamPlan(known, "drop", f"{copied.name} was left out: {self.ending} cannot hold it{elsewhere}.")

    def _audio(self, stream: Any, known: StreamInfo) -> StreamPlan:
        copied = StreamPlan(known, "copy")
        if self.audio == "none":
            return StreamPlan(known, "drop")
        pcm_in_mp4 = self.muxer == "mp4" and known.codec.startswith("pcm_")  # allowed since 2017, played by few
        if self.audio == "copy" and not pcm_in_mp4 and self._takes(stream):
            return copied
        encoder = "aac" if self.audio == "aac" and self.muxer != "webm" else _AUDIO_ENCODER[self.muxer]
        if self.audio == "aac" and known.codec == "aac" and self._takes(stream):
            return copied
        name = {"aac": "AAC", "libopus": "Opus"}[encoder]
        if stream.codec_context is None:
            return StreamPlan(known, "drop", f"{copied.name} was left out: this FFmpeg cannot decode it.")
        if self.audio == "copy" and (exact := self._lossless(stream, known)) is not None:
            return StreamPlan(known, exact, f"{copied.name} was converted to {exact}, without loss.")
        if _layout(stream, encoder) is None:
            note = f"{copied.name} was left out: {name} cannot hold its channels"
            return StreamPlan(known, "drop", f"{note}{'.' if self.muxer == 'matroska' else ', .mkv may.'}")
        why = "" if self.audio == "aac" and encoder == "aac" else f": {self.ending} does not hold it unchanged"
        return StreamPlan(known, encoder, f"{copied.name} was converted to {name}{why}.")

    def _lossless(self, stream: Any, known: StreamInfo) -> str | None:
        """The encoder for audio that must not lose anything; None: there is none, or the audio is compressed anyway."""
        if self.muxer not in ("matroska", "mov"):
            return None
        uncompressed = known.codec.startswith("pcm_") or known.codec == "s302m"
        format_ = stream.codec_context.format if self.lossless or uncompressed else None
        return None if format_ is None else _LOSSLESS.get(format_.name.removesuffix("p"))

    def _takes(self, stream: Any) -> bool:
        """Whether the muxer writes a file with the first packets of this stream alone. To be asked once a stream."""
        packets = self.packets.get(stream.index, [])
        refused = 0
        try:
            with av.open(io.BytesIO(), "w", format=self.muxer) as trial:
                copy = CopiedStream(stream, _add_copy(trial, stream), TimeRange(), self.muxer)
                trial.start_encoding()
                for packet in packets:
                    refused += not all(mux_copied(trial, out) for _, out in copy.packets(packet))
        except (av.error.FFmpegError, ValueError, OSError) as error:
            log.debug("%s in %s: %s", stream, self.muxer, error)
            return False
        return not packets or refused < len(packets)  # a few may be damaged


def _ending(muxer: str) -> str:
    return {"matroska": ".mkv"}.get(muxer, "." + muxer)


def add_streams(
    output: OutputContainer, source: InputContainer, path: Path, plans: tuple[StreamPlan, ...], part: TimeRange
) -> dict[int, CopiedStream]:
    """Add the planned streams to the output; returns what makes their packets, by source index."""
    copies: dict[int, CopiedStream] = {}
    muxer = output.format.name
    for plan in plans:
        stream = source.streams[plan.stream.index]
        if plan.action == "attach":
            _attach_picture(output, path, stream)
        elif plan.action == "copy":
            added = _add_copy(output, stream)
            if stream.type != "attachment":
                copies[stream.index] = CopiedStream(stream, added, part, muxer)
        elif plan.action != "drop" and plan.stream.kind == "subtitle":
            added = _add_text(output, stream, plan.action)
            copies[stream.index] = ConvertedSubtitles(stream, added, part, muxer, plan.action)
        elif plan.action != "drop":
            copies[stream.index] = TranscodedAudio(stream, _add_audio(output, stream, plan.action), part, muxer)
    return copies


def _add_copy(output: OutputContainer, stream: Any) -> Any:
    added = output.add_stream_from_template(stream, opaque=True)
    copy_metadata(added, stream, output.format.name)
    return added


def _add_audio(output: OutputContainer, stream: Any, encoder: str) -> Any:
    rate = stream.codec_context.sample_rate
    added: Any = output.add_stream(encoder, rate=rate if rate in _RATES.get(encoder, (rate,)) else 48000)
    added.layout = _layout(stream, encoder)
    added.bit_rate = 128_000 * added.codec_context.layout.nb_channels
    copy_metadata(added, stream, output.format.name)
    return added


def _layout(stream: Any, encoder: str) -> str | None:
    """The stream's own channel layout where the encoder takes it, else the usual one of as many channels, or None."""
    own = stream.codec_context.layout
    for name in (own.name, _LAYOUTS.get(own.nb_channels)):
        if name is None:
            continue
        trial: Any = av.CodecContext.create(encoder, "w")
        try:
            trial.sample_rate, trial.layout, trial.format = 48000, name, trial.codec.audio_formats[0]
            trial.open()
        except (av.error.FFmpegError, ValueError):
            continue
        return str(name)
    return None


def _add_text(output: OutputContainer, stream: Any, codec: str) -> Any:
    added: Any = output.add_mux_stream(codec)
    added.time_base = Fraction(1, 1000)
    copy_metadata(added, stream, output.format.name)
    return added


def _attach_picture(output: OutputContainer, path: Path, stream: Any) -> None:
    mime, ending = _MIME[stream.codec_context.name]
    with open_input(path) as again:  # `source` is read from its beginning later
        packet = next((p for p in again.demux(again.streams[stream.index]) if p.size), None)
    if packet is not None:
        output.add_attachment(stream.metadata.get("filename", f"cover.{ending}"), mime, bytes(packet))
