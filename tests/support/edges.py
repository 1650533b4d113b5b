"""Sharp-edged pictures, and the error of color at their edges."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def polygons(height: int, width: int, seed: int, *, equal_luma: bool = False) -> Tensor:
    """A sharp-edged picture [3,H,W] of Lab: flat polygons of random colors, edges antialiased over one pixel."""
    import cv2

    rng = np.random.default_rng(seed)
    big = np.full((height * 4, width * 4, 3), (50, 0, 0), np.float32)
    for i in range(25):
        corners = (rng.uniform(0, 1, (3 + i % 3, 2)) * [width * 4, height * 4]).astype(np.int32)
        lightness = 50.0 if equal_luma else float(rng.uniform(15, 90))
        cv2.fillPoly(big, [corners], (lightness, *(float(v) for v in rng.uniform(-50, 50, 2))))
    return torch.from_numpy(cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)


def error_at_edges(ab: Tensor, wanted: Tensor) -> tuple[float, float]:
    """Mean distance in Lab units within two pixels of an edge of color, and elsewhere."""
    highest = torch.nn.functional.max_pool2d(wanted[None], 5, 1, 2)[0]
    lowest = -torch.nn.functional.max_pool2d(-wanted[None], 5, 1, 2)[0]
    edge = (highest - lowest).amax(0) > 10
    distance = (ab - wanted).norm(dim=0)
    return float(distance[edge].mean()), float(distance[~edge].mean())
