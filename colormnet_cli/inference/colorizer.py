"""ColorMNet on one film: the order of a step."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from ..networks.colormnet import ColorMNet, Features, Key, pad, padding
from ..networks.preview import PreviewNet
from ..settings import MemoryConfig
from .allocator import keep_freed_memory
from .cuda_graphs import CudaGraphs
from .device import DTYPES
from .film_state import EncodedExemplar, FilmState
from .preview_state import PreviewState

__all__ = ["Colorizer", "state_in_precision"]

_STATES: dict[type[ColorMNet], type[FilmState]] = {ColorMNet: FilmState, PreviewNet: PreviewState}
_AB_SCALE = 110  # the network's color is ab / 110
_GRAY = 50.0  # lightness of padding: zero once normalized


class Colorizer:
    """Colorizes one film, frame by frame, from one or more exemplars.

    >>> colorizer = Colorizer(model)
    >>> colorizer.set_exemplar(lab)        # [3, H, W]: L in 0..100, a and b in Lab units
    >>> ab = colorizer.step(L)             # [1, H, W] -> [2, H, W]

    It works on the device and in the precision of the model unless others are given; only then the model is copied. The
    model itself keeps its values, its device and its precision.
    """

    def __init__(
        self,
        model: ColorMNet,
        memory: MemoryConfig | None = None,
        device: torch.device | str | None = None,
        precision: str | None = None,
    ):
        if precision is None:
            precision = next((name for name, dtype in DTYPES.items() if dtype == model.dtype), "fp32")
        if precision not in DTYPES:
            raise ValueError(f"precision must be one of {', '.join(DTYPES)}, got {precision!r}")
        self.memory, self.precision = memory or MemoryConfig(), precision
        self.device = model.device if device is None else torch.device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.model = _prepared(model, self.device, DTYPES[precision])
        self.pads_batches = self.device.type == "cuda"  # where each new shape costs a search for algorithms, and graphs
        self.net = CudaGraphs(self.model)  # called for each frame; on CUDA its kernels are captured
        self.reset()

    def reset(self) -> None:
        """Forget the film and its exemplars."""
        self.frame = 0  # the number of the next one
        self.size: tuple[int, int] | None = None  # of the film's frames
        self.film: FilmState | None = None  # from its first frame on
        self._first: Tensor | None = None  # an exemplar that is the film's first frame: its ab/110 [2, H, W]
        self._exemplars: list[EncodedExemplar] = []  # others, until the film's memory has them

    @torch.inference_mode()
    def set_exemplar(self, lab: Tensor, first_frame: bool = False) -> None:
        """Give a color image [3, H, W], before the first step; several may be given, each of its own size.

        `first_frame`: it is the film's first frame in color, and that frame's answer is the exemplar's ab.
        """
        _check_image(lab, 3, "an exemplar", "Lab: L in 0..100, a and b in Lab units")
        if self.frame:
            raise ValueError(
                f"an exemplar must come before the first step, but {self.frame} frames are done; reset first"
            )
        lab = lab.to(self.device, torch.float32)
        if first_frame:
            if self._first is not None:
                raise ValueError("two exemplars were given as the film's first frame; only one can be")
            self._first = lab[1:] / _AB_SCALE
            return
        L, ab = self._padded(lab[None, :1], _GRAY), self._padded(lab[None, 1:] / _AB_SCALE, 0)
        with self._cudnn(benchmark=False):  # their sizes come once
            f = self.model.features(L)
            value, detail = self.model.value(L, ab, f), self._state.detail_of(self.model, L, ab, f)
            self._exemplars.append(EncodedExemplar(self.model.key(f), value, detail))

    def step(self, L: Tensor) -> Tensor:
        """Colorize the next frame: lightness [1, H, W] in 0..100 to ab [2, H, W] in Lab units, float32."""
        _check_image(L, 1, "a frame", "lightness in 0..100")
        return self.steps(L[None])[0]

    @torch.inference_mode()
    def steps(self, Ls: Tensor, batch: int = 1) -> Tensor:
        """Colorize the next K frames, their features computed in one batch: [K, 1, H, W] to [K, 2, H, W].

        batch: the usual K of this film. On CUDA, the features of fewer frames are computed as of so many: a film's last
            frames take less time than in a shape that is new to the device.
        """
        if Ls.ndim != 4 or not len(Ls):
            raise ValueError(f"frames must be a float tensor [K, 1, H, W] with K of 1 or more, got {list(Ls.shape)}")
        _check_image(Ls.flatten(0, 1), len(Ls), "frames", "lightness in 0..100")
        self._check_begun(Ls.shape[-2:])
        with self._cudnn(benchmark=True):
            L = self._padded(Ls.to(self.device, torch.float32), _GRAY)
            missing = max(0, batch - len(L)) if self.pads_batches else 0
            f = self.net.features(
                torch.cat((L, L[-1:].expand(missing, -1, -1, -1))) if missing else L
            )  # PVGFE depends on nothing but the frames: they are computed ahead
            q = self.net.key(f)
            answers = [self._advance(L[i : i + 1], f.frame(i), q.frame(i)) for i in range(len(L))]
        return _AB_SCALE * self._cropped(torch.cat(answers)).float()

    def _advance(self, L: Tensor, f: Features, q: Key) -> Tensor:
        """One frame, in order: recall, decode, remember if it is due. Padded L [1, 1, H, W] to ab/110 [1, 2, H, W]."""
        film = self.film = self.film or self._begin(q)
        if self.frame == 0 and self._first is not None:
            ab = self._padded(self._first[None], 0)
            film.remember_first(L, ab, f, q)
        else:
            due = film.due(self.frame)
            readout = film.recall(L, f, q)  # MFP and LA
            ab, film.hidden = self.net.decode(f, readout, film.hidden, update_hidden=not due)
            if due:
                film.remember(self.frame, L, ab, f, q)
        self.frame += 1
        return ab

    def _begin(self, q: Key) -> FilmState:
        """The first frame's size is known: allocate the whole memory, and move the exemplars into it."""
        h, w = q.key.shape[-2:]
        exemplars, self._exemplars = self._exemplars, []
        return self._state(self.net, self.memory, (h, w), exemplars, more=0 if self._first is None else h * w)

    @property
    def _state(self) -> type[FilmState]:
        return _STATES[type(self.model)]

    def _cudnn(self, *, benchmark: bool) -> AbstractContextManager[None]:
        """fp32 is float32, not the TF32 that PyTorch allows; `benchmark` tries which algorithm is the fastest."""
        return torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, allow_tf32=self.precision != "fp32")

    def _check_begun(self, size: torch.Size) -> None:
        """Frames of one size, and an exemplar before them."""
        if self.film is None and self._first is None and not self._exemplars:
            raise ValueError("no exemplar: call set_exemplar before the first step")
        height, width = size
        if self.size is None:
            if self._first is not None and self._first.shape[-2:] != size:
                by = f"{self._first.shape[-1]}×{self._first.shape[-2]}"
                raise ValueError(f"the exemplar given as the first frame is {by}, but frames are {width}×{height}")
            self.size = (height, width)
            self.net.begin(self.size)
        elif (height, width) != self.size:
            raise ValueError(f"a frame of {width}×{height} came, where the film's are {self.size[1]}×{self.size[0]}")

    def _padded(self, image: Tensor, value: float) -> Tensor:
        return pad(image, self.model.config.pad_multiple, value)

    def _cropped(self, image: Tensor) -> Tensor:
        height, width = self.size or image.shape[-2:]
        top, left = (padding(side, self.model.config.pad_multiple)[0] for side in (height, width))
        return image[..., top : top + height, left : left + width]

    # Resuming

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next frames depend on, in tensors and plain values; as large as what is remembered."""
        return {
            **self._settings(),
            "frame": self.frame,
            "size": self.size,
            "first": self._first,
            "exemplars": [(tuple(key), value, detail) for key, value, detail in self._exemplars],
            "film": None if self.film is None else self.film.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where that state was taken: same network, memory settings and precision; on CUDA, to rounding."""
        for name, value in self._settings().items():
            if state.get(name) != value:
                raise ValueError(f"the saved state has another {name}: {state.get(name)} instead of {value}")

        def here(tensor: Tensor | None) -> Any:
            return None if tensor is None else tensor.to(self.device)

        self.reset()
        self.frame, self._first = state["frame"], here(state["first"])
        exemplars = ((Key(*map(here, key)), here(value), here(detail)) for key, value, detail in state["exemplars"])
        self._exemplars = [EncodedExemplar(*exemplar) for exemplar in exemplars]
        if state["size"] is not None:
            self.size = tuple(state["size"])
            self.net.begin(self.size)
        if state["film"] is not None:
            self.film = self._state.restored(self.net, self.memory, state["film"])

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


def _prepared(model: ColorMNet, device: torch.device, dtype: torch.dtype) -> ColorMNet:
    """The model itself, its weights in channels_last, if it is on the device and in the precision; else a copy."""
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    if model.device != device or model.dtype != dtype or model.training:
        model = copy.deepcopy(model).eval().requires_grad_(False).to(device, dtype)
    for parameter in model.parameters():  # not by `to`, which fake tensors of an estimate refuse
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


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
