"""What a synthetic scene contains: a backdrop, objects, and figures with limbs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...opencv import cv2
from .textures import Array, dead_leaves, outline, palette, surface

__all__ = ["Part", "Scene", "SceneObject", "make_scene", "sprite"]


@dataclass(frozen=True)
class Part:
    """A rigid part of an object: a sprite that swings about a joint. Lengths are in pixels, angles in radians.

    The joint of a part with an ``upper`` one, as of a forearm, is given from the joint of that one, and moves with it.
    """

    sprite: Array  # premultiplied RGBA [h, w, 4]
    joint: tuple[float, float] = (0.0, 0.0)  # from the object's center
    drop: float = 0.0  # from the joint down to the sprite's center
    swing: float = 0.0  # largest angle about the joint
    phase: float = 0.0  # of the swing
    rest: float = 0.0  # the angle that it swings about
    upper: Part | None = None


@dataclass(frozen=True)
class SceneObject:
    """Parts, from back to front, that move together."""

    parts: tuple[Part, ...]
    depth: float  # parallax: how much faster than the backdrop it moves with the camera
    static: bool  # does not move in the scene


@dataclass(frozen=True)
class Scene:
    """A backdrop [H, W, 3] and objects from back to front, drawn for frames of ``size`` × ``size`` pixels."""

    size: int
    backdrop: Array
    objects: tuple[SceneObject, ...]


def make_scene(rng: np.random.Generator, size: int, vivid: float = 0.4) -> Scene:
    """Draw a scene for frames of ``size`` × ``size`` pixels; ``vivid`` is the share of scenes in strong colors."""
    colors = palette(rng, int(rng.integers(5, 24)), vivid=bool(rng.random() < vivid))
    backdrop = _backdrop(rng, size, colors)
    objects = [_object(rng, size, colors) for _ in range(rng.integers(1, 9))]
    objects += [_figure(rng, size, colors) for _ in range(rng.choice(4, p=[0.35, 0.35, 0.2, 0.1]))]
    order = rng.permutation(len(objects))
    return Scene(size, backdrop, tuple(sorted((objects[i] for i in order), key=lambda thing: thing.depth)))


def _backdrop(rng: np.random.Generator, size: int, colors: Array) -> Array:
    """The background: a few large regions (sky, ground, walls) with dead leaves of all sizes on them."""
    height, width = round(size * 1.7), round(size * 2.3)
    shapes = int(np.exp(rng.uniform(np.log(12), np.log(250))))
    labels = dead_leaves(rng, height, width, shapes, size * 0.6)
    if rng.random() < 0.7:  # a horizon: the ground gets a label of its own
        line = rng.normal(0.55, 0.15) * height + np.linspace(-1, 1, width) * rng.normal(0, 0.1) * height
        below = np.arange(height)[:, None] > line[None]
        labels[below & (labels < shapes * rng.uniform(0, 0.6))] = shapes + 1
    image = surface(rng, labels, colors)
    if rng.random() < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8))
    return np.asarray(image)


def _object(rng: np.random.Generator, size: int, colors: Array) -> SceneObject:
    """One outline of any size, plain or with a pattern, static or moving."""
    extent = size * np.exp(rng.uniform(np.log(0.06), np.log(0.8)))
    stretch = np.exp(rng.normal(0, 0.35))
    regions = int(rng.integers(2, 16)) if rng.random() < 0.6 else 0
    own = colors[rng.integers(len(colors), size=rng.integers(1, 5))]
    image = sprite(rng, extent * stretch, extent / stretch, own, bool(rng.random() < 0.3), regions)
    static = bool(rng.random() < 0.35)
    return SceneObject((Part(image),), 1.0 if rng.random() < 0.5 else rng.uniform(1.0, 1.7), static)


def _figure(rng: np.random.Generator, size: int, colors: Array) -> SceneObject:
    """A walking person: torso, head, and arms and legs that swing about their joints and occlude each other."""
    height = size * np.exp(rng.uniform(np.log(0.3), np.log(1.3)))
    skin, hair, shirt, trousers = (colors[rng.integers(len(colors), size=1)] for _ in range(4))
    shirt = np.concatenate([shirt, colors[rng.integers(len(colors), size=rng.integers(0, 3))]])
    if rng.random() < 0.6:  # a natural skin tone: warm, of any lightness
        lab = np.array([[[rng.uniform(30, 80), rng.uniform(8, 18), rng.uniform(10, 24)]]], np.float32)
        skin = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0], 0.02, 1)
    width, stride, phase = height * rng.uniform(0.2, 0.3), rng.uniform(0.1, 0.9), rng.uniform(0, 2 * np.pi)
    sleeve = shirt if rng.random() < 0.6 else skin
    prints = int(rng.integers(2, 10)) if rng.random() < 0.4 else 0

    def limb(color: Array, x: float, y: float, length: float, thickness: float, swing: float, phase: float) -> Part:
        image = sprite(rng, thickness * height, length * height, color, True, 0)
        return Part(image, (x * width, y * height), length * height * 0.45, swing, phase)

    parts = (
        limb(sleeve, 0.35, -0.25, 0.4, 0.09, stride * 1.2, phase),
        limb(trousers, 0.15, 0.05, 0.48, 0.13, stride, phase + np.pi),
        limb(trousers, -0.15, 0.05, 0.48, 0.13, stride, phase),
        Part(sprite(rng, width, height * 0.45, shirt, bool(rng.random() < 0.7), prints), (0.0, -0.1 * height)),
        Part(sprite(rng, height * 0.14, height * 0.18, hair, True, 0), (0.0, -0.4 * height)),
        Part(sprite(rng, height * 0.11, height * 0.14, skin, True, 0), (0.012 * height, -0.38 * height)),
        limb(sleeve, -0.35, -0.25, 0.4, 0.09, stride * 1.2, phase + np.pi),
    )
    return SceneObject(parts, rng.uniform(1.0, 1.4), False)


def sprite(rng: np.random.Generator, width: float, height: float, colors: Array, ellipse: bool, regions: int) -> Array:
    """A premultiplied RGBA sprite: a soft-edged outline with ``regions`` colored patches, darker towards its rim."""
    w, h = max(4, round(width)), max(4, round(height))
    mask: Array = np.zeros((h + 4, w + 4), np.float32)
    if ellipse:
        cv2.ellipse(mask, (((w + 3) / 2, (h + 3) / 2), (w, h), 0.0), (1.0,), -1, cv2.LINE_AA)
    else:
        points = outline(rng)
        points = points / np.abs(points).max(0) * np.array([w / 2, h / 2]) + np.array([(w + 3) / 2, (h + 3) / 2])
        cv2.fillPoly(mask, [np.asarray(points * 16, np.int32)], (1.0,), cv2.LINE_8, 4)
    if min(w, h) > 8:
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.2))
    labels = np.zeros((h + 4, w + 4), np.int32)
    if regions:
        labels = dead_leaves(rng, h + 4, w + 4, regions, max(w, h) / 2.5)
    color = surface(rng, labels, colors)
    rim = cv2.blur(mask, (w // 3 + 1, h // 3 + 1), borderType=cv2.BORDER_CONSTANT)
    color *= cv2.merge([cv2.pow(0.35 + 0.65 * rim, rng.uniform(0, 1.2)) * mask] * 3)
    return np.asarray(cv2.merge([*cv2.split(color), mask]), np.float32)
