"""What the steps share: the device, networks, films, and how colors are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.bench.film import make_film
from colormnet_cli.bench.synthetic_film import synthetic_exemplar, synthetic_lightness
from colormnet_cli.film.plan import FilmPlan
from colormnet_cli.inference.device import resolve_device
from colormnet_cli.weights import LockEntry, find, locate, network_from_file
from support.golden import deep_exemplar_state, make_golden_state
from support.networks import make_small_deep_exemplar, make_small_model

__all__ = ["SMALL_MEMORY", "SMALL_SIZE", "Setup", "chroma_difference", "small_colorizer", "small_lightness"]

SMALL_SIZE = (96, 160)
SMALL_MEMORY = cm.MemoryConfig(gamma=2, n_s=4, n_e=2, m=16, long_term=64)  # condenses and drops within a dozen frames


@dataclass(frozen=True)
class Setup:
    """How a step runs.

    Args:
        tiny: a trial, with a small network and few frames.
        folder: for what several steps use.
    """

    device: torch.device
    tiny: bool
    folder: Path

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Setup:
        return cls(resolve_device(values["device"]), values["tiny"], Path(values["folder"]))

    @property
    def on_cuda(self) -> bool:
        return self.device.type == "cuda"

    def model(self, name: str = "colormnet") -> Any:
        """The network with its published weights where they are on disk, else with random ones of their kind."""
        if self.tiny:
            return make_small_deep_exemplar() if name == "deep-exemplar" else small_model(preview=name == "preview")
        located = locate(name)
        path = find(located) if isinstance(located, LockEntry) else located
        if path is not None:
            return network_from_file(path)
        model = cm.DeepExemplar() if name == "deep-exemplar" else cm.ColorMNet()
        cm.load_state(model, deep_exemplar_state() if name == "deep-exemplar" else make_golden_state("state_dict"))
        return model

    def film(self, name: str, frames: int, film: tuple[int, int], size: tuple[int, int]) -> FilmPlan:
        """A synthetic film (H, W) and its reference, written once; planned to be colorized at `size`."""
        folder = self.folder / name
        if not (folder / "exemplar.png").exists():
            folder.mkdir(parents=True, exist_ok=True)
            make_film(folder, frames, film, size, 2)
        return cm.plan_video(
            folder / "film.mp4", [folder / "exemplar.png"], folder / "color.mp4",
            settings=cm.ColorizeSettings(size=min(size), ref_is_first=False, overwrite=True),
        )  # fmt: skip

    def peak_memory(self) -> int | None:
        """Bytes of tensors on a GPU at most so far."""
        return torch.cuda.max_memory_allocated(self.device) if self.on_cuda else None


def small_model(preview: bool) -> cm.ColorMNet:
    """A small network with random weights."""
    return make_small_model(**({"preview": True, "detail_dim": 8} if preview else {}))


def small_colorizer(device: str, precision: str = "fp32", *, preview: bool = False) -> cm.Colorizer:
    """A small network at the beginning of a synthetic film of SMALL_SIZE."""
    colorizer = cm.Colorizer(small_model(preview), SMALL_MEMORY, device, precision)
    colorizer.set_exemplar(synthetic_exemplar(SMALL_SIZE, SMALL_SIZE))
    return colorizer


def small_lightness(frames: int) -> Tensor:
    """That film's frames [frames, 1, H, W]."""
    return synthetic_lightness(range(frames), SMALL_SIZE, SMALL_SIZE, "cpu")


def chroma_difference(one: Path, other: Path) -> dict[str, Any]:
    """Of two colored versions of a film, in codes of 8 bits: how far Cb and Cr differ; whether Y is the same."""
    differences, spread, frames, same_luma = [], [], 0, True
    with av.open(str(one)) as a, av.open(str(other)) as b:
        for x, y in zip(a.decode(video=0), b.decode(video=0), strict=True):
            (luma_x, chroma_x), (luma_y, chroma_y) = _planes(x), _planes(y)
            frames, same_luma = frames + 1, same_luma and np.array_equal(luma_x, luma_y)
            differences.append(np.bincount(np.abs(chroma_x - chroma_y).ravel(), minlength=256))
            spread.append(float(chroma_x.std()))
    counts = np.sum(differences, axis=0)
    share = counts.cumsum() / counts.sum()
    return {
        "frames": frames,
        "mean": float((counts * np.arange(len(counts))).sum() / counts.sum()),
        "p99": int(np.searchsorted(share, 0.99)),
        "max": int(counts.nonzero()[0].max()),
        "chroma": float(np.mean(spread)),  # its standard deviation: zero would be gray
        "same_luma": bool(same_luma),
    }


def _planes(frame: av.VideoFrame) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    pixels, height = frame.to_ndarray(format="yuv420p"), frame.height
    return pixels[:height], pixels[height:].astype(np.int16)
