"""`colormnet shots`: find the shots of a film, and write the folder in which their colors are planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from ..wording import many
from . import options as o
from .groups import CommandLine
from .reporter import Reporter
from .session import Session

__all__ = ["register"]


def register(app: CommandLine) -> None:
    app.command("shots")(shots)


def shots(
    film: Annotated[Path, o.argument("FILM", "The black-and-white film, or a folder of images.")],
    session: Session,
    output: Annotated[
        Path | None,
        o.option(None, "Plan folder to write; default: FILM-plan.", "--output", "-o", metavar="FOLDER", parser=o.path),
    ] = None,
    import_: Annotated[
        Path | None,
        o.option(
            None,
            "Take the shots from a scene list of PySceneDetect (CSV) or an EDL (CMX 3600).",
            "--import",
            metavar="FILE",
            parser=o.path,
        ),
    ] = None,
    edl: Annotated[
        Path | None, o.option(None, "Write the shots as an EDL, too.", "--edl", metavar="FILE", parser=o.path)
    ] = None,
    overwrite: o.Overwrite = False,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:
    """Find the shots of a film. Writes a folder with a table of them, a still of each, and a page that shows all.

    Put a colored copy of a still into its folder colored/ under the same name. A table that exists is kept, and only
    what is missing beside it is written; --overwrite finds the shots again. Colored pictures always stay.

    Example:  [bold]colormnet shots old.mp4[/bold]
    """
    with Reporter(session, progress) as reporter:
        reporter.step("Reading the film")
        from ..shots.interchange import check_edl, read_boundaries, write_edl
        from ..shots.make_plan import make_plan

        if edl is not None:
            check_edl(edl, film, overwrite=overwrite)
        plan = make_plan(
            film,
            output,
            boundaries=None if import_ is None else lambda rate: read_boundaries(import_, rate),
            overwrite=overwrite,
            progress=lambda at: reporter.film(film.name, at),
        )
        if edl is not None:
            write_edl(edl, [row.shot for row in plan.shots], plan.rate, film.stem)
    missing = len(plan.missing)
    colored = f"{missing:,} of them without a colored picture" if missing else "each with a colored picture"
    if plan.kept:
        session.say(f"Kept {plan.folder / 'shots.csv'}: {many(len(plan.shots), 'shot')}, {colored}")
    else:
        session.say(f"Wrote {plan.folder}: {many(len(plan.shots), 'shot')}, {colored}")
    if as_json:
        session.result(json.dumps(plan.to_dict(), indent=2, ensure_ascii=False))
