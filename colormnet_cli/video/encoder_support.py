"""What this FFmpeg can encode. NVENC is tried, not only looked up: it is compiled in on machines without a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from .encode import EncoderSpec, open_encoder

__all__ = ["EncoderSupport", "encoder_support", "ffmpeg_version", "try_encoder"]

_SOFTWARE = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks", "dnxhd")
_HARDWARE = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")


@dataclass(frozen=True)
class EncoderSupport:
    """An encoder, and why it does not work (empty: it does)."""

    name: str
    problem: str = ""


def ffmpeg_version() -> str:
    """The version of the FFmpeg libraries inside PyAV."""
    return str(av.ffmpeg_version_info)


def encoder_support() -> list[EncoderSupport]:
    """The encoders that people are likely to choose."""
    return [EncoderSupport(name, _problem(name)) for name in _SOFTWARE + _HARDWARE]


def try_encoder(spec: EncoderSpec) -> None:
    """Open an encoder. Raises OutputError or UsageError where that fails, without the library's own messages."""
    with _silent_libraries():
        open_encoder(spec)


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """x264 and SVT-AV1 write to stderr themselves, bypassing FFmpeg's log: they would corrupt our JSON lines there."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _problem(name: str) -> str:
    try:
        context: Any = av.CodecContext.create(name, "w")
    except (av.error.FFmpegError, ValueError):
        return "not in this FFmpeg"
    if name in _HARDWARE:
        context.width, context.height, context.pix_fmt = 256, 144, "yuv420p"
        context.time_base = Fraction(1, 25)
        try:
            context.open()
        except (av.error.FFmpegError, ValueError, OSError):
            return "needs an NVIDIA GPU with an encoder, and its driver"
    return ""
