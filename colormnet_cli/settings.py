"""What can be asked of `colorize_video`, and what it reports while it runs. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from .errors import UsageError
from .timecode import Timecode, parse_time

__all__ = ["ColorizeSettings", "Progress", "ProgressCallback"]

AUDIO = ("copy", "aac", "none")


@dataclass(frozen=True)
class ColorizeSettings:
    """Everything that can be set for one film, besides the model, the memory and the device."""

    size: int | Literal["source"] = 480  # shorter side the network works at; never enlarges
    lookahead: int | None = None  # frames given to the network at once; None: by device
    guided: bool = True  # ab brought to full size along the edges of the luma; False: bilinear

    start: str | float | None = None  # "12.5", "00:01:02.5", "f1500"; None: the beginning
    end: str | float | None = None  # the first instant or frame that is left out
    duration: str | float | None = None  # instead of `end`
    ref_is_first: bool | None = None  # is the exemplar the film's first frame? None: found out by comparing their L

    # "h264", "hevc", "av1", "vp9", "prores", "dnxhr", "ffv1" or the name of an FFmpeg encoder; None: by container
    codec: str | None = None
    crf: float | None = None  # None: 16 for libx264, as good for others
    preset: str | None = None  # None: "medium" for libx264
    encoder_options: tuple[tuple[str, str], ...] = ()  # also given as a dict; last word over our own choices
    pix_fmt: str | None = None  # None: the source's sampling and bit depth
    archive: bool = False  # FFV1 in .mkv

    audio: Literal["copy", "aac", "none"] = "copy"
    overwrite: bool = False  # replace an existing output
    resume: bool = True  # go on from a broken run's progress; False: start anew
    strict: bool = False  # a packet that cannot be decoded ends the run

    def __post_init__(self) -> None:
        if isinstance(self.encoder_options, Mapping):
            object.__setattr__(self, "encoder_options", tuple(self.encoder_options.items()))
        pairs = tuple((str(k), str(v)) for k, v in self.encoder_options)
        object.__setattr__(self, "encoder_options", pairs)
        if self.size != "source" and (isinstance(self.size, (bool, str)) or self.size < 16):
            raise UsageError(f"size is {self.size!r}: give the shorter side in pixels, at least 16, or 'source'.")
        if self.lookahead is not None and self.lookahead < 1:
            raise UsageError(f"lookahead is {self.lookahead}: at least one frame at a time.")
        if self.audio not in AUDIO:
            raise UsageError(f"audio is {self.audio!r}: one of {', '.join(AUDIO)}.")
        if self.end is not None and self.duration is not None:
            raise UsageError("Give an end or a duration, not both.")
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise UsageError(f"crf is {self.crf}: between 0 and 63.")
        if self.archive and any((self.codec, self.crf is not None, self.preset)):
            raise UsageError("--archive means FFV1: it goes with no --codec, --crf or --preset.")
        start, end, duration = (None if t is None else parse_time(t) for t in (self.start, self.end, self.duration))
        begin = start or Timecode(frame=0)
        if end is not None and end.reached(begin.frame or 0, begin.seconds or Fraction(0)):
            raise UsageError(f"The end ({end}) is not behind the start ({begin}): give a later end.")
        if duration is not None and duration.reached(0, Fraction(0)):
            raise UsageError(f"A duration of {duration} holds no frame: give a longer one.")


@dataclass(frozen=True)
class Progress:
    """One report of a running job."""

    phase: Literal["seek", "color", "join", "measure"]  # finding the beginning; colouring; writing the file; evaluating
    frame: int  # frames done of `total`, those of an earlier, broken run included
    total: int | None  # None where the container does not say; an estimate where it says only the duration
    fps: float  # frames coloured a second, over the last few seconds of this run; 0 where that cannot be told yet
    elapsed: float  # seconds of this run
    remaining: float | None  # seconds, estimated
    device_memory: int | None  # peak bytes on the device so far; None on the CPU


ProgressCallback = Callable[[Progress], None]
