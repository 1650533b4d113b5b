"""DDColor (Kang et al., ICCV 2023): the colors of one picture, without an exemplar."""

from .config import DDColorConfig
from .ddcolor import DDColor

__all__ = ["DDColor", "DDColorConfig"]
