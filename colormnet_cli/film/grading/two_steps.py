"""A film colorized in two steps: its color to a file, then the film with that color."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...inference.engine import engine_of
from ...passes.shot_schedule import masks_of
from ...shots.find import find_shots
from ..plan import FilmPlan
from ..receipt import FileRecord, Receipt
from .apply_color import color_source
from .chroma_run import ChromaPlan, ChromaRun
from .color_file import ColorFile
from .color_file_run import ColorFileRun, color_plan

if TYPE_CHECKING:
    from ...networks.state_dict import Network

__all__ = ["colorize_in_two_steps"]


def colorize_in_two_steps(
    plan: FilmPlan, model: Network, *arguments: Any, kind: type[ColorFileRun] = ColorFileRun, **keywords: Any
) -> Receipt:
    """Colorize what `plan_video` has planned with `chroma_out` or `steady`; the arguments are those of a run.

    `kind` is that of the first step.

    An interrupted run is resumed in either step. Without `chroma_out` the color file is beside the output until that is
    complete.
    """
    settings, progress = plan.settings, keywords.get("progress")
    kept = settings.chroma_out is not None
    path = Path(settings.chroma_out) if settings.chroma_out is not None else _beside(plan.output)
    alone = color_plan(plan, path, engine_of(model).vividness, overwrite=settings.overwrite or not kept)
    network = kind(alone, model, *arguments, **keywords)
    network.work()
    if path == plan.output:
        return network.receipt()
    starts: tuple[int, ...] = ()
    if settings.steady:
        shots = find_shots(plan.info.path, progress).shots if plan.shots is None else [r.shot for r in plan.shots.shots]
        starts = tuple(shot.start_frame for shot in shots)
    file = ColorFile(path)
    color = color_source(plan.info, file, settings, list(plan.schedule.shots), starts)
    second = ChromaRun(
        ChromaPlan(
            info=plan.info,
            color=color,
            output=plan.output,
            encoder=plan.encoder,
            streams=plan.streams,
            settings=settings,
            frames=file.note.frames,
            warnings=plan.warnings,
            masks=masks_of(plan.schedule.shots),
            threads=settings.threads,
            phase="apply",
        ),
        progress,
    )
    second.work()
    if not kept:
        path.unlink(missing_ok=True)
    network.result = FileRecord.of(plan.output)
    return _receipt(network, second, {shot.number: shot.mask for shot in plan.schedule.shots})


def _beside(output: Path) -> Path:
    return output.with_name(output.name + ".colormnet-color.mkv")


def _receipt(network: ColorFileRun, second: ChromaRun, masks: Mapping[int, str | None]) -> Receipt:
    """The receipt of both steps, with the masks of all shots; the first step has only those at dissolves."""
    receipt, seconds = network.receipt(), network.meter.elapsed + second.meter.elapsed
    resumed_at = min(receipt.resumed_at, second.resumed_at)
    return replace(
        receipt,
        settings=asdict(second.plan.settings),
        masks=second.masks,
        shots=tuple({**shot, "mask": masks[shot["shot"]]} for shot in receipt.shots),
        streams=tuple(stream.to_dict() for stream in second.plan.streams),
        seconds=seconds,
        fps=(receipt.frames - resumed_at) / seconds if seconds else 0.0,
        resumed_at=resumed_at,
        warnings=tuple(dict.fromkeys((*receipt.warnings, *second.warnings))),
    )
