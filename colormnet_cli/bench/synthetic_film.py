"""Made-up frames, the same on every machine, and a memory as full as a film's."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color.chroma import PlaneFormat, luma_to_lightness, resize
from ..inference.colorizer import Colorizer
from ..inference.memory import MemoryBank
from ..networks.colormnet import Key
from .figures import MemoryFill

__all__ = ["FILM_PLANES", "fill_memory", "prepare", "synthetic_exemplar", "synthetic_lightness", "synthetic_luma"]

FILM_PLANES = PlaneFormat(8, False, "bt709", (2, 2))  # of the made-up film
_GRAIN = 3.0  # standard deviation, in 8-bit codes: what makes an old film costly to encode
_GRAINS = 8  # planes of it that take turns


def synthetic_luma(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frame `number` [H, W], at video levels: shapes that move, under grain that does not repeat at once."""
    moved = np.roll(_shapes(size), (number, 2 * number), axis=(0, 1))
    grain = np.roll(_grain(size)[number % _GRAINS], 7 * number, axis=1)
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
    return (_GRAIN * random.standard_normal((_GRAINS, *size), dtype=np.float32)).astype(np.int16)


def synthetic_lightness(
    numbers: range, film: tuple[int, int], size: tuple[int, int], device: torch.device | str
) -> Tensor:
    """These frames as the network sees them, [K, 1, h, w] on the device."""
    planes = (torch.from_numpy(synthetic_luma(number, film)).to(device) for number in numbers)
    return torch.stack([resize(luma_to_lightness(plane, FILM_PLANES), size) for plane in planes])


def synthetic_exemplar(film: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The first frame in colour: Lab [3, h, w] at the working size."""
    L = synthetic_lightness(range(1), film, size, "cpu")[0]
    rows, columns = torch.meshgrid(torch.arange(size[0]) / 40, torch.arange(size[1]) / 50, indexing="ij")
    return torch.cat((L, 25 * torch.sin(columns)[None], 30 * torch.cos(rows)[None]))


def prepare(colorizer: Colorizer, L: Tensor) -> MemoryFill:
    """Give a Colorizer that has its exemplars a first frame L [1, h, w], and then a full memory."""
    colorizer.step(L)
    return fill_memory(colorizer)


@torch.inference_mode()
def fill_memory(colorizer: Colorizer) -> MemoryFill:
    """Fill the memory to its bound with random elements that resemble what was remembered last.

    That is where a film arrives after a minute or so; the next remembered frame is the one that makes prototypes.
    """
    bank, last, config = colorizer.bank, colorizer.last, colorizer.memory
    if bank is None or last is None:
        raise ValueError("the memory can be filled once the first frame is done")
    recent = (config.n_s - 2) * bank.elements  # one frame less than makes prototypes
    count = config.long_term + bank.permanent + recent
    generator = torch.Generator(colorizer.device).manual_seed(0)

    def like(seen: Tensor, *shape: int) -> Tensor:
        spread = torch.randn(shape, generator=generator, device=colorizer.device, dtype=seen.dtype)
        return spread.mul_(seen.std()).add_(seen.mean())

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=colorizer.device)

    key_dim, channels = last.key.shape[1], last.value.shape[2]
    key = Key(like(last.key, 1, key_dim, 1, count), 1 + uniform(1, 1, 1, count), uniform(1, key_dim, 1, count))
    random = MemoryBank(
        replace(config, n_s=2, n_e=1, long_term=config.m), key_dim=key_dim, value_dim=2 * channels,
        elements=bank.elements, permanent=count, dtype=last.value.dtype, device=colorizer.device,
    )  # fmt: skip
    random.remember_permanently(key, like(last.value, 1, 2, channels, 1, count))
    state: dict[str, Any] = random.state_dict()
    del random
    rows = torch.cat([part[0, :, 0] for part in key]).T[count - recent :]  # key, shrinkage, selection
    life = 1 + 500 * uniform(count)
    counts = {"use": life * uniform(count), "life": life}
    sizes = {"long": config.long_term, "recent": recent, "exemplar_sizes": bank.exemplar_sizes}
    bank.load_state_dict({**state, **counts, **sizes, "keys": rows})
    how = "filled to its bound with random elements, once the first frame was done"
    return MemoryFill(how, bank.long, bank.permanent, bank.recent, count)
