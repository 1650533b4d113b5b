"""Options that several commands have, each declared once.

`OPTIONS` declares the fields of settings (see `groups`); the rest is for parameters of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import ColormnetError, UsageError
from ..timecode import parse_time
from .session import Session

__all__ = [
    "ENCODER",
    "MEMORY",
    "MESSAGES",
    "NETWORK",
    "OPTIONAL_VALUES",
    "OPTIONS",
    "OUTPUT",
    "PANELS",
    "RANGE",
    "SESSION",
    "VARIABLES",
    "AutoModel",
    "Device",
    "Devices",
    "DryRun",
    "FilmOutput",
    "Form",
    "Json",
    "NetworkChoice",
    "Overwrite",
    "ProgressForm",
    "Ray",
    "argument",
    "filled",
    "option",
    "option_name",
    "path",
]

# Panels of the help, in their order; a command's own panels come after the first
NETWORK, RANGE, OUTPUT, MESSAGES = "Network", "Part of the film", "Output", "Messages"
MORE_NETWORK, ENCODER = "Advanced: network", "Advanced: encoder"
MEMORY = "Advanced: memory, in the paper's letters"
PANELS = (None, "", NETWORK, RANGE, OUTPUT, MESSAGES, MORE_NETWORK, ENCODER, MEMORY)

ProgressForm = Literal["auto", "bar", "plain", "json", "none"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]


@dataclass(frozen=True)
class NetworkChoice:
    """Which network runs where."""

    model: str = "colormnet"
    device: str = "auto"
    precision: Precision = "auto"


# Parsers: values are checked while the command line is read, so that the error names the option


def filled(text: str) -> str:
    """The value of an option that names something."""
    if not text:
        raise typer.BadParameter("It is empty; perhaps a variable of the shell is unset")
    return text


def path(text: str) -> Path:
    """The value of what names a file or a folder; an empty name would mean the current folder."""
    if text == "-":
        raise typer.BadParameter("stdin and stdout are not supported: give the name of a file")
    return Path(filled(text))


def _size(text: str | int) -> int | Literal["source"]:
    if text == "source":
        return "source"
    if not str(text).isdecimal() or int(text) < 16:
        raise typer.BadParameter(f"{text!r} is no size: give the shorter side in pixels, at least 16, or 'source'")
    return int(text)


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise typer.BadParameter(f"{text!r} is unknown: give auto, cuda, cuda:N, mps or cpu")
    return text


def _devices(text: str) -> str:
    from ..workers.choice import parse_devices

    try:
        parse_devices(text)
    except UsageError as error:
        raise typer.BadParameter(f"{text!r} is unknown: give names such as cuda:0,cuda:1, or cpu:4") from error
    return text


def _address(text: str) -> str:
    from ..workers.choice import check_address

    try:
        return check_address(text)
    except UsageError as error:
        raise typer.BadParameter(f"{text!r} is no address: give auto, local or HOST:PORT") from error


def _time(text: str) -> str:
    try:
        parse_time(text)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from error
    return text


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r} is not of the form KEY=VALUE")
    return key, value


def _placed(text: str) -> tuple[str, str]:
    time, equals, image = text.partition("=")
    if not equals or not image:
        raise typer.BadParameter(f"{text!r} is not of the form TIME=IMAGE")
    return _time(time), image


def option(panel: str | None, help: str, *names: str, **more: Any) -> Any:
    """Declare an option: the panel of the help that it stands in, its help, its names (default: the parameter's)."""
    return typer.Option(*names, rich_help_panel=panel, help=help, **more)


VARIABLES = ("COLORMNET_MODEL", "COLORMNET_DEVICE")
_DEVICES = ("auto", "cpu", "cuda", "cuda:0", "cuda:1", "mps")
_CODECS = ("h264", "hevc", "av1", "vp9", "prores", "dnxhr", "ffv1", "h264_nvenc", "hevc_nvenc", "av1_nvenc")
_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


def _models(incomplete: str) -> list[str]:
    """For shell completion."""
    from ..weights import read_lock

    try:
        return [name for name in read_lock() if name.startswith(incomplete)]
    except ColormnetError:
        return []


def _one_of(*values: str) -> dict[str, Any]:
    """Values that the shell completes; others may be given as well."""
    return {"autocompletion": lambda incomplete: [value for value in values if value.startswith(incomplete)]}


def argument(metavar: str, help: str) -> Any:
    """Declare an argument that names a file or a folder."""
    return typer.Argument(metavar=metavar, parser=path, help=help)


OPTIONAL_VALUES = {"--ray": "auto"}  # what an option means without a value
_COUNT: dict[str, Any] = {"metavar": "N", "min": 1}
_OWN: dict[str, Any] = {"metavar": "N", "min": 0, "show_default": False}  # 0: the network's own

# By the name of the field, whichever settings it is in
OPTIONS: dict[str, Any] = {
    "references": option(
        None,
        "Reference image, or FILM@TIME; repeatable. {stem} stands for the name of the film.",
        "--ref",
        metavar="IMAGE",
        parser=filled,
    ),
    "references_at": option(
        None,
        "Colored frame of the film itself, and its time: 0:01:05=b.png or f1500=c.png; repeatable.",
        "--ref-at",
        metavar="TIME=IMAGE",
        parser=_placed,
    ),
    "plan": option(
        None,
        "Folder made by `colormnet shots`, with colored pictures for the shots, instead of --ref.",
        metavar="FOLDER",
        parser=path,
    ),
    "auto": option(
        None,
        "Color without a reference: find shots, color a still of each (see --auto-model), color the film from them.",
        "--auto",
    ),
    "fill": option(
        None,
        "auto: also color a still of each shot automatically (see --auto-model), and use its colors where the "
        "references show nothing similar. Takes twice the time.",
    ),
    "only_shots": option(
        None, "Color only these shots of the plan again; the others stay as they were.", metavar="7,9-12", parser=filled
    ),
    "split_long": option(
        None,
        "Cut longer shots of the plan into windows, which several workers can color. This changes the "
        "result: each window has a memory of its own, and is cross-faded with the next over 24 frames.",
        metavar="SECONDS",
        min=4,
    ),
    "direction": option(
        NETWORK,
        "How color is propagated in a shot: from its first frame, from its last, or from each reference image to both "
        "sides. Default: both where a reference shows a later frame than the first.",
    ),
    "model": option(
        NETWORK,
        "Name from `colormnet weights list`, or a weight file.",
        metavar="NAME|PATH",
        parser=filled,
        envvar=VARIABLES[0],
        autocompletion=_models,
    ),
    "device": option(
        NETWORK,
        "Device to run on. auto: the first of CUDA, MPS and CPU that is available.",
        metavar="auto|cuda[:N]|mps|cpu",
        parser=_device,
        envvar=VARIABLES[1],
        **_one_of(*_DEVICES),
    ),
    "precision": option(NETWORK, "Number format. auto: fp16 on CUDA, fp32 elsewhere."),
    "size": option(
        NETWORK,
        "Working resolution: the shorter side of what the network sees; default: the network's, 480 for colormnet. The "
        "output keeps the size of the input.",
        metavar="N|source",
        parser=_size,
    ),
    "vividness": option(
        NETWORK,
        "Factor for the chroma of the result; colors stay inside the gamut; default: 1, for deep-exemplar 1.25.",
        metavar="FACTOR",
        min=0,
        max=4,
    ),
    "protect": option(
        NETWORK,
        "Image of the same size as the frames: what is white in it stays neutral, such as titles; gray: partly.",
        metavar="MASK",
        parser=path,
    ),
    "lookahead": option(MORE_NETWORK, "Frames per batch of the network; default: 2 on CUDA, 1 elsewhere.", **_COUNT),
    "threads": option(
        MORE_NETWORK, "CPU threads of the network; default: one for each core that is idle at the start.", **_COUNT
    ),
    "guided": option(MORE_NETWORK, "Upsample color along the edges of the luma, or bilinearly.", "--guided/--bilinear"),
    "ref_is_first": option(
        MORE_NETWORK,
        "Whether the reference image is the first frame; default: decided by comparing them.",
        "--ref-is-first-frame/--ref-is-other",
    ),
    "start": option(RANGE, "First timestamp or frame: 12.5, 00:01:02.5 or f1500.", metavar="TIME", parser=_time),
    "end": option(RANGE, "End timestamp or frame; it is not included itself.", metavar="TIME", parser=_time),
    "duration": option(RANGE, "Length, instead of --end.", metavar="TIME", parser=_time),
    "codec": option(
        OUTPUT,
        "h264, hevc, av1, vp9, prores, dnxhr, ffv1, or the name of an FFmpeg encoder; default: by container.",
        metavar="NAME",
        **_one_of(*_CODECS),
    ),
    "crf": option(OUTPUT, "Quality; lower is better. Default for h264: 16.", metavar="N", min=0, max=63),
    "preset": option(
        OUTPUT, "Speed preset of the encoder. Default for h264: medium.", metavar="NAME", **_one_of(*_PRESETS)
    ),
    "archive": option(OUTPUT, "Lossless: FFV1 in .mkv; other streams are copied.", "--archive"),
    "audio": option(OUTPUT, "Copy the audio streams, convert them to AAC, or leave them out."),
    "chroma_out": option(
        OUTPUT,
        "Also write the color alone, for `colormnet apply`; without -o, nothing else.",
        metavar="FILE.mkv",
        parser=path,
    ),
    "steady": option(OUTPUT, "Remove flicker from the colors, within each shot.", "--steady"),
    "overwrite": option(OUTPUT, "Replace an existing output.", "--overwrite"),
    "resume": option(OUTPUT, "Continue an interrupted run of the same command.", "--resume/--no-resume"),
    "strict": option(
        OUTPUT,
        "Fail at input that cannot be decoded and at colors that are not finite, instead of working around them.",
        "--strict",
    ),
    "encoder_options": option(
        ENCODER, "Option of the encoder; repeatable.", "--encoder-option", metavar="KEY=VALUE", parser=_pair
    ),
    "pix_fmt": option(ENCODER, "Pixel format; default: chroma subsampling and bit depth of the input.", metavar="NAME"),
    "max_exemplars": option(
        MORE_NETWORK, "Reference images of a shot in the memory at once, the nearest in time first.", **_COUNT
    ),
    "encoders": option(
        ENCODER,
        "Encoders that run at once, each on a part of the film; default: 1 on the CPU, else by cores.",
        **_COUNT,
    ),
    "gamma": option(MEMORY, "γ: one of every N frames is remembered.", **_COUNT),
    "n_s": option(
        MEMORY,
        "N_s: frames that are kept whole, a reference image included; default: 10, the preview 4.",
        "--ns",
        **_OWN,
    ),
    "n_e": option(
        MEMORY, "N_e: the oldest of them, condensed to prototypes together; default: 5, preview: 2.", "--ne", **_OWN
    ),
    "m": option(MEMORY, "M: prototypes that they are condensed to.", **_COUNT),
    "top_k": option(MEMORY, "Elements of the memory that answer one query; default: 30, preview: 16.", **_OWN),
    "long_term": option(
        MEMORY, "Elements that the long-term memory holds at most; default: 10,000, the preview 6,000.", **_OWN
    ),
}


def option_name(field: str, on: bool = True) -> str:
    """The option for a field of settings: --ns for n_s; for a flag that is off: --no-resume, --bilinear."""
    declared = getattr(OPTIONS.get(field), "default", ...)
    if declared is ...:
        declared = f"--{field.replace('_', '-')}"
    name, *other = str(declared).split("/")
    return name if on else other[0] if other else f"--no-{name.removeprefix('--')}"


# Options of the session act while they are read: an error in a later option is then already shown the right way.


def _session(ctx: Any) -> Session:
    session = ctx.ensure_object(Session)
    assert isinstance(session, Session)  # for the type checker: main made it
    return session


def _verbose(ctx: typer.Context, count: int) -> int:
    if count:
        _session(ctx).verbosity = count
        _session(ctx).start_logging()
    return count


def _quiet(ctx: typer.Context, wanted: bool) -> bool:
    session = _session(ctx)
    if wanted and session.verbosity > 0:
        raise typer.BadParameter("--quiet and --verbose contradict each other")
    if wanted:
        session.verbosity = -1
    session.start_logging()
    return wanted


def _debug(ctx: typer.Context, wanted: bool) -> bool:
    if wanted:
        _session(ctx).debug = True
        _session(ctx).start_logging()
    return wanted


def _log_file(ctx: typer.Context, file: Path | None) -> Path | None:
    if file and not ctx.resilient_parsing:  # as in shell completion
        try:
            _session(ctx).log_to(file)
        except OSError as error:
            raise typer.BadParameter(f"{file} cannot be written: {error.strerror}") from error
    return file


def _form(ctx: typer.Context, form: ProgressForm) -> ProgressForm:
    _session(ctx).as_json = form == "json"
    return form


Verbose = Annotated[
    int,
    option(
        MESSAGES, "Show more messages; twice: all of them.", "--verbose", "-v",
        count=True, is_eager=True, callback=_verbose, show_default=False,
    ),
]  # fmt: skip
Quiet = Annotated[bool, option(MESSAGES, "Show errors only.", "--quiet", "-q", callback=_quiet)]
Debug = Annotated[bool, option(MESSAGES, "Show the traceback of an error.", "--debug", is_eager=True, callback=_debug)]
LogFile = Annotated[
    Path | None,
    option(
        MESSAGES,
        "Append all messages to a file, with times and the tracebacks of errors.",
        "--log-file",
        metavar="FILE",
        parser=path,
        is_eager=True,
        callback=_log_file,
    ),
]
# Type and default of the options that every command has, by the parameter's name
SESSION: dict[str, tuple[Any, Any]] = {
    "verbose": (Verbose, 0),
    "quiet": (Quiet, False),
    "debug": (Debug, False),
    "log_file": (LogFile, None),
}
Form = Annotated[
    ProgressForm,
    option(
        MESSAGES,
        "Progress bar, plain lines, JSON lines for other programs, or none. auto: a bar in a terminal, else lines.",
        "--progress",
        is_eager=True,
        callback=_form,
    ),
]
FilmOutput = Annotated[
    Path, option(None, "Film to write: .mp4, .mov, .mkv or .webm.", "--output", "-o", metavar="FILE", parser=path)
]
Json = Annotated[bool, option(MESSAGES, "Print the result as JSON on stdout.", "--json")]
DryRun = Annotated[bool, option(MESSAGES, "Show what would be done, without doing it.", "--dry-run")]
Device = Annotated[str, OPTIONS["device"]]
AutoModel = Annotated[
    str,
    option(
        NETWORK,
        "Network that colors stills without a reference: a name from `colormnet weights list`, or a weight file.",
        "--auto-model",
        metavar="NAME|PATH",
        parser=filled,
        autocompletion=_models,
    ),
]
Devices = Annotated[
    str | None,
    option(
        NETWORK,
        "Color the shots of a plan by several workers, one for each device: cuda:0,cuda:1; cpu:4 stands for four.",
        "--devices",
        metavar="LIST",
        parser=_devices,
    ),
]
Ray = Annotated[
    str | None,
    option(
        NETWORK,
        "Color the shots of a plan on a Ray cluster: that at HOST:PORT; default: the one that runs on this machine.",
        "--ray",
        metavar="[ADDRESS]",
        parser=_address,
    ),
]
Overwrite = Annotated[bool, OPTIONS["overwrite"]]
