"""A folder of black-and-white pictures in, the same pictures in colour out.

The L of every picture is kept, to the rounding of its own bit depth: a colour that does not fit into sRGB at that L is
made less colourful, not clipped, so no tone gets lighter or darker.
"""

from .plan import PicturesPlan, default_output, find_pictures, plan_pictures
from .run import colorize_pictures

__all__ = ["PicturesPlan", "colorize_pictures", "default_output", "find_pictures", "plan_pictures"]
