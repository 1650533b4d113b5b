"""What can be set for a run, and what it reports while it runs. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from .errors import UsageError
from .timecode import Timecode, parse_time

__all__ = [
    "DEFAULT_SIZE",
    "ColorSource",
    "ColorizeSettings",
    "EncodingSettings",
    "MemoryConfig",
    "NetworkSettings",
    "PicturesSettings",
    "Progress",
    "ProgressCallback",
    "RangeSettings",
    "RunSettings",
    "ShotSettings",
]

DEFAULT_SIZE = 480  # the shorter side of the working resolution, of networks that have no other
AUDIO = ("copy", "aac", "none")
SHORTEST_WINDOW = 4  # seconds
DIRECTIONS = ("forward", "backward", "both")


@dataclass(frozen=True)
class NetworkSettings:
    """How frames reach the network, and how its color comes back to full size."""

    size: int | Literal["source"] | None = None  # working resolution: the shorter side; None: the network's own
    lookahead: int | None = None  # frames given to the network at once; None: by device
    threads: int | None = None  # of the CPU, for the network; None: as many as PyTorch has
    guided: bool = True  # ab upsampled along the edges of the luma; False: bilinear
    vividness: float | None = None  # by which chroma is multiplied, inside the gamut; None: the network's own
    ref_is_first: bool | None = None  # is the exemplar the first frame? None: decided by comparing their L
    protect: str | Path | None = None  # an image of the frames' size: what is white in it stays neutral

    def __post_init__(self) -> None:
        if self.size not in ("source", None) and (isinstance(self.size, (bool, str)) or self.size < 16):
            raise UsageError(f"`size` is {self.size!r}: give the shorter side in pixels, at least 16, or 'source'.")
        if self.vividness is not None and not 0 <= self.vividness <= 4:
            raise UsageError(f"`vividness` is {self.vividness}: give a factor between 0 (gray) and 4; 1 is unchanged.")
        if self.lookahead is not None and self.lookahead < 1:
            raise UsageError(f"`lookahead` is {self.lookahead}: give at least one frame.")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"`threads` is {self.threads}: give at least one.")


@dataclass(frozen=True)
class ColorSource:
    """Where the colors of a film come from."""

    references: tuple[str, ...] = ()  # color images, or frames of films (film.mp4@12.5)
    references_at: tuple[tuple[str, str], ...] = ()  # (time, image): colored pictures of frames of the film itself
    plan: Path | None = None  # a folder made by `colormnet shots`, instead of both
    auto: bool = False  # colors that a network chooses: stills of a film's shots are colored without an exemplar
    # where the exemplars show nothing similar, colors of automatic stills of the film's shots fill in: `prepare_fill`
    fill: Literal["auto"] | None = None

    def __post_init__(self) -> None:
        if self.plan is not None and (self.references or self.references_at):
            raise UsageError("Give references or a plan (`plan`), not both: name further images in its shots.csv.")
        if self.auto and (self.references or self.references_at):
            raise UsageError(
                "Give references or `auto`, not both: put pictures of your own into the folder colored/ of a plan."
            )
        if self.fill not in (None, "auto"):
            raise UsageError(f"`fill` is {self.fill!r}: give 'auto', or leave it out.")
        if self.fill and self.auto:
            raise UsageError("With `auto` all colors are automatic: leave `fill` out, or give references or a plan.")


@dataclass(frozen=True)
class ShotSettings:
    """How color is propagated within a shot."""

    # from its first frame on; from its last frame back; from each exemplar to both sides.
    # None: both where an exemplar shows a later frame than the shot's first, else forward
    direction: Literal["forward", "backward", "both"] | None = None
    max_exemplars: int = 8  # in the memory at once, the nearest in time first

    def __post_init__(self) -> None:
        if self.direction not in (None, *DIRECTIONS):
            raise UsageError(f"`direction` is {self.direction!r}: give one of {', '.join(DIRECTIONS)}.")
        if self.max_exemplars < 1:
            raise UsageError(f"`max_exemplars` is {self.max_exemplars}: give at least one.")


@dataclass(frozen=True)
class RangeSettings:
    """Which part of a film is colorized."""

    start: str | float | None = None  # "12.5", "00:01:02.5", "f1500"; None: the beginning
    end: str | float | None = None  # the first timestamp or frame that is left out
    duration: str | float | None = None  # instead of `end`

    def __post_init__(self) -> None:
        if self.end is not None and self.duration is not None:
            raise UsageError("Give `end` or `duration`, not both.")
        start, end, duration = self.timecodes
        begin = start or Timecode(frame=0)
        if end is not None and end.reached(begin.frame or 0, begin.seconds or Fraction(0)):
            raise UsageError(f"The end ({end}) is not after the start ({begin}): give a later end.")
        if duration is not None and duration.reached(0, Fraction(0)):
            raise UsageError(f"A duration of {duration} contains no frame: give a longer one.")

    @property
    def timecodes(self) -> tuple[Timecode | None, Timecode | None, Timecode | None]:
        """Start, end and duration."""
        start, end, duration = (None if t is None else parse_time(t) for t in (self.start, self.end, self.duration))
        return start, end, duration


@dataclass(frozen=True)
class EncodingSettings:
    """How a film is written."""

    # "h264", "hevc", "av1", "vp9", "prores", "dnxhr", "ffv1" or the name of an FFmpeg encoder; None: by container
    codec: str | None = None
    crf: float | None = None  # None: 16 for libx264, a similar quality for others
    preset: str | None = None  # None: "medium" for libx264
    encoder_options: tuple[tuple[str, str], ...] = ()  # also given as a dict; override our own choices
    pix_fmt: str | None = None  # None: the source's chroma subsampling and bit depth
    encoders: int | None = None  # that run at once; the film is the same with any number. None: by device and cores
    archive: bool = False  # FFV1 in .mkv
    audio: Literal["copy", "aac", "none"] = "copy"

    def __post_init__(self) -> None:
        options = self.encoder_options
        pairs = options.items() if isinstance(options, Mapping) else options
        object.__setattr__(self, "encoder_options", tuple((str(k), str(v)) for k, v in pairs))
        if self.audio not in AUDIO:
            raise UsageError(f"`audio` is {self.audio!r}: give one of {', '.join(AUDIO)}.")
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise UsageError(f"`crf` is {self.crf}: give a value between 0 and 63.")
        if self.encoders is not None and self.encoders < 1:
            raise UsageError(f"encoders is {self.encoders}: give at least one.")
        if self.archive and any((self.codec, self.crf is not None, self.preset)):
            raise UsageError("`archive` means FFV1: it cannot be combined with `codec`, `crf` or `preset`.")


@dataclass(frozen=True)
class MemoryConfig:
    """Sizes of the memory, in the paper's letters. Where 0 may be given, it stands for the network's own number."""

    gamma: int = 5  # γ: one of every `gamma` frames is remembered
    n_s: int = 0  # N_s: frames that are kept whole, an exemplar counted among them; the paper's: 10
    n_e: int = 0  # N_e: of these, the oldest frames that are condensed to prototypes together; the paper's: 5
    m: int = 128  # M: prototypes they are condensed to
    top_k: int = 0  # elements of the memory that answer one query; the paper's: 30
    long_term: int = 0  # elements that the long-term memory holds at most; the paper's: 10,000

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), int(field.default != 0)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(f"`{field.name}` is {value!r}: give a whole number of at least 1.")
        if self.n_s == 1:
            raise UsageError(f"`n_s` is {self.n_s}: give at least 2, an exemplar and a recent frame.")
        if self.n_s and self.n_e >= self.n_s:
            raise UsageError(f"`n_e` ({self.n_e}) must be less than `n_s` ({self.n_s}).")
        if self.long_term and self.m > self.long_term:
            raise UsageError(f"`m` ({self.m}) prototypes do not fit into `long_term` ({self.long_term}).")

    def completed(self, own: MemoryConfig) -> MemoryConfig:
        """With a network's own numbers where it has 0."""
        return replace(self, **{name: getattr(own, name) for name, value in vars(self).items() if not value})


@dataclass(frozen=True)
class RunSettings:
    """What happens to an existing output, to the progress of an interrupted run, and at damaged input."""

    overwrite: bool = False  # replace an existing output
    resume: bool = True  # continue an interrupted run; False: start again
    strict: bool = False  # fail at undecodable input and at colors that are not finite, instead of working around them


@dataclass(frozen=True)
class PicturesSettings(NetworkSettings, ShotSettings, RunSettings):
    """Everything that can be set for a folder of pictures, besides the model, the memory and the device."""

    def __post_init__(self) -> None:
        for part in (NetworkSettings, ShotSettings):
            part.__post_init__(self)


@dataclass(frozen=True)
class ColorizeSettings(NetworkSettings, ShotSettings, RangeSettings, EncodingSettings, RunSettings):
    """Everything that can be set for a film, besides the model, the memory and the device."""

    chroma_out: str | Path | None = None  # .mkv for the color alone; the output's own path: no film
    steady: bool = False  # remove flicker from the colors
    only_shots: str | None = None  # "7,9-12": color these shots of the plan again, and keep the others as they are
    split_long: float | None = None  # seconds: longer shots are cut into windows, which changes their colors

    def __post_init__(self) -> None:
        if self.split_long is not None and self.split_long < SHORTEST_WINDOW:
            raise UsageError(f"`split_long` is {self.split_long:g}: give at least {SHORTEST_WINDOW} seconds.")
        for part in (NetworkSettings, ShotSettings, RangeSettings, EncodingSettings):
            part.__post_init__(self)
        if self.chroma_out is not None and (path := Path(self.chroma_out)).suffix.lower() != ".mkv":
            raise UsageError(f"`chroma_out` writes FFV1 in Matroska: call it {path.with_suffix('.mkv').name}.")
        if self.steady and any(self.timecodes):
            raise UsageError("The whole film is made steady: leave `start`, `end` and `duration` out.")


@dataclass(frozen=True)
class Progress:
    """One report of a running job."""

    # seeking the start; coloring; propagating color backward; muxing the output; evaluating;
    # finding shots; writing stills; coloring stills; verifying; putting color on a film
    phase: Literal["seek", "color", "backward", "join", "measure", "shots", "stills", "automatic", "verify", "apply"]
    frame: int  # frames done of `total`, including those of an earlier, interrupted run
    total: int | None  # None where the container does not say; estimated where it gives only a duration
    fps: float  # frames per second over the last few seconds of this run; 0 where not known yet
    elapsed: float  # seconds of this run
    remaining: float | None  # seconds, estimated
    device_memory: int | None  # peak bytes on the device so far; None on the CPU
    workers: int | None = None  # that color shots, where there are several


ProgressCallback = Callable[[Progress], None]
