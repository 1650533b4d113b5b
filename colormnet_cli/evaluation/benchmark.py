"""Colorize every clip of a folder from its first frame, as the papers do, and measure the results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from ..color.lab import lab_to_rgb, rgb_to_lab
from ..errors import MediaError, NotFiniteError, OutputError, UsageError
from ..inference.colorizer import Colorizer
from ..inference.device import default_lookahead, resolve_device, resolve_precision
from ..inference.exemplar import Exemplar
from ..inference.frame_colorizer import FrameColorizer
from ..media.clips import Clip, Frame, clips_by_name, open_clip
from ..media.image_file import to_pixels, to_rgb, write_png
from ..settings import MemoryConfig
from .evaluate import EvaluateSettings, Evaluation, EvaluationProgress, FramePairs, measure
from .perceptual import PerceptualNetworks

if TYPE_CHECKING:
    from ..networks.state_dict import Network

__all__ = ["BenchmarkSettings", "benchmark", "check_results"]


@dataclass(frozen=True)
class BenchmarkSettings:
    """How clips are colorized."""

    size: int | Literal["source"] | None = None  # shorter side the network works at; None: the network's own
    guided: bool = True  # ab brought to full size along the edges of the luma; False: bilinear


def benchmark(
    folder: str | Path,
    *,
    model: Network,
    memory: MemoryConfig | None = None,
    coloring: BenchmarkSettings | None = None,
    settings: EvaluateSettings | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    output: str | Path | None = None,
    overwrite: bool = False,
    networks: PerceptualNetworks | None = None,
    progress: EvaluationProgress | None = None,
) -> Evaluation:
    """Measure the model on a folder of clips in color (films, or folders of frames), or on one such clip.

    The exemplar is the first frame of each clip; the network gets the Lab lightness of all frames. The 8-bit RGB result
    is measured, including the first frame.
    output: folder for the results as PNG files, in one folder for each clip.
    overwrite: replace the results of an earlier benchmark in `output`.
    Raises MediaError if there is no clip, UsageError if `output` would replace the clips themselves, OutputError if it
    holds results already.
    """
    coloring = coloring or BenchmarkSettings()
    on = resolve_device(device)
    number_format = resolve_precision(precision, on)
    colorizer = Colorizer(model, memory, on, number_format)
    coloring = replace(coloring, size=coloring.size or colorizer.engine.default_size)
    clips = check_results(folder, output, overwrite)
    measured = [
        FramePairs(
            name=clip.name,
            pairs=_ColorizedClip(clip, colorizer, coloring, output),
            size=clip.size,
            frames=clip.frames,
            rate=None if clip.pictures else clip.rate,
        )
        for clip in clips
    ]
    evaluation = measure(
        measured,
        ("colorized from the first frame", str(folder)),
        settings=settings,
        device=on,
        networks=networks,
        progress=progress,
    )
    how: dict[str, Any] = {"precision": number_format, "memory": asdict(colorizer.memory), **asdict(coloring)}
    return replace(evaluation, settings=evaluation.settings | how)


def check_results(folder: str | Path, output: str | Path | None, overwrite: bool = False) -> list[Clip]:
    """The clips of a benchmark, after a check of `output`; raises what `benchmark` raises."""
    clips = _clips(Path(folder))
    if output is None:
        return clips
    if Path(output).resolve() in (clip.path.resolve().parent for clip in clips):
        raise UsageError("The results would overwrite the reference clips: give another folder for them (`output`).")
    taken = next((place for clip in clips if any((place := Path(output) / clip.name).glob("*.png"))), None)
    if taken is not None and not overwrite:
        raise OutputError(f"{taken} holds results already: choose another folder, or replace them (`overwrite=True`).")
    return clips


def _clips(folder: Path) -> list[Clip]:
    """The clips of a folder; a film or a folder of frames is one clip."""
    if folder.is_dir() and (found := clips_by_name(folder)):
        return [open_clip(path) for path in found.values()]
    try:
        return [open_clip(folder)]
    except MediaError as error:
        if not folder.exists():
            raise
        raise MediaError(f"{folder} holds no clips: give a folder of films, or of folders of frames.") from error


@dataclass(frozen=True)
class _ColorizedClip:
    """(result, reference) frames of one clip, which is colorized while iterating."""

    clip: Clip
    colorizer: Colorizer
    settings: BenchmarkSettings
    output: str | Path | None

    def __iter__(self) -> Iterator[tuple[Frame, Frame]]:
        self.colorizer.reset()
        exemplars: list[Exemplar] = []
        lookahead = default_lookahead(self.colorizer.device)
        colorizer = FrameColorizer(
            self.colorizer,
            exemplars,
            size=self.settings.size,
            guided=self.settings.guided,
            ref_is_first=True,
            batch=lookahead,
        )
        frames, number = iter(self.clip), 0
        while group := list(islice(frames, lookahead)):
            labs = [rgb_to_lab(to_rgb(frame, self.colorizer.device)) for frame in group]  # [3, H, W] each
            if number == 0:
                exemplars.append(Exemplar(labs[0], self.clip.name))
            for result, frame in zip(_colorized(colorizer, labs), group, strict=True):
                self._save(result, number)
                yield result, frame
                number += 1

    def _save(self, frame: Frame, number: int) -> None:
        if self.output is None:
            return
        folder = Path(self.output) / self.clip.name
        folder.mkdir(parents=True, exist_ok=True)
        name = self.clip.pictures[number].stem if self.clip.pictures else f"{number:05d}"
        write_png(folder / f"{name}.png", frame)


@torch.inference_mode()
def _colorized(colorizer: FrameColorizer, labs: list[Tensor]) -> list[Frame]:
    """Lab [3, H, W] of each frame to [H, W, 3] with its own lightness and the network's color."""
    abs_ = colorizer.steps([lab[:1] for lab in labs])
    if not all(ab.isfinite().all() for ab in abs_):
        precision = colorizer.colorizer.precision
        raise NotFiniteError(f"The network's colors are not finite in {precision}: choose bf16 or fp32.")
    return [to_pixels(lab_to_rgb(torch.cat((lab[:1], ab))), 8) for lab, ab in zip(labs, abs_, strict=True)]
