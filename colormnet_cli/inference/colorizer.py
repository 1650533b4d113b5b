"""One film in colour: the order of a step, and everything that belongs to one film."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from ..networks.colormnet import ColorMNet, Features, Key, Remembered, pad, padding
from ..settings import MemoryConfig
from .allocator import keep_freed_memory
from .cuda_graphs import Replayed
from .device import DTYPES
from .memory import MemoryBank

__all__ = ["Colorizer"]

_AB_SCALE = 110  # the network's colour is ab / 110
_GRAY = 50.0  # lightness of padding: zero once normalised


class Colorizer:
    """Colours one film, frame by frame, from one or more exemplars.

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
        self.net = Replayed(self.model)  # asked for each frame; on CUDA its kernels are recorded
        self.reset()

    def reset(self) -> None:
        """Forget the film and its exemplars."""
        self.frame = 0  # the number of the next one
        self.size: tuple[int, int] | None = None  # of the film's frames
        self.bank: MemoryBank | None = None
        self.hidden: Tensor | None = None
        self.last: Remembered | None = None  # what LA looks at
        self.last_frame = 0  # when that was
        self._first: Tensor | None = None  # an exemplar that is the film's first frame: its ab/110 [2, H, W]
        self._others: list[tuple[Key, Tensor]] = []  # exemplars that are not, until the bank holds them
        self._windows: Tensor | None = None  # finer colour of all exemplars, element by element as the bank holds them

    @torch.inference_mode()
    def set_exemplar(self, lab: Tensor, first_frame: bool = False) -> None:
        """Give a colour picture [3, H, W], before the first step; several may be given, each of its own size.

        `first_frame` says that it is the film's first frame in colour: that frame's answer is the exemplar's ab.
        """
        _check_picture(lab, 3, "an exemplar", "Lab: L in 0..100, a and b in Lab units")
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
        with self._arithmetic(benchmark=False):  # their sizes come once
            features = self.model.features(L)
            self._others.append((self.model.key(features), self.model.value(L, ab, features)))
            self._remember_detail(L, ab, features)

    def step(self, L: Tensor) -> Tensor:
        """Colour the next frame: lightness [1, H, W] in 0..100 to ab [2, H, W] in Lab units, float32."""
        _check_picture(L, 1, "a frame", "lightness in 0..100")
        return self.steps(L[None])[0]

    @torch.inference_mode()
    def steps(self, Ls: Tensor) -> Tensor:
        """Colour the next K frames, their features computed in one batch: [K, 1, H, W] to [K, 2, H, W]."""
        if Ls.ndim != 4 or not len(Ls):
            raise ValueError(f"frames must be a float tensor [K, 1, H, W] with K of 1 or more, got {list(Ls.shape)}")
        _check_picture(Ls.flatten(0, 1), len(Ls), "frames", "lightness in 0..100")
        self._check_begun(Ls.shape[-2:])
        with self._arithmetic(benchmark=True):
            L = self._padded(Ls.to(self.device, torch.float32), _GRAY)
            features = self.net.features(L)  # they depend on nothing but the frames: look ahead
            keys = self.net.key(features)
            answers = [self._advance(L[i : i + 1], features.frame(i), keys.frame(i)) for i in range(len(L))]
        return _AB_SCALE * self._cropped(torch.cat(answers)).float()

    def _advance(self, L: Tensor, f: Features, q: Key) -> Tensor:
        """One frame, in order: read, decode, remember if it is due. Padded L [1, 1, H, W] to ab/110 [1, 2, H, W]."""
        if self.bank is None:
            self._begin(q)
        assert self.bank is not None
        assert self.hidden is not None
        if self.frame == 0 and self._first is not None:
            ab = self._padded(self._first[None], 0)
            self._remember(L, ab, f, q, deep_update=True, permanently=True)
            self._remember_detail(L, ab, f)
        elif self.frame == 0:  # there is no frame before it that LA could look at
            v = self.bank.read(q)
            ab, _ = self.net.decode(f, v, None, self.hidden, self._detail(L, f), update_hidden=False)
            self._remember(L, ab, f, q, deep_update=False)
        else:
            assert self.last is not None
            due = self.frame - self.last_frame >= self.memory.gamma
            v, local = self.bank.read(q), self.net.local(q, self.last)
            ab, self.hidden = self.net.decode(f, v, local, self.hidden, self._detail(L, f), update_hidden=not due)
            if due:
                self._remember(L, ab, f, q, deep_update=True)
        self.frame += 1
        return ab

    def _remember(
        self, L: Tensor, ab: Tensor, f: Features, q: Key, *, deep_update: bool, permanently: bool = False
    ) -> None:
        """Keep a frame with its colour, and make it the one that LA looks at."""
        assert self.bank is not None
        assert self.hidden is not None
        value = self.net.value(L, ab, f)
        (self.bank.remember_permanently if permanently else self.bank.remember)(q, value)
        self.last, self.last_frame = Remembered(q.key.clone(), value), self.frame
        if deep_update:
            self.hidden = self.net.deep_update(value, self.hidden)

    def _remember_detail(self, L: Tensor, ab: Tensor, f: Features) -> None:
        """Keep an exemplar's finer colour, where the network reads it."""
        if self.model.detail is not None:
            windows = self.model.windows(L, ab, f)[0]
            self._windows = windows if self._windows is None else torch.cat((self._windows, windows))

    def _detail(self, L: Tensor, f: Features) -> Tensor | None:
        """The exemplars' finer colour where the frame, which was just read, matches them."""
        if self._windows is None:
            return None
        assert self.bank is not None
        element, apart = self.bank.match
        return self.net.finer(L, f, self._windows[element][None], apart[None])

    def _begin(self, q: Key) -> None:
        """The first frame's size is known: reserve the whole memory, and move the exemplars into it."""
        h, w = q.key.shape[-2:]
        permanent = sum(key.key[0, 0].numel() for key, _ in self._others)
        self.bank = self._new_bank(h * w, permanent + (0 if self._first is None else h * w))
        for key, value in self._others:
            self.bank.remember_permanently(key, value)
        self._others = []
        self.hidden = self.model.hidden_zero(h, w)

    def _new_bank(self, elements: int, permanent: int) -> MemoryBank:
        config = self.model.config
        return MemoryBank(
            self.memory, key_dim=config.key_dim, value_dim=2 * config.value_channels, elements=elements,
            permanent=permanent, exemplar_weight=config.exemplar_weight,
            match_exemplars=config.detail_dim > 0, dtype=self.model.dtype, device=self.device,
        )  # fmt: skip

    def _arithmetic(self, *, benchmark: bool) -> AbstractContextManager[None]:
        """How CUDA convolves: fp32 is float32, not the TF32 that PyTorch allows; `benchmark` tries which is fastest."""
        return torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, allow_tf32=self.precision != "fp32")

    def _check_begun(self, size: torch.Size) -> None:
        """Frames of one size, and an exemplar before them."""
        if self.bank is None and self._first is None and not self._others:
            raise ValueError("no exemplar: call set_exemplar before the first step")
        height, width = size
        if self.size is None:
            if self._first is not None and self._first.shape[-2:] != size:
                raise ValueError(
                    f"the exemplar given as the first frame is {_by(self._first)}, but frames are {width}×{height}"
                )
            self.size = (height, width)
            self.net.begin(self.size)
        elif (height, width) != self.size:
            raise ValueError(f"a frame of {width}×{height} came, where the film's are {self.size[1]}×{self.size[0]}")

    def _padded(self, picture: Tensor, value: float) -> Tensor:
        return pad(picture, self.model.config.pad_multiple, value)

    def _cropped(self, picture: Tensor) -> Tensor:
        assert self.size is not None
        top, left = (padding(size, self.model.config.pad_multiple)[0] for size in self.size)
        return picture[..., top : top + self.size[0], left : left + self.size[1]]

    # Another day

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next frames depend on, in tensors and plain values; as large as what is remembered."""
        return {
            "memory": asdict(self.memory),
            "network": self.model.config.to_dict(),
            "precision": self.precision,
            "frame": self.frame,
            "size": self.size,
            "first": self._first,
            "others": [(tuple(key), value) for key, value in self._others],
            "hidden": self.hidden,
            "windows": self._windows,
            "last": None if self.last is None else tuple(self.last),
            "last_frame": self.last_frame,
            "bank": None if self.bank is None else self.bank.state_dict(),
            "bank_size": None if self.bank is None else (self.bank.elements, self.bank.permanent_bound),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where that state was taken: same network, memory settings and precision."""
        mine = {"memory": asdict(self.memory), "network": self.model.config.to_dict(), "precision": self.precision}
        for name, value in mine.items():
            if state.get(name) != value:
                raise ValueError(f"the saved state has another {name}: {state.get(name)} instead of {value}")
        self.reset()
        self.frame, self.last_frame = state["frame"], state["last_frame"]
        self.size = None if state["size"] is None else tuple(state["size"])
        if self.size is not None:
            self.net.begin(self.size)
        self._first, self.hidden, self._windows = (self._here(state[name]) for name in ("first", "hidden", "windows"))
        self._others = [(Key(*map(self._here, key)), self._here(value)) for key, value in state["others"]]
        if state["last"] is not None:
            self.last = Remembered(*map(self._here, state["last"]))
        if state["bank"] is not None:
            self.bank = self._new_bank(*state["bank_size"])
            self.bank.load_state_dict(state["bank"])

    def _here(self, tensor: Any) -> Any:
        return None if tensor is None else tensor.to(self.device)


def _prepared(model: ColorMNet, device: torch.device, dtype: torch.dtype) -> ColorMNet:
    """The model itself, its weights in channels_last, if it is on the device and in the precision; else a copy."""
    where = torch.device("cuda", torch.cuda.current_device()) if str(device) == "cuda" else device
    if model.device != where or model.dtype != dtype or model.training:
        model = copy.deepcopy(model).eval().requires_grad_(False).to(where, dtype)
    return model.to(memory_format=torch.channels_last)


def _check_picture(picture: Tensor, channels: int, what: str, meant: str) -> None:
    """A float picture [channels, H, W] without NaN, its lightness (the first channel, or all) within 0..100."""
    if not isinstance(picture, Tensor) or picture.ndim != 3 or picture.shape[0] != channels or not picture.numel():
        came = list(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
        raise ValueError(f"{what} must be a tensor [{channels}, H, W] of {meant}, got {came}")
    if not picture.is_floating_point():
        raise ValueError(f"{what} must be a float tensor of {meant}, got {picture.dtype}")
    if picture.is_cuda:
        return  # looking at values would wait for the device at every frame; what comes from a CPU is looked at
    lightness, colour = (picture[:1], picture[1:]) if what == "an exemplar" else (picture, picture[:0])
    low, high = (float(x) for x in lightness.aminmax())
    if not (low >= -0.01 and high <= 100.01):  # NaN fails too
        raise ValueError(f"{what} must be {meant}, got lightness from {low:.4g} to {high:.4g}")
    if colour.numel() and not float(colour.abs().amax()) <= 150:
        raise ValueError(f"{what} must be {meant}, got |ab| up to {float(colour.abs().amax()):.4g}")


def _by(picture: Tensor) -> str:
    return f"{picture.shape[-1]}×{picture.shape[-2]}"
