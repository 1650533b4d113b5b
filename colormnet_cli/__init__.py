"""Colorize black-and-white film from a reference image, with ColorMNet (ECCV 2024).

A frame's way through the program, in the order in which to read it:

- `film/colorize.py` is the front: `plan_video` (film/plan.py) checks everything, `colorize` does it.
- `film/film_run.py` has the loop over a film: `video/reader.py` decodes on a thread ahead of it, `video/segments.py`
  encodes on a thread behind it, `video/mux.py` joins segments, sound and subtitles at the end.
- `passes/film_colorizer.py` gives each frame to the passes of the network that color it; `passes/schedule.py` says
  which: one pass without a plan, others for the shots of a plan folder (`shots/`).
- `film/transfer.py` and `inference/frame_colorizer.py` are between them: luma plane to lightness, working resolution,
  guided upsampling to full size, chroma planes.
- `inference/colorizer.py` is what all networks have in common that colorize films; `inference/engine.py` says what each
  of them must offer. `inference/colormnet_engine.py` has the order of one step of ColorMNet: features and key of the
  frame, what the memory (MFP) and the last remembered frame (LA) say of it, decoding, remembering.
  `inference/film_state.py` holds what belongs to one film, `networks/colormnet/` the network.

Beside it: `film/pictures_run.py` (folders instead of films), `film/grading/` (saved color, flicker), `recoloring` (a
passage of a finished film again), `workers` (several devices), `media` (reference images), `weights` (models by name),
`train`, `evaluation` and `metrics`, `bench`; `networks/` has a folder for every network; only `cli` knows the terminal.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors as errors
from ._version import __version__ as __version__
from .errors import (
    CheckpointError,
    ColormnetError,
    DeviceError,
    InstallationError,
    Interrupted,
    MediaError,
    OutputError,
    TrainingError,
    UsageError,
    WeightsError,
)

if TYPE_CHECKING:
    from .color.lab import lab_to_rgb as lab_to_rgb
    from .color.lab import rgb_to_lab as rgb_to_lab
    from .film.array_frames import colorize_frames as colorize_frames
    from .film.colorize import colorize as colorize
    from .film.colorize import colorize_pictures as colorize_pictures
    from .film.colorize import colorize_video as colorize_video
    from .film.colorize import prepare_fill as prepare_fill
    from .film.grading.apply_color import apply_color as apply_color
    from .film.grading.apply_color import plan_apply as plan_apply
    from .film.pictures_plan import PicturesPlan as PicturesPlan
    from .film.pictures_plan import plan_pictures as plan_pictures
    from .film.plan import FilmPlan as FilmPlan
    from .film.plan import plan_video as plan_video
    from .film.receipt import Receipt as Receipt
    from .inference.colorizer import Colorizer as Colorizer
    from .inference.exemplar import Exemplar as Exemplar
    from .inference.frame_colorizer import FrameColorizer as FrameColorizer
    from .networks.blind_consistency import BlindConsistency as BlindConsistency
    from .networks.colormnet import ColorMNet as ColorMNet
    from .networks.colormnet import ColorMNetConfig as ColorMNetConfig
    from .networks.ddcolor import DDColor as DDColor
    from .networks.deep_exemplar import DeepExemplar as DeepExemplar
    from .networks.state_dict import load_state as load_state
    from .recoloring.recolor import recolor as recolor
    from .recoloring.recolor_plan import RecolorPlan as RecolorPlan
    from .recoloring.recolor_plan import plan_recolor as plan_recolor
    from .settings import ColorizeSettings as ColorizeSettings
    from .settings import ColorSource as ColorSource
    from .settings import EncodingSettings as EncodingSettings
    from .settings import MemoryConfig as MemoryConfig
    from .settings import PicturesSettings as PicturesSettings
    from .settings import Progress as Progress
    from .weights import load_model as load_model
    from .workers.choice import Workers as Workers
    from .workers.colorize import colorize_with_workers as colorize_with_workers

# Public name -> module. Resolved on first use, so that `colormnet --help` does not wait for torch.
_EXPORTS = {
    "BlindConsistency": "networks.blind_consistency",
    "ColorMNet": "networks.colormnet",
    "ColorMNetConfig": "networks.colormnet",
    "ColorSource": "settings",
    "ColorizeSettings": "settings",
    "Colorizer": "inference.colorizer",
    "DDColor": "networks.ddcolor",
    "DeepExemplar": "networks.deep_exemplar",
    "EncodingSettings": "settings",
    "Exemplar": "inference.exemplar",
    "FilmPlan": "film.plan",
    "FrameColorizer": "inference.frame_colorizer",
    "MemoryConfig": "settings",
    "PicturesPlan": "film.pictures_plan",
    "PicturesSettings": "settings",
    "Progress": "settings",
    "Receipt": "film.receipt",
    "RecolorPlan": "recoloring.recolor_plan",
    "Workers": "workers.choice",
    "apply_color": "film.grading.apply_color",
    "colorize": "film.colorize",
    "colorize_frames": "film.array_frames",
    "colorize_pictures": "film.colorize",
    "colorize_video": "film.colorize",
    "colorize_with_workers": "workers.colorize",
    "lab_to_rgb": "color.lab",
    "load_model": "weights",
    "load_state": "networks.state_dict",
    "plan_apply": "film.grading.apply_color",
    "plan_pictures": "film.pictures_plan",
    "plan_recolor": "recoloring.recolor_plan",
    "plan_video": "film.plan",
    "prepare_fill": "film.colorize",
    "recolor": "recoloring.recolor",
    "rgb_to_lab": "color.lab",
}

__all__ = [
    "BlindConsistency",
    "CheckpointError",
    "ColorMNet",
    "ColorMNetConfig",
    "ColorSource",
    "ColorizeSettings",
    "Colorizer",
    "ColormnetError",
    "DDColor",
    "DeepExemplar",
    "DeviceError",
    "EncodingSettings",
    "Exemplar",
    "FilmPlan",
    "FrameColorizer",
    "InstallationError",
    "Interrupted",
    "MediaError",
    "MemoryConfig",
    "OutputError",
    "PicturesPlan",
    "PicturesSettings",
    "Progress",
    "Receipt",
    "RecolorPlan",
    "TrainingError",
    "UsageError",
    "WeightsError",
    "Workers",
    "apply_color",
    "colorize",
    "colorize_frames",
    "colorize_pictures",
    "colorize_video",
    "colorize_with_workers",
    "lab_to_rgb",
    "load_model",
    "load_state",
    "plan_apply",
    "plan_pictures",
    "plan_recolor",
    "plan_video",
    "prepare_fill",
    "recolor",
    "rgb_to_lab",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)


def __dir__() -> list[str]:
    """The public names, also before they are resolved."""
    return sorted({*globals(), *__all__})
