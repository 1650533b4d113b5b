"""The network of the paper: PVGFE, keys and values, LA, decoder."""

from .colormnet import ColorMNet, Readout, Remembered, pad, padding
from .config import ColorMNetConfig
from .pvgfe import Features
from .value_encoder import Key

__all__ = [
    "ColorMNet",
    "ColorMNetConfig",
    "Features",
    "Key",
    "Readout",
    "Remembered",
    "pad",
    "padding",
]
