"""What a network must offer to colorize films, and which class offers it for which network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..networks.state_dict import Network
from ..settings import DEFAULT_SIZE, MemoryConfig
from .cuda_graphs import CudaGraphs

__all__ = ["Engine", "SampleCalls", "check_colorizes_films", "engine_of", "to_device"]

# Networks that colorize films: the module and the class of their engine, imported when a film needs it.
_ENGINES = {
    "ColorMNet": ("colormnet_engine", "ColorMNetEngine"),
    "PreviewNet": ("colormnet_engine", "PreviewEngine"),
    "DDColor": ("ddcolor_engine", "DDColorEngine"),
    "DeepExemplar": ("deep_exemplar_engine", "DeepExemplarEngine"),
}


class SampleCalls(NamedTuple):
    """Calls that stand for a film's frames, to estimate what they cost."""

    color: Callable[[], Any]  # one batch of frames of which none is remembered
    remember: Callable[[], Any] = lambda: None  # what remembering a frame adds
    every: int = 1  # frames from one such call to the next
    others: Callable[[], Any] = lambda: None  # further calls of a film, which on CUDA are graphs of their own


class Engine(ABC):
    """A network and what it knows of one film. `Colorizer` checks what it is given, and counts the frames.

    Pictures are float32 on the network's device: L in 0..100, a and b in Lab units.

    Args:
        model: on its device and in its precision.
        memory: how much is remembered of a film; for engines that have such a memory.
    """

    default_size: ClassVar[int] = DEFAULT_SIZE  # working resolution, the shorter side, where none is given
    side_multiple: ClassVar[int] = 1  # films are resized to multiples of it; other sizes work too
    takes_exemplars: ClassVar[bool] = True  # a film begins with at least one
    alike: ClassVar[float] = 0.85  # likeness from which two pictures show the same scene
    unlike: ClassVar[float | None] = None  # likeness below which they show different things; None: not known
    # match of a place below which the exemplars do not show it, and from which they do; None: not known
    match_limits: ClassVar[tuple[float, float] | None] = None
    own_memory: ClassVar[MemoryConfig] = MemoryConfig(n_s=10, n_e=5, top_k=30, long_term=10_000)
    vividness: ClassVar[float] = 1.0  # by which the network's color is multiplied in a film
    # The methods that make up each stage of a frame (`bench.figures.STAGES`): of the network, and of its memory
    stages: ClassVar[Mapping[str, str]] = {}

    def __init__(self, model: Network, memory: MemoryConfig) -> None:
        self.model: Any = model
        self.memory = memory
        self.net = CudaGraphs(model)  # called for each frame; on CUDA its kernels are captured
        self.pads_batches = model.device.type == "cuda"  # each new shape costs a search for algorithms, and graphs
        self.reset()

    def reset(self) -> None:
        """Forget the film and its exemplars."""
        self.frame = 0  # the number of the next one
        self.first: Tensor | None = None  # ab [2, H, W] of an exemplar that is the film's first frame

    @property
    @abstractmethod
    def has_exemplar(self) -> bool:
        """Whether the film can begin."""

    @abstractmethod
    def encode(self, lab: Tensor, shown: Tensor | None = None) -> Any:
        """What is remembered of an exemplar [3, H, W] of any size; `shown`: its opacity [1, H, W] if not opaque."""

    @abstractmethod
    def add_encoded(self, encoded: Any) -> None:
        """Remember it, before the first frame; the same may be given for several films."""

    def set_first(self, lab: Tensor) -> None:
        """An exemplar [3, H, W] that is the film's first frame, whose answer is its ab."""
        self.first = lab[1:]

    @abstractmethod
    def steps(self, L: Tensor, batch: int) -> Tensor:
        """ab [K, 2, H, W] of the next K frames [K, 1, H, W], which are of one size. batch: see `Colorizer.steps`."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that the next frames depend on beside `frame` and `first`, in tensors and plain values."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from it; `frame` and `first` are set already."""

    # Comparing pictures

    @abstractmethod
    def compared(self, L: Tensor) -> Any:
        """What `likeness` takes of a picture: lightness [1, 1, H, W] of any size."""

    @abstractmethod
    def likeness(self, one: Any, other: Any) -> float:
        """How well the content of one picture is found in another by the network's features: 1 if all of it is."""

    def exemplar_match(self) -> Tensor:
        """How well each place of the last `steps`' frames is found in the exemplars: [K, 1, H, W]; mean: `likeness`.

        For engines that have `match_limits`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say where frames match")

    @property
    def expects_errors(self) -> bool:
        """Whether the network says how wrong its colors may be."""
        return False

    def expected_error(self) -> Tensor:
        """The mean error of a and b, in Lab units, that is expected at each place of the last `steps`' frames:
        [K, 1, H, W]. For engines that have `expects_errors`.
        """
        raise NotImplementedError(f"{type(self).__name__} expects no errors")

    # For estimates and benchmarks

    @abstractmethod
    def sample_calls(self, size: tuple[int, int], lookahead: int) -> SampleCalls:
        """What frames of this size (H, W) cost, with a memory as full as it gets; the first one is done."""

    def fill_memory(self) -> dict[str, int] | None:
        """Fill the memory as a long film does, with random elements; how many of which kind, None without a memory."""
        return None

    def time_stages(self, timed: Callable[[Any, Mapping[str, str]], Any]) -> None:
        """Replace what has the methods of `stages` by `timed(it, stages)`, from now on."""
        self.net = timed(self.net, self.stages)


def engine_of(network: Network | type[Network]) -> type[Engine]:
    """The engine of a network.

    Raises:
        ValueError: the network does not colorize films.
    """
    name = (network if isinstance(network, type) else type(network)).__name__
    if name not in _ENGINES:
        raise ValueError(f"{name} does not colorize films: give one of {', '.join(_ENGINES)}")
    module, engine = _ENGINES[name]
    found: type[Engine] = getattr(import_module(f".{module}", __package__), engine)
    return found


def check_colorizes_films(network: Network, path: Path) -> None:
    """Raise CheckpointError where that file's network has no engine."""
    if (name := type(network).__name__) not in _ENGINES:
        raise CheckpointError(
            f"{path} has weights of {name}, which does not colorize films: give weights of {', '.join(_ENGINES)}."
        )


def to_device(tensor: Tensor | None, device: torch.device) -> Any:
    """None stays None."""
    return None if tensor is None else tensor.to(device)
