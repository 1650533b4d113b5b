"""How the pixels of a synthetic clip move: exact, since it is known what is where."""

from __future__ import annotations

import numpy as np

from ...opencv import cv2
from .animation import Animation
from .objects import Scene
from .render import backdrop_matrix, part_matrices
from .textures import Array

__all__ = ["flows"]


def flows(
    scene: Scene, animations: tuple[Animation, ...], times: Array, *, to_first: bool = False
) -> tuple[Array, Array]:
    """For each frame but the first, where its pixels were in the frame before, and whether they were seen there.

    Args:
        animations: of each frame.
        to_first: where they were in the first frame, instead of the one before.

    Returns:
        [T - 1, 2, size, size] (x and y, in pixels, from a pixel to its place in the other frame) and
        [T - 1, 1, size, size] (1 or 0).
    """
    layers = [_Layers(scene, animation, float(t)) for animation, t in zip(animations, times, strict=True)]
    found = [now.to(layers[0] if to_first else layers[i]) for i, now in enumerate(layers[1:])]
    return np.stack([flow for flow, _ in found]), np.stack([seen for _, seen in found])


class _Layers:
    """A frame as the parts that it is painted from, back to front."""

    def __init__(self, scene: Scene, animation: Animation, t: float) -> None:
        self.size, self.backdrop = scene.size, scene.backdrop.shape[:2]
        self.matrices = [backdrop_matrix(scene, animation, t)]
        self.front: Array = np.zeros((self.size, self.size), np.int32)  # which part each pixel shows
        for number, (sprite, matrix) in enumerate(part_matrices(scene, animation, t), start=1):
            self.matrices.append(matrix)
            self._cover(number, sprite, matrix)

    def _cover(self, number: int, sprite: Array, matrix: Array) -> None:
        h, w = sprite.shape[:2]
        warp = matrix @ np.array([[1, 0, -(w - 1) / 2], [0, 1, -(h - 1) / 2], [0, 0, 1]])
        alpha = cv2.warpAffine(np.ascontiguousarray(sprite[..., 3]), warp[:2], (self.size, self.size))
        self.front[alpha > 0.5] = number

    def to(self, before: _Layers) -> tuple[Array, Array]:
        """Flow and visibility of each pixel to another frame of the scene."""
        y, x = np.mgrid[: self.size, : self.size].astype(np.float64)
        here = np.stack((x.ravel(), y.ravel(), np.ones(x.size)))
        flow, front, known = np.zeros((2, x.size)), self.front.ravel(), np.ones(x.size, bool)
        for number, now in enumerate(self.matrices):
            pixels = front == number
            there = np.linalg.inv(now) @ here[:, pixels]  # in the part's own pixels
            if number == 0:  # beyond its edges the backdrop is reflected, and moves otherwise
                height, width = self.backdrop
                known[pixels] = ((there[:2] >= 0) & (there[:2] <= np.array([[width - 1], [height - 1]]))).all(0)
            moved = before.matrices[number] @ there
            flow[:, pixels] = moved[:2] - here[:2, pixels]
        target = np.rint(here[:2] + flow).astype(int)
        inside = ((target >= 0) & (target < self.size)).all(0)
        column, row = np.clip(target, 0, self.size - 1)
        seen = known & inside & (before.front[row, column] == front)
        shape = self.size, self.size
        return flow.reshape(2, *shape).astype(np.float32), seen.reshape(1, *shape).astype(np.float32)
