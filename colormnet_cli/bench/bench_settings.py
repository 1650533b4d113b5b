"""Settings of a benchmark."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..errors import UsageError
from ..settings import MemoryConfig

__all__ = ["BenchSettings", "parse_frame_size"]

_FRAMES = {"cuda": 400, "mps": 50}  # measured, by device; 10 on a CPU
_LARGEST = 16384  # pixels a side


@dataclass(frozen=True)
class BenchSettings:
    """Everything but the model, the memory and the device. Sizes are (H, W)."""

    size: tuple[int, int] = (480, 854)  # working size of the network
    film: tuple[int, int] | None = None  # size of the film; None: the working size
    end_to_end: bool = True  # also colorize a film: decode, network, encode
    frames: int | None = None  # measured in each part, rounded up to whole rounds of γ and look-ahead; None: by device
    lookahead: int | None = None  # frames given to the network at once; None: by device
    stage_times: bool = False

    def __post_init__(self) -> None:
        for name in ("size", "film"):
            size = getattr(self, name)
            if size is not None and not all(16 <= side <= _LARGEST for side in size):
                raise UsageError(f"`{name}` is {size[1]}×{size[0]}: each side must have 16 to {_LARGEST} pixels.")
        for name in ("frames", "lookahead"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"`{name}` is {value}: it must be at least 1.")
        if self.end_to_end and any(side % 2 for side in self.film_size):
            height, width = self.film_size
            raise UsageError(f"H.264 needs even sides, and {width}×{height} is odd: give an even `film`, or none.")

    @property
    def film_size(self) -> tuple[int, int]:
        return self.film or self.size

    def rounded_frames(self, device: str, memory: MemoryConfig, batch: int) -> int:
        """Frames to measure: whole rounds, so that remembered frames have their true share."""
        cycle = math.lcm(memory.gamma, batch)
        return cycle * math.ceil((self.frames or _FRAMES.get(device, 10)) / cycle)


def parse_frame_size(text: str) -> tuple[int, int]:
    """`960x536` (width first) or `480p` (16:9) to (H, W)."""
    if match := re.fullmatch(r"(\d{1,5})p", text):
        height = int(match[1])
        return height, 2 * round(height * 16 / 9 / 2)
    if match := re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text):
        return int(match[2]), int(match[1])
    raise UsageError(f"{text!r} is not a frame size: give WIDTHxHEIGHT, such as 960x536, or 240p, 480p, 720p, 1080p.")
