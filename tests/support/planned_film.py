"""A film of a few shots with its plan folder, and colored pictures for them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from support.shot_films import Part, camera_scene, join, write_film

TINTS = ((40, 90), (-60, 20), (80, -40), (-20, -70))  # green and red that are added


def paint(folder: Path, number: int, tint: tuple[int, int] | None = None, name: str | None = None) -> Path:
    """A colored copy of a shot's still."""
    still = cv2.imread(str(folder / "stills" / f"{number:04}.png"))
    green, red = tint or TINTS[(number - 1) % len(TINTS)]
    painted = np.clip(still.astype(np.int16) + np.array([0, green, red]), 0, 255).astype(np.uint8)
    path = folder / "colored" / (name or f"{number:04}.png")
    assert cv2.imwrite(str(path), painted)
    return path


def make_planned_film(
    folder: Path,
    lengths: Sequence[int],
    spans: dict[int, int] | None = None,
    size: tuple[int, int] = (48, 64),
    rate: int = 24,
) -> Path:
    """old.mp4 and old-plan/ with a colored picture of each shot; the plan folder.

    Args:
        lengths: frames of each shot.
        spans: by the index of a shot, the frames of the dissolve with which it begins.
        size: H, W.
    """
    spans = spans or {}
    scenes = [camera_scene(seed, size, pan=(0.01, 0)) for seed in range(len(lengths))]
    parts = [
        Part(scene, length, "dissolve" if i in spans else "cut", spans.get(i, 0))
        for i, (scene, length) in enumerate(zip(scenes, lengths, strict=True))
    ]
    frames, known = join(parts)
    film = write_film(folder / "old.mp4", frames, rate=Fraction(rate))
    boundaries = [Boundary(0, Transition("start"))]
    for b in known:
        way = Transition("cut") if b.kind == "cut" else Transition("dissolve", b.first, b.last)
        boundaries.append(Boundary(b.frame, way))
    make_plan(film, boundaries=lambda _: boundaries)
    for number in range(1, len(lengths) + 1):
        paint(folder / "old-plan", number)
    return folder / "old-plan"
