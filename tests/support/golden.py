"""The published arithmetic's weights, each tensor from a generator of its own, and where its figures are."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_tensor(name: str, shape: list[int], dtype: str) -> Tensor:
    """One tensor of the golden checkpoint, from its own generator."""
    if dtype == "int64":
        return torch.zeros(shape, dtype=torch.int64)
    n = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape, dtype=np.float32)
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        return torch.from_numpy(1 + 0.1 * np.abs(n))
    for parts, mean, deviation in (
        (("running_mean",), 0, 0.1),
        (("gamma",), 0.3, 0.05),
        (("temperature",), 1, 0.1),
        (("pos_embed", "cls_token", "mask_token"), 0, 0.5),
        (("bias",), 0, 0.05),
    ):
        if last in parts:
            return torch.from_numpy((mean + deviation * n).astype(np.float32))
    if len(shape) == 1:
        return torch.from_numpy((1 + 0.1 * n).astype(np.float32))
    scale = np.sqrt(1 / np.prod(shape[1:]))
    scale *= 0.2 if "skip_conv" in name else 4 if "value_encoder.conv1" in name else 1
    return torch.from_numpy((n * scale).astype(np.float32))
