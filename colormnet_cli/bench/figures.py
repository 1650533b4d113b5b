"""What a benchmark finds: plain figures in seconds, bytes and operations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

__all__ = ["STAGES", "BenchResult", "FilmFigures", "MemoryFigures", "MemoryFill", "NetworkFigures", "Rates", "Times"]

# Stages of a frame, in order. The network's step is all but the first and the last two.
STAGES = {
    "decode": "reading the film, on its own",
    "features": "the frame's features (PVGFE) and keys",
    "read": "reading the memory (MFP), or matching the references",
    "la": "local attention (LA)",
    "decoder": "decoder and hidden state, or ColorVidNet",
    "remember": "value encoder and memory, a γ-th of it a frame",
    "other": "the rest of the network's step",
    "color": "lightness in, guided upsampling, chroma planes out",
    "encode": "H.264, on its own",
}


@dataclass(frozen=True)
class Times:
    """Seconds a frame; those of a batch are divided equally."""

    mean: float
    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        return cls(float(np.mean(seconds)), *map(float, np.quantile(seconds, (0.5, 0.95))))


@dataclass(frozen=True)
class MemoryFigures:
    """Of the measured frames alone. Slopes are bytes a frame, by least squares; None where the system has no figure."""

    kind: str  # "allocated": tensors on the device, and what CUDA graphs work in; "resident": the whole process
    peak: int | None
    slope: float | None
    reserved_peak: int | None = None  # what PyTorch's allocator has of the device
    reserved_slope: float | None = None


@dataclass(frozen=True)
class MemoryFill:
    """Elements in the film's memory when the measuring began, random ones up to its bound."""

    long_term: int
    exemplars: int
    recent: int
    bound: int  # most that a read ever finds


@dataclass(frozen=True)
class Rates:
    """Operations a second that this device attains in the same run and precision."""

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
    """From a file to a file, as `colorize` does it: decoding and encoding beside the network."""

    width: int
    height: int
    frames: int
    times: Times
    fps: float  # until the encoder's last frame
    mux_seconds: float  # at the end, once
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
    width: int  # working size
    height: int
    memory_settings: Mapping[str, int]
    fill: MemoryFill | None  # None: a network without such a memory
    rates: Rates
    network: NetworkFigures
    ratio: float  # seconds a frame ÷ (operations a frame ÷ rate of the convolution)
    ratio_to_product: float  # the same with the matrix product's rate
    stages: Mapping[str, float] | None = None  # seconds a frame, see STAGES
    film: FilmFigures | None = None

    def to_json(self, indent: int | None = 2) -> str:
        return json.dumps(asdict(self), indent=indent, ensure_ascii=False)
