"""Chooses and opens the encoder of a film: codec, pixel format, quality and color tags."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray

from ..errors import OutputError, UsageError
from ..settings import EncodingSettings
from .pixel_formats import Plane, build_frame, pixel_format
from .priority import kept_priority
from .probe import VideoInfo

__all__ = [
    "CONTAINERS",
    "EncoderSpec",
    "choose_encoder",
    "chroma_siting",
    "gray_frame",
    "gray_planes",
    "open_encoder",
    "write_grayscale_video",
]

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}

ENCODERS = {
    **dict.fromkeys(("h264", "avc", "x264"), "libx264"),
    **dict.fromkeys(("hevc", "h265", "x265"), "libx265"),
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "prores": "prores_ks",
    **dict.fromkeys(("dnxhr", "dnxhd"), "dnxhd"),
}


@dataclass(frozen=True)
class _QualityOptions:
    """What an encoder calls its quality options, and our defaults."""

    crf: float | None = None  # default; None: it has no such option
    crf_option: str = "crf"
    preset: str | None = None  # default; None: it has no such option
    preset_option: str = "preset"
    always: tuple[tuple[str, str], ...] = ()


_QUALITY_OPTIONS = {
    "libx264": _QualityOptions(16, preset="medium"),
    "libx265": _QualityOptions(18, preset="medium", always=(("x265-params", "log-level=error"),)),
    "libsvtav1": _QualityOptions(22, preset="6"),
    "libvpx-vp9": _QualityOptions(20, preset="2", preset_option="cpu-used", always=(("b", "0"), ("row-mt", "1"))),
    "h264_nvenc": _QualityOptions(18, "cq", "p5", always=(("rc", "vbr"), ("b", "0"))),
    "hevc_nvenc": _QualityOptions(20, "cq", "p5", always=(("rc", "vbr"), ("b", "0"))),
    "av1_nvenc": _QualityOptions(24, "cq", "p5", always=(("rc", "vbr"), ("b", "0"))),
    "ffv1": _QualityOptions(always=(("level", "3"), ("g", "1"), ("slicecrc", "1"))),
    "mpeg4": _QualityOptions(2, "q"),
    "mpeg2video": _QualityOptions(2, "q"),
}
_LIMITED_RANGE_ONLY = ("prores", "prores_ks", "prores_aw", "dnxhd", "mpeg2video", "mpeg4")
_GRAYSCALE_RATE = 24  # frames a second of `write_grayscale_video`
_KEEPS_FIELDS = ("ffv1", "prores", "prores_ks", "prores_aw")
_HEVC_TAG = "hvc1"  # the tag that Apple's players expect


@dataclass(frozen=True)
class EncoderSpec:
    """Everything that an encoder is opened with: the same for every segment of a film."""

    encoder: str
    container: str  # FFmpeg's name of the muxer
    width: int
    height: int
    pix_fmt: str  # of the frames that are encoded
    encoder_pix_fmt: str  # the encoder's name for it: some hardware encoders take the same samples interleaved
    bits: int
    subsampling: tuple[int, int]
    full_range: bool
    matrix: str  # of the chroma planes
    range_tag: int
    matrix_tag: int
    primaries_tag: int
    transfer_tag: int
    sample_aspect_ratio: Fraction | None
    field_order: int
    rate: Fraction
    options: tuple[tuple[str, str], ...]
    quantizer: float | None = None  # constant quantizer of the MPEG encoders
    codec_tag: str | None = None


def _container_of(output: Path, settings: EncodingSettings) -> str:
    """FFmpeg's muxer for the output's file name."""
    suffix = output.suffix.lower()
    if suffix not in CONTAINERS:
        raise UsageError(f"{output.name}: give the output one of the extensions {', '.join(CONTAINERS)}.")
    if settings.archive and suffix != ".mkv":
        raise UsageError(f"`archive` writes FFV1 in Matroska: name the output {output.with_suffix('.mkv').name}.")
    return CONTAINERS[suffix]


def choose_encoder(info: VideoInfo, output: Path, settings: EncodingSettings) -> tuple[EncoderSpec, list[str]]:
    """The encoder for a film, and warnings about what of its picture the encoder changes."""
    container = _container_of(output, settings)
    asked = "ffv1" if settings.archive else settings.codec or ("libvpx-vp9" if container == "webm" else "libx264")
    encoder = ENCODERS.get(asked.lower(), asked)
    try:
        codec = av.Codec(encoder, "w")
    except (av.error.FFmpegError, ValueError) as error:
        raise UsageError(f"This FFmpeg has no encoder {asked!r}: `colormnet doctor` lists the usual ones.") from error
    if codec.type != "video":
        raise UsageError(f"{asked!r} encodes {codec.type}, not video.")
    offered = [f.name for f in codec.video_formats or []]
    pix_fmt, notes = _choose_pix_fmt(info, offered, settings.pix_fmt, encoder)
    chosen = av.VideoFormat(pix_fmt, 64, 64)
    full = pix_fmt.startswith("yuvj") or (info.full_range and encoder not in _LIMITED_RANGE_ONLY)
    if full != info.full_range:
        notes.append(f"{encoder} has no full range: the luma was converted to limited range.")
    if info.interlaced and encoder not in _KEEPS_FIELDS:
        notes.append(f"{encoder} marks the interlaced film as progressive: ffv1 and prores keep its field order.")
    quality = _quality(encoder, settings)
    options = {**dict(quality.options), **_profile(encoder, pix_fmt)}
    if encoder == "libx264" and -(-info.width // 16) % 8:
        # x264's macroblock tree reads beyond a row of blocks that is not a multiple of 8: its decisions then depend on
        # what lies in memory, and a resumed run would encode other packets than an uninterrupted one.
        options["mbtree"] = "0"
    options.update(settings.encoder_options)
    # FFmpeg tags DNxHR as BT.709 whatever it holds
    matrix = "bt709" if encoder == "dnxhd" and info.matrix == "bt601" else info.matrix
    apple_tag = container in ("mp4", "mov") and ("265" in encoder or encoder.startswith("hevc"))
    spec = EncoderSpec(
        encoder=encoder,
        container=container,
        width=info.width,
        height=info.height,
        pix_fmt=pix_fmt,
        encoder_pix_fmt=_encoder_pix_fmt(pix_fmt, offered),
        bits=chosen.components[0].bits,
        subsampling=(64 // chosen.chroma_width(64), 64 // chosen.chroma_height(64)),
        full_range=full,
        matrix=matrix,
        range_tag=2 if full else info.range_tag if info.range_tag == 1 else int(full != info.full_range),
        matrix_tag=_matrix_tag(info, matrix),
        primaries_tag=info.primaries_tag,
        transfer_tag=info.transfer_tag,
        sample_aspect_ratio=info.sample_aspect_ratio,
        field_order=info.field_order,
        rate=info.rate.limit_denominator(1001) if info.rate.numerator > 65535 else info.rate,
        options=tuple(options.items()),
        quantizer=quality.quantizer,
        codec_tag=_HEVC_TAG if apple_tag else None,
    )
    return spec, notes


def chroma_siting(spec: EncoderSpec) -> Literal["left", "center"]:
    """Horizontal chroma siting that players assume; PyAV cannot write it."""
    return "center" if spec.encoder in ("mjpeg", "mpeg1video") else "left"


def open_encoder(spec: EncoderSpec, target: Any = None) -> Any:
    """Open an encoder, or set up the stream `target` of an output in the same way without opening it.

    The encoder gets frame numbers as timestamps (time base 1 / rate). The true ones are set on the packets when they
    are muxed: so codecs with a coarse time base work too, and every segment of a film is encoded in the same way.
    """
    context: Any = av.CodecContext.create(spec.encoder, "w") if target is None else target.codec_context
    context.width, context.height, context.pix_fmt = spec.width, spec.height, spec.encoder_pix_fmt
    context.framerate, context.time_base = spec.rate, 1 / spec.rate
    context.color_range, context.colorspace = spec.range_tag, spec.matrix_tag
    context.color_primaries, context.color_trc = spec.primaries_tag, spec.transfer_tag
    if spec.sample_aspect_ratio is not None:
        context.sample_aspect_ratio = spec.sample_aspect_ratio
    if spec.field_order and hasattr(context, "field_order"):
        context.field_order = spec.field_order
    context.thread_type = "AUTO"
    context.flags |= Flags.global_header
    if spec.quantizer is not None:
        context.flags |= Flags.qscale
    if spec.codec_tag is not None:
        context.codec_tag = spec.codec_tag
    quality = {} if spec.quantizer is None else {"global_quality": str(round(spec.quantizer * 118))}  # FF_QP2LAMBDA
    context.options = {**quality, **dict(spec.options)}
    if target is None:
        _open(context, spec)
    return context


def gray_planes(spec: EncoderSpec) -> tuple[Plane, Plane, Plane]:
    """Y′, Cb and Cr of a gray frame for this encoder."""
    across, down = spec.subsampling
    sizes = [(spec.height, spec.width), *[(-(-spec.height // down), -(-spec.width // across))] * 2]
    y, cb, cr = (np.full(size, 1 << (spec.bits - 1), np.uint8 if spec.bits == 8 else np.uint16) for size in sizes)
    return y, cb, cr


def gray_frame(spec: EncoderSpec) -> av.VideoFrame:
    """A frame for this encoder, all gray."""
    frame = build_frame(spec.pix_fmt, gray_planes(spec))
    frame.pts, frame.time_base = 0, 1 / spec.rate
    return frame


def _open(context: Any, spec: EncoderSpec) -> None:
    if spec.encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only: it prints a banner each time it is opened
    try:
        with kept_priority():
            context.open()
    except (av.error.FFmpegError, ValueError, OSError) as error:
        what = f"{spec.width}×{spec.height} {spec.pix_fmt}"
        options = " ".join(f"{k}={v}" for k, v in spec.options) or "none"
        raise OutputError(
            f"{spec.encoder} does not open for {what} with the options {options}: choose others, or another codec."
        ) from error
    unknown = set(context.options) & {k for k, _ in spec.options}
    if unknown:
        raise UsageError(f"{spec.encoder} has no option {', '.join(sorted(unknown))}.")


@dataclass(frozen=True)
class _Quality:
    options: tuple[tuple[str, str], ...]
    quantizer: float | None


def _quality(encoder: str, settings: EncodingSettings) -> _Quality:
    known = _QUALITY_OPTIONS.get(encoder, _QualityOptions())
    if settings.crf is not None and known.crf is None:
        raise UsageError(f"{encoder} has no `crf`: use encoder options.")
    if settings.preset is not None and known.preset is None:
        raise UsageError(f"{encoder} has no `preset`: use encoder options.")
    given = dict(settings.encoder_options)
    asked = (("crf", settings.crf, known.crf_option), ("preset", settings.preset, known.preset_option))
    for name, value, option in asked:
        if value is not None and option in given:
            raise UsageError(f"`{name}` and the encoder option {option}={given[option]} set the same: give one.")
    crf = settings.crf if settings.crf is not None else known.crf
    options = dict(known.always)
    quantizer = None
    if crf is not None and known.crf_option == "q":
        quantizer = crf
    elif crf is not None:
        options[known.crf_option] = f"{crf:g}"
    if known.preset is not None:
        options[known.preset_option] = settings.preset or known.preset
    return _Quality(tuple(options.items()), quantizer)


def _profile(encoder: str, pix_fmt: str) -> dict[str, str]:
    """The profile for the pixel format, for encoders that do not derive it."""
    if encoder == "prores_ks":
        return {"profile": "4444" if "444" in pix_fmt else "hq", "vendor": "apl0"}
    if encoder == "dnxhd":
        return {"profile": "dnxhr_444" if "444" in pix_fmt else "dnxhr_hqx" if "10" in pix_fmt else "dnxhr_hq"}
    return {}


def _matrix_tag(info: VideoInfo, matrix: str) -> int:
    """The film's own tag; for RGB, and for a matrix that is not written, that of the matrix that is."""
    known = info.matrix_tag in (1, 2, 4, 5, 6, 7, 9, 10)
    if info.layout.kind == "rgb" or not known or matrix != info.matrix:
        return {"bt709": 1, "bt601": 6, "bt2020": 9}[matrix]
    return info.matrix_tag


def _choose_pix_fmt(info: VideoInfo, offered: list[str], asked: str | None, encoder: str) -> tuple[str, list[str]]:
    """The film's own subsampling and depth where the encoder has it, else the next that loses nothing; and warnings."""
    odd_x, odd_y = info.width % 2, info.height % 2
    if asked is not None:
        if offered and asked not in offered:
            raise UsageError(f"{encoder} has no pixel format {asked}: give one of {', '.join(offered)}.")
        if not _is_planar_yuv(asked):
            raise UsageError(f"{asked} is not planar YUV: give for example yuv420p, yuv422p10le or yuv444p.")
        return asked, _depth_note(info.layout.bits, asked, encoder)
    if "p010le" in offered:
        offered = [*offered, "yuv420p10le"]
    offered = [name for name in offered if _is_planar_yuv(name)] or ["yuv420p"]
    own = (2, 2) if info.layout.kind == "gray" else info.layout.subsampling
    notes: list[str] = []
    wanted = own
    if (odd_x and own[0] > 1) or (odd_y and own[1] > 1):
        wanted = (1, 1)
        notes.append(f"{info.width}×{info.height} is odd: the chroma is written at full size (4:4:4).")
    ladder = [wanted, *(s for s in ((2, 1), (1, 1), (2, 2)) if s != wanted)]
    if wanted == (2, 2):
        ladder = [(2, 2), (2, 1), (1, 1)]
    depths = [d for d in (8, 9, 10, 12, 14, 16) if d >= info.layout.bits] + [14, 12, 10, 9, 8]
    for bits in depths:
        for sampling in ladder:
            name = pixel_format(bits, sampling)
            if name in offered:
                return name, notes + _depth_note(info.layout.bits, name, encoder)
    raise OutputError(f"{encoder} takes no planar YUV, only {', '.join(offered)}: choose another codec.")


def _encoder_pix_fmt(pix_fmt: str, offered: list[str]) -> str:
    return "p010le" if pix_fmt == "yuv420p10le" and pix_fmt not in offered and "p010le" in offered else pix_fmt


def _is_planar_yuv(name: str) -> bool:
    return name.startswith(("yuv4", "yuvj4")) and not name.endswith("be")


def _depth_note(bits: int, name: str, encoder: str) -> list[str]:
    depth = av.VideoFormat(name, 64, 64).components[0].bits
    return [f"{encoder} stores {depth} bits in {name}: the film's {bits} were rounded."] if depth < bits else []


def write_grayscale_video(path: Path, lumas: Iterable[NDArray[np.uint8]], size: tuple[int, int]) -> None:
    """Encode planes of luma [H, W] as H.264 in limited range, 8 bit, 4:2:0; `size` is (H, W), even."""
    gray = np.full((size[0] // 2, size[1] // 2), 128, np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=_GRAYSCALE_RATE, options={"preset": "fast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        for number, luma in enumerate(lumas):
            frame = build_frame("yuv420p", (luma, gray, gray))
            frame.pts, frame.time_base = number, Fraction(1, _GRAYSCALE_RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
