"""`colormnet stills`: color the stills of a plan without a reference image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..wording import listed, many
from . import options as o
from .groups import CommandLine
from .reporter import Reporter
from .running import Ready, make_ready
from .session import Session

if TYPE_CHECKING:
    from ..inference.colorizer import Colorizer
    from ..settings import ProgressCallback

__all__ = ["color_fill", "color_missing", "register"]


def register(app: CommandLine) -> None:
    app.command("stills")(stills)


def stills(
    folder: Annotated[Path, o.argument("FOLDER", "Plan folder, as `colormnet shots` writes it.")],
    network: o.NetworkChoice,
    session: Session,
    auto_model: o.AutoModel = "ddcolor",
    overwrite: Annotated[
        bool,
        o.option(
            None, "Color stills again that were colored by this command; pictures of your own stay.", "--overwrite"
        ),
    ] = False,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:
    """Color the stills of a plan that have no picture, without a reference. Writes them into its folder colored/.

    A network chooses the colors (--auto-model). A still that shows a place which is colored already gets the same
    colors, by the network that will color the film (--model). Pictures of your own are never replaced.

    Example:  [bold]colormnet stills old-plan[/bold]
    """
    with Reporter(session, progress) as reporter:
        from ..shots.folder import read_plan
        from ..weights import locate

        locate(auto_model)  # a mistyped name is reported at once, also where all stills are colored
        read_plan(folder)  # a mistake in it is reported before weights are loaded
        ready = make_ready(session, reporter, network)
        numbers = color_missing(
            session, reporter, ready, folder, auto_model, lambda at: reporter.film(folder.name, at, "stills"), overwrite
        )
    if as_json:
        session.result(json.dumps({"folder": str(folder), "colored": numbers}))
    elif numbers:
        session.say(f"Colored {many(len(numbers), 'still')} in {folder / 'colored'}: shots {listed(numbers)}")
    else:
        session.say(f"All shots of {folder} have a colored picture")


def color_missing(
    session: Session,
    reporter: Reporter,
    ready: Ready,
    folder: Path,
    auto_model: str,
    progress: ProgressCallback,
    overwrite: bool = False,
) -> list[int]:
    """Color the stills of a plan that have no picture; the numbers of their shots."""
    from ..film.automatic import color_stills, needs_color, note_pictures

    if not overwrite and not needs_color(folder):
        note_pictures(folder)
        return []
    networks = _colorizers(reporter, ready, auto_model)
    return color_stills(folder, *networks, overwrite=overwrite, progress=progress)


def color_fill(reporter: Reporter, ready: Ready, folder: Path, auto_model: str, progress: ProgressCallback) -> None:
    """Color the stills of a plan whose colors fill in where references show nothing similar."""
    from ..film.automatic import color_fill_stills

    color_fill_stills(folder, *_colorizers(reporter, ready, auto_model), progress=progress)


def _colorizers(reporter: Reporter, ready: Ready, auto_model: str) -> tuple[Colorizer, Colorizer]:
    """With the network that chooses colors, and with the one that will color the film."""
    from ..errors import UsageError
    from ..inference.colorizer import Colorizer
    from ..inference.engine import engine_of
    from ..weights import network_from_file, weights_path

    path = weights_path(auto_model, notice=reporter.message, progress=reporter.fetch)
    reporter.step(f"Loading the weights {auto_model}")
    network = network_from_file(path)
    if engine_of(network).takes_exemplars:
        raise UsageError(f"{auto_model} colors only from reference images: give --auto-model ddcolor, or a file of it")
    reporter.close()
    automatic = Colorizer(network, device=ready.device, precision=ready.precision)
    return automatic, Colorizer(ready.model, device=ready.device, precision=ready.precision)
