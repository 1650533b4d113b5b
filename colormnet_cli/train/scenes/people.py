"""People of synthetic scenes: faces, and limbs of capsules with shoulders, elbows, hips and knees that bend."""

from __future__ import annotations

import numpy as np

from ...opencv import cv2
from .objects import Part, SceneObject
from .textures import Array, palette, texture

__all__ = ["person"]

# Lengths and thicknesses of the upper and lower part, as shares of a person's height.
_ARM, _LEG = ((0.17, 0.06), (0.21, 0.045)), ((0.24, 0.1), (0.25, 0.07))


def person(rng: np.random.Generator, size: int) -> SceneObject:
    """A person, from far away to so near that only head and shoulders fit into a frame of ``size`` pixels."""
    height = size * np.exp(rng.uniform(np.log(0.3), np.log(1.8)))
    lower = max(0.0, height - 0.9 * size) * rng.uniform(
        0.25, 0.45
    )  # of people too tall for the frame, the head is seen
    skin, clothes = _skin(rng), palette(rng, 3)
    shirt, trousers, hair = clothes[0], clothes[1], clothes[2] * rng.uniform(0.2, 1)
    sleeve, cuff = rng.choice([0.0, 0.5, 1.0]), rng.choice([0.0, 0.6, 0.85])  # shares of the upper, lower arm covered
    leg = rng.choice([0.0, 0.85, 0.85])
    stride, phase, elbow = rng.uniform(0.1, 0.8), rng.uniform(0, 2 * np.pi), rng.uniform(-1.3, 1.3)
    raised = rng.uniform(-2.6, 2.6) if rng.random() < 0.4 else 0.0  # of one arm

    def at(x: float, y: float) -> tuple[float, float]:
        return x * height, y * height + lower

    def arm(x: float, rest: float, bend: float, turn: float) -> list[Part]:
        covers = (sleeve, cuff if sleeve == 1 else 0.0)
        return _limb(rng, height, _ARM, at(x, -0.27), (shirt, skin), covers, (rest, bend), (stride, phase + turn))

    def foot(x: float, turn: float) -> list[Part]:
        bend = 0.4 * -np.sign(elbow)
        return _limb(rng, height, _LEG, at(x, 0.02), (trousers, skin), (1.0, leg), (0.0, bend), (stride, phase + turn))

    parts = [
        *arm(0.11, raised, elbow, 0.0),
        *foot(0.06, np.pi),
        *foot(-0.06, 0.0),
        Part(_capsule(rng, 0.07 * height, 0.13 * height, (skin, skin), 1.0), at(0, -0.33)),
        Part(_capsule(rng, 0.26 * height, 0.38 * height, (shirt, shirt), 1.0), at(0, -0.13)),
        Part(_head(rng, 0.13 * height, 0.17 * height, skin, hair), at(0, -0.34), -0.09 * height, 0.12, phase),
        *arm(-0.11, 0.0, elbow * rng.uniform(0, 1), np.pi),
    ]
    return SceneObject(tuple(parts), rng.uniform(1.0, 1.5), bool(rng.random() < 0.3))


def _skin(rng: np.random.Generator) -> Array:
    """A skin tone: warm, of any lightness; RGB [3]."""
    lab = np.array([[[rng.uniform(28, 84), rng.uniform(8, 19), rng.uniform(10, 24)]]], np.float32)
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0, 0], 0.02, 1))


def _limb(
    rng: np.random.Generator,
    height: float,
    sizes: tuple[tuple[float, float], ...],
    joint: tuple[float, float],
    colors: tuple[Array, Array],
    covers: tuple[float, float],
    rests: tuple[float, float],
    swing: tuple[float, float],
) -> list[Part]:
    """Two capsules with a joint between them; ``colors`` are those of cloth and skin."""
    (long, thick), (short, thin) = ((a * height, b * height) for a, b in sizes)
    amplitude, phase = swing
    image = _capsule(rng, thick, long + thick / 2, colors, covers[0])
    upper = Part(image, joint, long / 2, amplitude, phase, rests[0])
    image = _capsule(rng, thin, short + thin / 2, colors, covers[1])
    lower = Part(image, (0.0, long), short / 2, amplitude * 0.4, phase + 0.8, rests[1], upper)
    return [upper, lower]


def _capsule(rng: np.random.Generator, width: float, length: float, colors: tuple[Array, Array], cover: float) -> Array:
    """A premultiplied upright capsule, as a limb or a torso: cloth on a share of its length, skin on the rest."""
    w, h = max(3, round(width)), max(4, round(length))
    y, x = np.mgrid[0.0 : h + 2, 0.0 : w + 2].astype(np.float32)
    x, y, radius = x - (w + 1) / 2, y - 1, w / 2
    distance = np.hypot(x, y - np.clip(y, min(radius, h / 2), max(h - 1 - radius, h / 2)))
    mask = np.clip(radius - distance + 0.5, 0, 1)
    image = np.where((y < cover * h)[..., None], colors[0], colors[1])
    light = rng.uniform(-0.3, 0.3) * x / radius - rng.uniform(0.1, 0.5) * np.square(x / radius)
    light = light + rng.gamma(1.3, 0.07) * texture(rng, *x.shape)
    return _premultiplied(image, light, mask)


def _head(rng: np.random.Generator, width: float, height: float, skin: Array, hair: Array) -> Array:
    """A premultiplied head: a face from the front or turned aside, with eyes, a mouth, redder cheeks, and hair."""
    w, h = max(4, round(width)), max(5, round(height))
    y, x = np.mgrid[0.0 : h + 2, 0.0 : w + 2].astype(np.float32)
    x, y = (x - (w + 1) / 2) / (w / 2), (y - (h + 1) / 2) / (h / 2)  # -1..1 within the head
    edge = np.hypot(x, y)
    mask = np.clip((1 - edge) * w / 2 + 0.5, 0, 1)
    turn = rng.uniform(-0.6, 0.6)
    image = np.broadcast_to(skin, (*x.shape, 3)).astype(np.float32)

    def spot(px: float, py: float, across: float, along: float, factor: Array, strength: float) -> None:
        nonlocal image
        weight = strength * np.exp(-np.square((x - px - turn) / across) - np.square((y - py) / along))
        image = image * (1 - weight[..., None] * (1 - factor))

    for side in (-1.0, 1.0):
        spot(0.4 * side, 0.3, 0.3, 0.25, np.array([1.0, 0.82, 0.82], np.float32), rng.uniform(0, 1))  # cheeks
        spot(0.38 * side, -0.1, 0.14, 0.08, np.full(3, 0.15, np.float32), 0.9)  # eyes
        spot(0.38 * side, -0.28, 0.25, 0.05, hair.astype(np.float32), 0.6)  # brows
    spot(0.0, 0.55, 0.28, 0.07, np.array([0.85, 0.5, 0.5], np.float32), rng.uniform(0.4, 1))
    spot(0.05, 0.2, 0.08, 0.15, np.full(3, 0.8, np.float32), 0.7)  # nose
    line = -rng.uniform(0.3, 0.7) + rng.uniform(0, 0.8) * np.square(x) * rng.choice([-1.0, 1.0])
    haired = np.clip((line - y) * h / 4 + 0.5, 0, 1)
    if rng.random() < 0.4:  # long hair
        haired = np.maximum(haired, np.clip((np.abs(x - turn / 3) - 0.75) * w / 4 + 0.5, 0, 1))
    if rng.random() < 0.9:
        image = image * (1 - haired[..., None]) + hair * haired[..., None]
    light = rng.uniform(-0.35, 0.35) * x - rng.uniform(0.05, 0.3) * np.square(edge) + 0.04 * texture(rng, *x.shape)
    return _premultiplied(image, light, mask)


def _premultiplied(image: Array, light: Array, mask: Array) -> Array:
    """RGBA [h, w, 4] of RGB, log brightness, and mask."""
    rgb = np.minimum(image * np.exp(light)[..., None], 1) * mask[..., None]
    return np.ascontiguousarray(np.concatenate([rgb, mask[..., None]], 2), np.float32)
