"""What a benchmark finds: plain figures in seconds, bytes and operations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = [
    "STAGES",
    "AreaPoint",
    "AreaScaling",
    "BenchResult",
    "FilmFigures",
    "LengthScaling",
    "MemoryFigures",
    "MemoryFill",
    "NetworkFigures",
    "Rates",
    "Times",
]

# Stage → what of a frame it is, in the order in which a frame passes them
STAGES = {
    "decode": "reading the film, on its own",
    "features": "PVGFE and keys",
    "read": "reading the memory (MFP)",
    "la": "local attention (LA)",
    "decoder": "decoder and hidden state",
    "remember": "value encoder and memory, a γ-th of it a frame",
    "other": "the rest of the network's step",
    "colour": "lightness in, guided upsampling, chroma planes out",
    "encode": "H.264, on its own",
}


@dataclass(frozen=True)
class Times:
    """Seconds a frame; those of a batch are shared out equally."""

    mean: float
    p50: float
    p95: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Times:
        ordered = sorted(seconds)

        def quantile(share: float) -> float:
            at = share * (len(ordered) - 1)
            low = int(at)
            high = min(low + 1, len(ordered) - 1)
            return ordered[low] + (at - low) * (ordered[high] - ordered[low])

        return Times(sum(ordered) / len(ordered), quantile(0.5), quantile(0.95))

    @property
    def fps(self) -> float:
        return 1 / self.mean


@dataclass(frozen=True)
class MemoryFigures:
    """Of the measured frames alone. Slopes are bytes a frame, by least squares; None where nothing tells."""

    kind: str  # "allocated": tensors on the device, and what recorded kernels work in; "resident": the whole process
    peak: int | None
    slope: float | None
    reserved_peak: int | None = None  # what PyTorch keeps of the device for itself
    reserved_slope: float | None = None


@dataclass(frozen=True)
class MemoryFill:
    """What the film's memory held: elements, when the measuring began."""

    how: str
    long_term: int
    exemplars: int
    recent: int
    bound: int  # as many as it ever holds during a read


@dataclass(frozen=True)
class Rates:
    """Operations a second that this device reaches in the same run and precision: what is attainable."""

    convolution: float  # 3×3, 256 → 256 channels, 140×224, channels_last
    product: float  # of two large square matrices


@dataclass(frozen=True)
class NetworkFigures:
    """Lightness in, ab out, at the working size; nothing of a film."""

    frames: int
    lookahead: int
    times: Times
    fps: float
    gflop: float  # a frame, memory full, remembered frames at their share
    gflop_plain: float  # of a frame that is not remembered
    memory: MemoryFigures


@dataclass(frozen=True)
class FilmFigures:
    """From a file to a file, through the pipeline: decoding and encoding beside the network."""

    width: int
    height: int
    frames: int
    times: Times
    fps: float  # the encoder's last frames waited for
    join_seconds: float  # at the end, once: writing the file out of its segments
    memory: MemoryFigures


@dataclass(frozen=True)
class AreaPoint:
    """One size; seconds a frame."""

    width: int
    height: int
    area: int  # pixels that the network computes: padded
    seconds: float
    attention: float  # of it the transformer's attention, which grows with the square
    stages: Mapping[str, float]

    @property
    def rest(self) -> float:
        return self.seconds - self.attention


@dataclass(frozen=True)
class AreaScaling:
    """Time against area, memory full."""

    points: tuple[AreaPoint, ...]
    ratio: float  # growth of time ÷ growth of area, smallest to largest size, without the transformer's attention
    ratio_with_attention: float
    exponent: float  # of time ~ area^exponent, without the transformer's attention


@dataclass(frozen=True)
class LengthScaling:
    """Time and memory along one long film, with a small network."""

    width: int
    height: int
    parameters: int
    frames: int
    early: float  # median seconds of the frames from number 50 on
    late: float  # of as many up to the last one
    ratio: float  # late ÷ early
    noise: float  # largest ÷ smallest such median in between: what the ratio can be by chance
    memory: MemoryFigures


@dataclass(frozen=True)
class BenchResult:
    """Everything that was measured, and on what."""

    versions: Mapping[str, str]
    device: str
    processor: str
    threads: int  # of the CPU
    precision: str
    model: str
    weights: str  # the file, or "random"
    parameters: int
    width: int  # that the network worked at
    height: int
    memory_settings: Mapping[str, int]
    fill: MemoryFill
    rates: Rates
    network: NetworkFigures
    ratio: float  # seconds a frame ÷ (operations a frame ÷ rate of the convolution)
    ratio_to_product: float  # the same with the matrix product's rate
    stages: Mapping[str, float] | None = None  # seconds a frame, see STAGES
    film: FilmFigures | None = None
    area: AreaScaling | None = None
    length: LengthScaling | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_json(self, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)
