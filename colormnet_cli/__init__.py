"""ColorMNet (ECCV 2024): black-and-white film in colour, from one colour picture."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .colorizer import Colorizer as Colorizer
    from .lab import lab_to_rgb as lab_to_rgb
    from .lab import rgb_to_lab as rgb_to_lab
    from .memory import MemoryConfig as MemoryConfig
    from .model import ColorMNet as ColorMNet
    from .model import ColorMNetConfig as ColorMNetConfig
    from .model import load_state as load_state

# Public name -> module. Resolved on first use, so that `colormnet --help` does not wait for torch.
_EXPORTS = {
    "ColorMNet": "model",
    "ColorMNetConfig": "model",
    "Colorizer": "colorizer",
    "MemoryConfig": "memory",
    "lab_to_rgb": "lab",
    "load_state": "model",
    "rgb_to_lab": "lab",
}

__all__ = ["ColorMNet", "ColorMNetConfig", "Colorizer", "MemoryConfig", "lab_to_rgb", "load_state", "rgb_to_lab"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
