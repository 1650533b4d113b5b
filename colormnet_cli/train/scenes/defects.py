"""Defects of film that change from frame to frame, in the lightness of a clip only: its colors stay the truth."""

from __future__ import annotations

import numpy as np

from ...opencv import cv2
from .textures import Array, texture

__all__ = ["add_defects"]

_KINDS = {"focus": 0.4, "exposure": 0.5, "grain": 0.5, "flicker": 0.4, "dust": 0.4}  # their shares


def add_defects(rng: np.random.Generator, lightness: Array) -> None:
    """Give the lightness [T, H, W] in 0..100 some of the defects of `_KINDS`, in place."""
    count, height, width = lightness.shape
    kinds = {kind for kind, share in _KINDS.items() if rng.random() < share}
    time: Array = np.linspace(0, 1, count)
    if "focus" in kinds:  # lost and found again
        course: Array = np.sin(np.pi * (time * rng.uniform(0.5, 2) + rng.uniform(0, 1)))
        blurs = rng.uniform(0.8, 0.016 * width + 1) * course
        for frame, blur in zip(lightness, blurs, strict=True):
            if blur > 0.3:
                cv2.GaussianBlur(frame, (0, 0), blur, dst=frame)
    if "exposure" in kinds:  # a drift, or a sudden change, with the contrast that film has then
        course = time if rng.random() < 0.5 else (time > rng.uniform(0.2, 0.8)).astype(float)
        for frame, gamma in zip(lightness, np.exp(rng.normal(0, 0.4) * course), strict=True):
            frame[:] = 100 * cv2.pow(frame / 100, float(gamma))
    if "grain" in kinds:  # strongest in middle tones, another in each frame
        grain: Array = rng.standard_normal((height + 64, width + 64), np.float32)
        grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.3, 1.0))
        grain *= np.float32(min(rng.gamma(2, 2.5), 12) / grain.std())
        for frame, (y, x) in zip(lightness, rng.integers(0, 64, (count, 2)), strict=True):
            part = grain[y : y + height, x : x + width]
            part = part[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
            frame += part * (0.3 + frame * (100 - frame) / 3600)
    if "flicker" in kinds:  # of parts of the frame, each time elsewhere
        field, strength = texture(rng, 2 * height, 2 * width), rng.uniform(0.02, 0.12)
        field = cv2.GaussianBlur(field, (0, 0), 0.15 * width)
        for frame in lightness:
            y, x = int(rng.integers(0, height + 1)), int(rng.integers(0, width + 1))
            part = field[y : y + height, x : x + width]
            frame *= 1 + np.float32(strength * rng.normal()) * (1 + part)
    if "dust" in kinds:
        for frame in lightness:
            for _ in range(rng.poisson(2)):
                _speck(rng, frame)
    np.clip(lightness, 0, 100, out=lightness)


def _speck(rng: np.random.Generator, frame: Array) -> None:
    """A speck or a hair, black or white, that is in one frame [H, W] only."""
    height, width = frame.shape
    mask: Array = np.zeros((height, width), np.uint8)
    place = rng.uniform(0, [width, height])
    if rng.random() < 0.5:
        corners = place + rng.normal(0, rng.uniform(0.5, 0.02 * width + 0.5), (6, 2))
        cv2.fillConvexPoly(mask, cv2.convexHull((corners * 16).astype(np.int32)), (255.0,), cv2.LINE_AA, 4)
    else:
        turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, 12))
        steps = 0.015 * width * np.stack([np.cos(turns), np.sin(turns)], 1)
        points = (place + np.cumsum(steps, 0)) * 16
        cv2.polylines(mask, [points.astype(np.int32)], False, (255.0,), 1, cv2.LINE_AA, 4)
    weight = mask.astype(np.float32) * np.float32(rng.uniform(0.5, 1) / 255)
    frame += weight * (float(rng.choice([4, 96])) - frame)
