"""Blind temporal consistency (Lai et al., ECCV 2018): takes the flicker out of a colored film, whoever colored it."""

from .blind_consistency import BlindConsistency, State
from .color_steadier import ColorSteadier
from .config import BlindConsistencyConfig

__all__ = ["BlindConsistency", "BlindConsistencyConfig", "ColorSteadier", "State"]
