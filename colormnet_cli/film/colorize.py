"""The library's front: plan a film or a folder of pictures, colorize what was planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from ..errors import UsageError
from ..inference.colorizer import Colorizer
from ..inference.device import device_for, resolve_device, resolve_precision
from ..inference.engine import engine_of
from ..settings import ColorizeSettings, MemoryConfig, PicturesSettings, ProgressCallback
from ..shots.folder import default_folder
from ..shots.make_plan import make_plan
from .automatic import color_fill_stills
from .fill_plan import check_fills
from .film_run import FilmRun
from .grading.two_steps import colorize_in_two_steps
from .pictures_plan import PicturesPlan, plan_pictures
from .pictures_run import PicturesRun
from .plan import FilmPlan, plan_video
from .receipt import Receipt
from .run import Run

if TYPE_CHECKING:
    from ..networks.state_dict import Network

__all__ = ["check_exemplars", "colorize", "colorize_pictures", "colorize_video", "for_network", "prepare_fill"]

AnyPlan = TypeVar("AnyPlan", FilmPlan, PicturesPlan, FilmPlan | PicturesPlan)


def colorize(
    plan: FilmPlan | PicturesPlan,
    model: Network,
    *,
    memory: MemoryConfig | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Receipt:
    """Colorize what `plan_video` or `plan_pictures` has planned.

    Args:
        model: from `load_model`.
        device: "auto" is the model's own device where that is a GPU, otherwise the fastest one that is available.
        precision: "auto" is fp16 on CUDA, fp32 elsewhere.
        progress: called with a Progress after every few frames, on this thread.

    Returns:
        What was done, with what, and every warning. The same call resumes an interrupted run.

    Raises:
        ColormnetError: MediaError, OutputError, UsageError, DeviceError, each with a sentence.
        Interrupted: Ctrl-C.
    """
    check_exemplars(plan, model)
    if plan.fill is not None:
        check_fills(engine_of(model))
    plan, where = for_network(plan, model), device_for(device, model.device)
    how: dict[str, Any] = {"device": where, "precision": resolve_precision(precision, where), "progress": progress}
    if isinstance(plan, FilmPlan) and (plan.settings.chroma_out is not None or plan.settings.steady):
        return colorize_in_two_steps(plan, model, memory, **how)
    kind: type[Run] = FilmRun if isinstance(plan, FilmPlan) else PicturesRun
    return kind(plan, model, memory, **how).run()


def check_exemplars(plan: FilmPlan | PicturesPlan, model: Network) -> None:
    """Raise a UsageError where the network needs exemplars, and the plan has none."""
    if engine_of(model).takes_exemplars and not plan.references:
        raise UsageError("This network takes its colors from exemplars, and there are none: give some (`references`).")


def for_network(plan: AnyPlan, network: Network) -> AnyPlan:
    """The plan at the network's own working size where it was given none. The network may be on the meta device."""
    engine, settings = engine_of(network), plan.settings
    sized = replace(settings, size=settings.size or engine.default_size)
    return replace(plan, settings=sized, side_multiple=engine.side_multiple)  # type: ignore[arg-type]


def prepare_fill(
    film: str | Path,
    folder: str | Path | None = None,
    *,
    automatic: Network,
    model: Network,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Path:
    """Find the shots of a film and color a still of each, for `ColorSource(fill="auto")`; what exists is kept.

    Args:
        film: a film, or a folder of pictures.
        folder: the plan folder; by default ``old-plan`` beside ``old.mp4``.
        automatic: a network that needs no exemplar, from `load_model`: "ddcolor".
        model: the network that will color the film.

    Returns:
        The plan folder. The pictures are in its folder automatic/, and may be corrected by hand.
    """
    if engine_of(automatic).takes_exemplars:
        raise UsageError(f"{type(automatic).__name__} colors only from exemplars: give DDColor (`automatic`).")
    check_fills(engine_of(model))
    where = resolve_device(device)
    networks = (Colorizer(one, None, where, resolve_precision(precision, where)) for one in (automatic, model))
    folder = default_folder(Path(film)) if folder is None else Path(folder)
    make_plan(film, folder, progress=progress)
    color_fill_stills(folder, *networks, progress=progress)
    return folder


def colorize_video(
    source: str | Path,
    references: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    model: Network,
    settings: ColorizeSettings | None = None,
    memory: MemoryConfig | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Receipt:
    """`plan_video`, then `colorize`: a film in, the same film in color out.

    Args:
        source: any video that FFmpeg decodes.
        references: color images, or frames of a film (`film.mp4@12.5`); one or several.
        output: .mp4, .mov, .mkv or .webm; written completely or not at all.
    """
    plan = plan_video(source, references, output, settings=settings)
    return colorize(plan, model, memory=memory, device=device, precision=precision, progress=progress)


def colorize_pictures(
    folder: str | Path,
    references: str | Path | Sequence[str | Path],
    output: str | Path | None = None,
    *,
    model: Network,
    settings: PicturesSettings | None = None,
    memory: MemoryConfig | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Receipt:
    """`plan_pictures`, then `colorize`: the pictures of a folder, in natural order, like the frames of a film.

    Args:
        folder: PNG, JPEG, TIFF, WebP or BMP of one size, 8 or 16 bit; of a picture in color the Lab lightness is used.
        references: color images, or frames of a film (`film.mp4@12.5`); one or several.
        output: a folder for PNG files of the same names and bit depths; by default ``folder-color`` beside it.

    A damaged picture is skipped and counted, or ends the run with `settings.strict`.
    """
    plan = plan_pictures(folder, references, output, settings=settings)
    return colorize(plan, model, memory=memory, device=device, precision=precision, progress=progress)
