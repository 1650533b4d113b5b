"""ColorMNet (ECCV 2024): black-and-white film in colour, from one colour picture.

A frame's way through the program, in the order in which to read it:

- `pipeline` has the loop over a film; before it `plan` looks at everything, `video.reader` decodes, a thread ahead.
- `painter` takes the luma plane to lightness at the working size (`chroma`), asks for its colour, and takes that to the
  chroma planes of the film's size.
- `colorizer` has the order of one step: features and key of the frame (`model`), what the memory (`memory`, MFP) and
  the last frame (LA) know of it, decoding, and remembering what is due.
- `video.segments` encodes, a thread behind; `video.mux` makes the film of the segments and the source's sound. `resume`
  keeps what a broken run needs, `receipt` tells what was done.

Beside it: `pictures` (folders instead of films), `exemplar` (where colours come from), `weights` (a model by name),
`train`, `evaluation` and `metrics`, `bench`; and `cli`, which alone knows the terminal.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from .color.lab import lab_to_rgb as lab_to_rgb
    from .color.lab import rgb_to_lab as rgb_to_lab
    from .film.colorize import colorize as colorize
    from .film.colorize import colorize_pictures as colorize_pictures
    from .film.colorize import colorize_video as colorize_video
    from .film.plan import FilmPlan as FilmPlan
    from .film.plan import plan_video as plan_video
    from .film.receipt import Receipt as Receipt
    from .inference.colorizer import Colorizer as Colorizer
    from .networks.blind_consistency import BlindConsistency as BlindConsistency
    from .networks.colormnet import ColorMNet as ColorMNet
    from .networks.colormnet import ColorMNetConfig as ColorMNetConfig
    from .networks.ddcolor import DDColor as DDColor
    from .networks.deep_exemplar import DeepExemplar as DeepExemplar
    from .networks.state_dict import load_state as load_state
    from .settings import ColorizeSettings as ColorizeSettings
    from .settings import MemoryConfig as MemoryConfig
    from .settings import Progress as Progress
    from .weights import load_model as load_model

# Public name -> module. Resolved on first use, so that `colormnet --help` does not wait for torch.
_EXPORTS = {
    "BlindConsistency": "networks.blind_consistency",
    "ColorMNet": "networks.colormnet",
    "ColorMNetConfig": "networks.colormnet",
    "ColorizeSettings": "settings",
    "Colorizer": "inference.colorizer",
    "DDColor": "networks.ddcolor",
    "DeepExemplar": "networks.deep_exemplar",
    "FilmPlan": "film.plan",
    "MemoryConfig": "settings",
    "Progress": "settings",
    "Receipt": "film.receipt",
    "colorize_pictures": "film.colorize",
    "colorize_video": "film.colorize",
    "lab_to_rgb": "color.lab",
    "load_model": "weights",
    "load_state": "networks.state_dict",
    "plan_video": "film.plan",
    "rgb_to_lab": "color.lab",
}

__all__ = [
    "BlindConsistency",
    "ColorMNet",
    "ColorMNetConfig",
    "ColorizeSettings",
    "Colorizer",
    "DDColor",
    "DeepExemplar",
    "FilmPlan",
    "MemoryConfig",
    "Progress",
    "Receipt",
    "colorize_pictures",
    "colorize_video",
    "lab_to_rgb",
    "load_model",
    "load_state",
    "plan_video",
    "rgb_to_lab",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
