"""How fast this machine colorizes, and what it takes: measured on synthetic frames, without a download.

>>> result = bench(ColorMNet(), BenchSettings(size=(480, 854)), device="cuda")
>>> result.network.fps, result.ratio
"""

from .bench_settings import BenchSettings, parse_frame_size
from .figures import BenchResult, FilmFigures, MemoryFigures, MemoryFill, NetworkFigures, Rates, Times
from .measure import bench

__all__ = [
    "BenchResult",
    "BenchSettings",
    "FilmFigures",
    "MemoryFigures",
    "MemoryFill",
    "NetworkFigures",
    "Rates",
    "Times",
    "bench",
    "parse_frame_size",
]
