"""`colormnet apply`: put saved color on a film, without the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..settings import ColorizeSettings
from . import options as o
from .groups import CommandLine
from .reporter import Reporter
from .running import summary
from .session import Session

__all__ = ["register"]


def register(app: CommandLine) -> None:
    app.command("apply")(apply)


def apply(
    source: Annotated[Path, o.argument("OLD", "The black-and-white film.")],
    color: Annotated[Path, o.argument("COLOR", "Its color, written by `colormnet colorize --chroma-out`.")],
    output: o.FilmOutput,
    settings: Annotated[
        ColorizeSettings,
        (
            "vividness", "protect", "guided", "steady", "threads", "codec", "crf", "preset", "archive", "audio",
            "pix_fmt", "encoder_options", "overwrite", "resume", "strict",
        ),
    ],
    session: Session,
    plan: Annotated[
        Path | None,
        o.option(
            None,
            "Folder made by `colormnet shots`: the masks of its shots, and where shots begin.",
            "--plan",
            metavar="FOLDER",
            parser=o.path,
        ),
    ] = None,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:  # fmt: skip
    """Put saved color on a film, with other settings, without running the network. Nothing else in the film changes.

    Example:  [bold]colormnet apply old.mp4 color.mkv -o out.mp4 --vividness 0.9[/bold]

    where color.mkv was made by

      [bold]colormnet colorize old.mp4 --ref photo.jpg --chroma-out color.mkv[/bold]
    """
    threads = session.load.prepare()
    with Reporter(session, progress) as reporter:
        reporter.step(f"Reading {source}")
        from ..film.grading.apply_color import apply_color, plan_apply
        from .running import set_threads

        set_threads(settings.threads, threads)
        planned = plan_apply(
            source,
            color,
            output,
            plan=plan,
            settings=settings,
            progress=lambda at: reporter.film(source.name, at),
        )
        receipt = apply_color(planned, progress=lambda at: reporter.film(source.name, at))
        reporter.message(summary(receipt))
    if as_json:
        session.result(receipt.to_json())
