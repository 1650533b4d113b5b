"""A network on one film: what is common to all of them."""

from __future__ import annotations

import copy
import warnings
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from ..networks.state_dict import Network
from ..settings import MemoryConfig
from .allocator import is_large, keep_freed_memory, return_freed_memory
from .device import DTYPES
from .engine import engine_of, to_device

__all__ = ["Colorizer", "check_lightness", "state_in_precision"]


class Colorizer:
    """Colorizes one film, frame by frame, from one or more exemplars.

    >>> colorizer = Colorizer(model)
    >>> colorizer.set_exemplar(lab)        # [3, H, W]: L in 0..100, a and b in Lab units
    >>> ab = colorizer.step(L)             # [1, H, W] -> [2, H, W]

    It works on the device and in the precision of the model unless others are given; only then the model is copied. The
    model itself keeps its values, its device and its precision. `engine` has what is particular to the model's network.
    """

    def __init__(
        self,
        model: Network,
        memory: MemoryConfig | None = None,
        device: torch.device | str | None = None,
        precision: str | None = None,
    ):
        kind = engine_of(model)
        if precision is None:
            precision = next((name for name, dtype in DTYPES.items() if dtype == model.dtype), "fp32")
        if precision not in DTYPES:
            raise ValueError(f"precision must be one of {', '.join(DTYPES)}, got {precision!r}")
        self.memory, self.precision = (memory or MemoryConfig()).completed(kind.own_memory), precision
        self.device = model.device if device is None else torch.device(device)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        self._saves_memory = self.device.type == "cpu" and is_large(parameters)
        if self.device.type == "cpu":
            keep_freed_memory(parameters)
        self.model = _prepared(model, self.device, DTYPES[precision])
        self.engine = kind(self.model, self.memory)
        self.reset()

    def another(self) -> Colorizer:
        """A new one with the same network, for another film."""
        return Colorizer(self.model, self.memory, self.device, self.precision)

    def reset(self) -> None:
        """Forget the film and its exemplars."""
        self.size: tuple[int, int] | None = None  # of the film's frames
        self.engine.reset()

    @property
    def frame(self) -> int:
        """The number of the next one."""
        return self.engine.frame

    @torch.inference_mode()
    def set_exemplar(self, lab: Tensor, first_frame: bool = False, shown: Tensor | None = None) -> None:
        """Give a color image [3, H, W], before the first step; several may be given, each of its own size.

        Args:
            first_frame: it is the film's first frame in color, and that frame's answer is the exemplar's ab.
            shown: opacity [1, H, W] in 0..1: what is transparent is not remembered.
        """
        if not first_frame:
            self.add_encoded(self.encode_exemplar(lab, shown))
            return
        _check_image(lab, 3, "an exemplar", "Lab: L in 0..100, a and b in Lab units")
        self._check_not_begun()
        if shown is not None:
            raise ValueError("a partly transparent exemplar cannot be the film's first frame")
        if self.engine.first is not None:
            raise ValueError("two exemplars were given as the film's first frame; only one can be")
        with self._cudnn(benchmark=False):  # its size comes once
            self.engine.set_first(lab.to(self.device, torch.float32))
        if self.device.type == "cpu":
            return_freed_memory()

    @torch.inference_mode()
    def encode_exemplar(self, lab: Tensor, shown: Tensor | None = None) -> Any:
        """What is remembered of an exemplar, for `add_encoded` of this and of other films with the same network."""
        _check_image(lab, 3, "an exemplar", "Lab: L in 0..100, a and b in Lab units")
        if shown is not None and shown.shape[-2:] != lab.shape[-2:]:
            raise ValueError("`shown` must have the exemplar's size")
        with self._cudnn(benchmark=False):  # its size comes once
            shown = None if shown is None else shown.to(self.device, torch.float32)
            encoded = self.engine.encode(lab.to(self.device, torch.float32), shown)
        if self.device.type == "cpu":
            return_freed_memory()
        return encoded

    @torch.inference_mode()
    def add_encoded(self, encoded: Any) -> None:
        """Give an exemplar as `encode_exemplar` returned it, before the first step."""
        self._check_not_begun()
        self.engine.add_encoded(encoded)

    def _check_not_begun(self) -> None:
        if self.frame:
            raise ValueError(
                f"an exemplar must come before the first step, but {self.frame} frames are done; reset first"
            )

    def step(self, L: Tensor) -> Tensor:
        """Colorize the next frame: lightness [1, H, W] in 0..100 to ab [2, H, W] in Lab units, float32."""
        check_lightness(L, first=self.frame == 0)
        return self.steps(L[None])[0]

    @torch.inference_mode()
    def steps(self, Ls: Tensor, batch: int = 1) -> Tensor:
        """Colorize the next K frames, their features computed in one batch: [K, 1, H, W] to [K, 2, H, W].

        batch: the usual K of this film. On CUDA, the features of fewer frames are computed as of K: a film's last
            frames take less time than in a shape that is new to the device.
        """
        if Ls.ndim != 4 or not len(Ls):
            raise ValueError(f"frames must be a float tensor [K, 1, H, W] with K of 1 or more, got {list(Ls.shape)}")
        _check_image(Ls.flatten(0, 1), len(Ls), "frames", "lightness in 0..100")
        self._check_begun(Ls.shape[-2:])
        with self._cudnn(benchmark=True):
            ab = self.engine.steps(Ls.to(self.device, torch.float32), batch)
        if self._saves_memory:
            return_freed_memory()
        return ab

    def _cudnn(self, *, benchmark: bool) -> AbstractContextManager[None]:
        """fp32 is float32, not the TF32 that PyTorch allows; `benchmark` tries which algorithm is the fastest."""
        return torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, allow_tf32=self.precision != "fp32")

    def _check_begun(self, size: torch.Size) -> None:
        """Frames of one size, and an exemplar before them."""
        if not self.engine.has_exemplar:
            raise ValueError("no exemplar: call set_exemplar before the first step")
        height, width = size
        if self.size is None:
            first = self.engine.first
            if first is not None and first.shape[-2:] != size:
                by = f"{first.shape[-1]}×{first.shape[-2]}"
                raise ValueError(f"the exemplar given as the first frame is {by}, but frames are {width}×{height}")
            self.size = (height, width)
            self.engine.net.begin(self.size)
        elif (height, width) != self.size:
            raise ValueError(f"a frame of {width}×{height} came, where the film's are {self.size[1]}×{self.size[0]}")

    @torch.inference_mode()
    def compared(self, L: Tensor) -> Any:
        """What `likeness` takes of a picture: lightness [1, H, W] of any size."""
        _check_image(L, 1, "a picture", "lightness in 0..100")
        with self._cudnn(benchmark=False):
            return self.engine.compared(L[None].to(self.device, torch.float32))

    @torch.inference_mode()
    def likeness(self, one: Any, other: Any) -> float:
        """How well the content of one picture is found in another by the network's features: 1 if all of it is."""
        return self.engine.likeness(one, other)

    @torch.inference_mode()
    def exemplar_match(self) -> Tensor:
        """How well each place of the frames of the last `steps` is found in the exemplars: [K, 1, H, W], float32.

        1 where it is shown exactly; `likeness` is a mean of it.
        """
        return self.engine.exemplar_match()

    @torch.inference_mode()
    def expected_error(self) -> Tensor:
        """The mean error of a and b that is expected at each place of the frames of the last `steps`: [K, 1, H, W].

        In Lab units, float32; 0 in a first frame that has the color of its exemplar. Only a network that was trained to
        say it does: see `engine.expects_errors`.
        """
        return self.engine.expected_error()

    # Resuming

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next frames depend on, in tensors and plain values; as large as what is remembered."""
        own = {"frame": self.frame, "size": self.size, "first": self.engine.first}
        return {**self._settings(), **own, **self.engine.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where that state was taken: same network, memory settings and precision; on CUDA, to rounding."""
        for name, value in self._settings().items():
            if state.get(name) != value:
                raise ValueError(f"the saved state has another {name}: {state.get(name)} instead of {value}")
        self.reset()
        self.engine.frame, self.engine.first = state["frame"], to_device(state["first"], self.device)
        if state["size"] is not None:
            self.size = tuple(state["size"])
            self.engine.net.begin(self.size)
        self.engine.load_state_dict(state)

    def _settings(self) -> dict[str, Any]:
        network = self.model.config.to_dict()
        return {"memory": asdict(self.memory), "network": network, "precision": self.precision}


def state_in_precision(state: dict[str, Any], precision: str) -> dict[str, Any] | None:
    """A Colorizer's state for one of another precision; None where it holds values that are not finite."""
    tensors = [x for x in tree_leaves(state) if isinstance(x, Tensor) and x.is_floating_point()]
    if not all(bool(x.isfinite().all()) for x in tensors):
        return None
    old, new = DTYPES[state["precision"]], DTYPES[precision]
    converted = tree_map_only(Tensor, lambda x: x.to(new) if x.dtype == old else x, state)
    return {**converted, "precision": precision}


def _prepared(model: Network, device: torch.device, dtype: torch.dtype) -> Network:
    """The model itself, its weights in channels_last, if it is on the device and in the precision; else a copy.

    A copy is for inference alone, with BatchNorm folded into its convolutions. The model itself keeps its tensors.
    """
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    if model.device != device or model.dtype != dtype or model.training:
        model = copy.deepcopy(model).eval().requires_grad_(False)
        model.fold_batch_norm()  # while the weights have their own precision
        model.to(device, dtype)
    for parameter in model.parameters():  # not by `to`, which fake tensors of an estimate refuse
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def check_lightness(L: Tensor, first: bool) -> None:
    """Whether a frame is lightness [1, H, W] in 0..100; a first one on the CPU in 0..1 gets a warning, shown once."""
    _check_image(L, 1, "a frame", "lightness in 0..100")
    if first and L.device.type == "cpu" and 0.5 < float(L.max()) <= 1:
        warnings.warn(
            "The lightness of the first frame is within 0..1, but L is in 0..100: multiply it by 100, unless the frame "
            "is almost black.",
            stacklevel=2,
        )


def _check_image(image: Tensor, channels: int, what: str, expected: str) -> None:
    """A float image [channels, H, W] without NaN, its lightness (the first channel, or all) within 0..100."""
    if not isinstance(image, Tensor) or image.ndim != 3 or image.shape[0] != channels or not image.numel():
        came = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise ValueError(f"{what} must be a tensor [{channels}, H, W] of {expected}, got {came}")
    if not image.is_floating_point():
        raise ValueError(f"{what} must be a float tensor of {expected}, got {image.dtype}")
    if image.device.type != "cpu":
        return  # looking at values would wait for the device at every frame; what comes from a CPU is checked
    lightness, color = (image[:1], image[1:]) if what == "an exemplar" else (image, image[:0])
    low, high = (float(x) for x in lightness.aminmax())
    if not (low >= -0.01 and high <= 100.01):  # NaN fails too
        raise ValueError(f"{what} must be {expected}, got lightness from {low:.4g} to {high:.4g}")
    if color.numel() and not float(color.abs().amax()) <= 150:
        raise ValueError(f"{what} must be {expected}, got |ab| up to {float(color.abs().amax()):.4g}")
