"""The golden figures' weights: each tensor from a random generator of its own."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden"

# A network's own rows of the recipe: name, shape and random numbers to the tensor; None where the common rows hold.
Rows = Callable[[str, list[int], np.ndarray], np.ndarray | None]


def make_golden_state(listed: str, part: str | None = None, rows: Rows | None = None) -> dict[str, Tensor]:
    """A checkpoint of the names and shapes in tests/golden/LISTED.json (under the key `part`)."""
    names = json.loads((GOLDEN / f"{listed}.json").read_text())
    return {name: golden_tensor(name, *entry, rows=rows) for name, entry in (names[part] if part else names).items()}


def golden_tensor(name: str, shape: list[int], dtype: str, rows: Rows | None = None) -> Tensor:
    """One tensor of a golden checkpoint, from its own generator."""
    if dtype == "int64":
        return torch.zeros(shape, dtype=torch.int64)
    n = normal(name, shape)
    array = rows(name, shape, n) if rows else None
    return torch.from_numpy((_common(name, shape, n) if array is None else array).astype(np.float32))


def normal(name: str, shape: list[int]) -> np.ndarray:
    """The random numbers of that name, float32."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape, dtype=np.float32)


def fan_in(shape: list[int]) -> int:
    """Inputs of each output of a weight."""
    return int(np.prod(shape[1:]))


def _common(name: str, shape: list[int], n: np.ndarray) -> np.ndarray:
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        return 1 + 0.1 * np.abs(n)
    for parts, mean, deviation in (
        (("running_mean",), 0, 0.1),
        (("gamma",), 0.3, 0.05),
        (("temperature",), 1, 0.1),
        (("pos_embed", "cls_token", "mask_token"), 0, 0.5),
        (("bias",), 0, 0.05),
    ):
        if last in parts:
            return mean + deviation * n
    if len(shape) == 1:
        return 1 + 0.1 * n
    scale = np.sqrt(1 / fan_in(shape))
    scale *= 0.2 if "skip_conv" in name else 4 if "value_encoder.conv1" in name else 1
    return n * scale


def ddcolor_state(size: str) -> dict[str, Tensor]:
    """DDColor's golden checkpoint: "tiny" or "large"."""
    state = make_golden_state("automatic_state_dict", size, _ddcolor_rows)
    for name in [name for name in state if name.endswith(".weight_orig")]:
        base = name.removesuffix("orig")
        weight = state[name].flatten(1).double().numpy()
        v = weight.T @ normal(f"{base}u", list(weight.shape[:1])).astype(np.float64)
        v /= np.linalg.norm(v)
        u = weight @ v
        u /= np.linalg.norm(u)
        state |= {f"{base}u": torch.from_numpy(u).float(), f"{base}v": torch.from_numpy(v).float()}
    return state


def _ddcolor_rows(name: str, shape: list[int], n: np.ndarray) -> np.ndarray | None:
    if name in ("mean", "std"):
        rgb = (0.485, 0.456, 0.406) if name == "mean" else (0.229, 0.224, 0.225)
        return np.array(rgb).reshape(shape)
    if "query_" in name or "level_embed" in name:
        return 0.5 * n
    return 0.05 * n if name.endswith("in_proj_bias") else None


def unpack_frames(packed: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    """The frames that tests/golden/pack.py made WebP of, uint8 RGB [H, W, 3]."""
    ends = packed[f"{name}_length"].cumsum()
    pictures = np.split(packed[f"{name}_webp"], ends[:-1])
    return [cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy() for data in pictures]


def deep_exemplar_state() -> dict[str, Tensor]:
    """Deep Exemplar's golden checkpoint."""
    return make_golden_state("deep_exemplar_state_dict", rows=_deep_exemplar_rows)


def _deep_exemplar_rows(name: str, shape: list[int], n: np.ndarray) -> np.ndarray | None:
    if not name.endswith(".weight"):
        return None
    if len(shape) == 1:
        return 0.25 + 0.05 * n
    scale = np.sqrt((1 if "norm_ss" in name else 2) / fan_in(shape))
    return n * scale * (0.02 if name == "color.conv10_ab.weight" else 1)
