"""`colormnet colorize`: films in, films in colour out."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .films import Request, output_paths, parse_pairs, run, show_plans
from .progress import Reporter
from .session import Session

__all__ = ["register"]

RANGE, ENCODING = "Part of the film", "Encoding"


class Audio(str, Enum):
    copy = "copy"
    aac = "aac"
    none = "none"


Films = Annotated[list[Path], typer.Argument(metavar="FILM", parser=o.path, help="The films; several may be given.")]
Start = Annotated[
    str | None,
    typer.Option(metavar="TIME", rich_help_panel=RANGE, help="Where to begin: 12.5, 00:01:02.5 or f1500 (a frame)."),
]
End = Annotated[str | None, typer.Option(metavar="TIME", rich_help_panel=RANGE, help="Where to end, not included.")]
Duration = Annotated[
    str | None, typer.Option(metavar="TIME", rich_help_panel=RANGE, help="How much, instead of --end.")
]
Codec = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=ENCODING,
                 help="h264, hevc, av1, vp9, prores, dnxhr, ffv1, or an FFmpeg encoder (h264_nvenc, …)."),
]  # fmt: skip
Crf = Annotated[
    float | None,
    typer.Option(min=0, max=63, metavar="0..63", rich_help_panel=ENCODING, help="Quality; lower is better (h264: 16)."),
]
Preset = Annotated[str | None, typer.Option(rich_help_panel=ENCODING, help="The encoder's speed (h264: medium).")]
EncoderOption = Annotated[
    list[str] | None,
    typer.Option(metavar="K=V", rich_help_panel=ENCODING, help="Anything else the encoder knows; repeatable."),
]
PixFmt = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=ENCODING, help="Pixel format; like the film's if not said."),
]
Archive = Annotated[
    bool, typer.Option("--archive", rich_help_panel=ENCODING, help="Lossless: FFV1 in .mkv, all else copied.")
]
AudioOption = Annotated[
    Audio, typer.Option("--audio", rich_help_panel=ENCODING, help="Copy the sound, convert it, or leave it out.")
]


def register(app: typer.Typer) -> None:
    app.command()(colorize)


def colorize(
    ctx: typer.Context, films: Films, ref: o.References, output: o.Output = None, ref_is_first: o.RefIsFirst = None,
    model: o.Model = "colormnet", device: o.Device = "auto", precision: o.PrecisionOption = o.Precision.auto,
    size: o.Size = "480", lookahead: o.Lookahead = None, guided: o.Guided = True,
    start: Start = None, end: End = None, duration: Duration = None,
    codec: Codec = None, crf: Crf = None, preset: Preset = None, encoder_option: EncoderOption = None,
    pix_fmt: PixFmt = None, archive: Archive = False, audio: AudioOption = Audio.copy,
    strict: o.Strict = False, overwrite: o.Overwrite = False, resume: o.Resume = True,
    gamma: o.Gamma = 5, ns: o.Ns = 10, ne: o.Ne = 5, m: o.M = 128, top_k: o.TopK = 30, long_term: o.LongTerm = 10_000,
    progress: o.Form = o.ProgressForm.auto, as_json: o.Json = False, dry_run: o.DryRun = False,
    verbose: o.Verbose = 0, quiet: o.Quiet = False, debug: o.Debug = False,
) -> None:  # fmt: skip
    """Colour films, taking the colours from one colour picture. Nothing of a film changes but its colour.

    Example:  [bold]colormnet colorize old.mp4 --ref photo.jpg -o out.mp4[/bold]

    Several, with the colours of a moment of another film:

      [bold]colormnet colorize a.mp4 b.mp4 --ref c.mp4@1:05 -o colour/[/bold]
    """
    from ..settings import ColorizeSettings

    settings = ColorizeSettings(
        size=o.parse_size(size), lookahead=lookahead, guided=guided, start=start, end=end, duration=duration,
        ref_is_first=ref_is_first, codec=codec, crf=crf, preset=preset,
        encoder_options=parse_pairs(encoder_option or []), pix_fmt=pix_fmt, archive=archive, audio=audio.value,
        overwrite=overwrite, resume=resume, strict=strict,
    )  # fmt: skip
    outputs, folder = output_paths(films, output, archive=archive)
    session: Session = ctx.obj
    with Reporter(session, progress) as reporter:
        reporter.step("Starting PyTorch")
        request = Request(
            jobs=tuple(zip(films, outputs, strict=True)), folder=folder, references=tuple(ref), settings=settings,
            memory=o.memory_config(gamma, ns, ne, m, top_k, long_term), model=model, device=device,
            precision=precision.value, as_json=as_json,
        )  # fmt: skip
        (show_plans if dry_run else run)(session, reporter, request)
