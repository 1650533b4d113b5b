"""The network of the paper: PVGFE, keys and values, LA, decoder."""

from .colormnet import ColorMNet, Remembered, pad, padding
from .config import ColorMNetConfig
from .pvgfe import Features
from .value_encoder import Key
from .weight_file import model_from_file_content, save_model

__all__ = [
    "ColorMNet",
    "ColorMNetConfig",
    "Features",
    "Key",
    "Remembered",
    "model_from_file_content",
    "pad",
    "padding",
    "save_model",
]
