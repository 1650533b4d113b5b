"""How fast this machine colours, and what it takes: measured on made-up frames, with a full memory, without a download.

>>> result = bench(ColorMNet(), BenchSettings(size=(480, 854)), device="cuda")
>>> result.network.fps, result.ratio
"""

from .figures import (
    AreaPoint,
    AreaScaling,
    BenchResult,
    FilmFigures,
    LengthScaling,
    MemoryFigures,
    MemoryFill,
    NetworkFigures,
    Rates,
    Times,
)
from .run import bench
from .settings import BenchSettings, parse_frame_size

__all__ = [
    "AreaPoint",
    "AreaScaling",
    "BenchResult",
    "BenchSettings",
    "FilmFigures",
    "LengthScaling",
    "MemoryFigures",
    "MemoryFill",
    "NetworkFigures",
    "Rates",
    "Times",
    "bench",
    "parse_frame_size",
]
