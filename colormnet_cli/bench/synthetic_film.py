"""A synthetic film, the same on every machine, and a memory as full as a long film's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color.chroma import luma_to_lightness
from ..color.planes import PlaneFormat
from ..color.resize import resize
from ..inference.colorizer import Colorizer
from .figures import MemoryFill

__all__ = ["FILM_PLANES", "fill_memory", "start_film", "synthetic_exemplar", "synthetic_lightness", "synthetic_luma"]

FILM_PLANES = PlaneFormat(8, False, "bt709", (2, 2))
_GRAIN = 3.0  # standard deviation, in 8-bit codes: what makes an old film costly to encode
_GRAIN_PLANES = 8  # used in turn


def synthetic_luma(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frame `number` [H, W], limited range: moving shapes under grain that does not repeat at once."""
    moved = np.roll(_shapes(size), (number, 2 * number), axis=(0, 1))
    grain = np.roll(_grain(size)[number % _GRAIN_PLANES], 7 * number, axis=1)
    luma: NDArray[np.uint8] = (moved + grain).clip(16, 235).astype(np.uint8)
    return luma


@lru_cache(maxsize=2)
def _shapes(size: tuple[int, int]) -> NDArray[np.int16]:
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = 126 + 50 * np.sin(columns / 23) * np.cos(rows / 17) + 25 * np.sin((columns + rows) / 61)
    squares = 20 * (((rows // 48) + (columns // 64)) % 2)
    return (waves + squares).astype(np.int16)


@lru_cache(maxsize=2)
def _grain(size: tuple[int, int]) -> NDArray[np.int16]:
    random = np.random.default_rng(0)
    return (_GRAIN * random.standard_normal((_GRAIN_PLANES, *size), dtype=np.float32)).astype(np.int16)


def synthetic_lightness(
    numbers: range, film: tuple[int, int], size: tuple[int, int], device: torch.device | str
) -> Tensor:
    """These frames of a film of size `film` as the network sees them: [K, 1, h, w] on the device."""
    planes = (torch.from_numpy(synthetic_luma(number, film)).to(device) for number in numbers)
    return torch.stack([resize(luma_to_lightness(plane, FILM_PLANES), size) for plane in planes])


def synthetic_exemplar(film: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The first frame in color: Lab [3, h, w] at `size`."""
    L = synthetic_lightness(range(1), film, size, "cpu")[0]
    rows, columns = torch.meshgrid(torch.arange(size[0]) / 40, torch.arange(size[1]) / 50, indexing="ij")
    return torch.cat((L, 25 * torch.sin(columns)[None], 30 * torch.cos(rows)[None]))


def start_film(
    colorizer: Colorizer, film: tuple[int, int], size: tuple[int, int], frames: int
) -> tuple[Tensor, MemoryFill | None]:
    """Colorize the first frame of a film with a new Colorizer and fill its memory.

    Gives the first `frames` frames on the device, [frames, 1, h, w], and what the memory holds.
    """
    colorizer.set_exemplar(synthetic_exemplar(film, size))
    pool = synthetic_lightness(range(frames), film, size, colorizer.device)
    colorizer.step(pool[0])
    return pool, fill_memory(colorizer)


@torch.inference_mode()
def fill_memory(colorizer: Colorizer) -> MemoryFill | None:
    """Fill the memory to its bound, as a film does within minutes; None without one. The first frame must be done."""
    filled = colorizer.engine.fill_memory()
    return MemoryFill(**filled) if filled else None
