"""Who and what plays in a made-up scene: backdrops, props, and figures with limbs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .textures import Array, outline, paint_shapes, palette, surface

__all__ = ["Actor", "Cast", "Part", "make_cast"]


@dataclass(frozen=True)
class Part:
    """One piece: premultiplied RGBA [h, w, 4] that hangs from ``joint`` (in pixels from the actor's middle)."""

    sprite: Array
    joint: tuple[float, float] = (0.0, 0.0)
    hang: float = 0.0  # how far below the joint the sprite's middle lies
    swing: float = 0.0  # largest angle about the joint
    phase: float = 0.0


@dataclass(frozen=True)
class Actor:
    """Parts from back to front that move as one."""

    parts: tuple[Part, ...]
    depth: float  # how much faster than the backdrop the camera moves it
    still: bool  # a prop that stands in the scene


@dataclass(frozen=True)
class Cast:
    """A backdrop [H, W, 3] and actors from back to front, drawn for frames of ``size`` pixels."""

    size: int
    backdrop: Array
    actors: tuple[Actor, ...]


def _sprite(
    rng: np.random.Generator, width: float, height: float, colours: Array, rounded: bool, regions: int
) -> Array:
    """One object: an outline with a soft edge, ``regions`` coloured patches, darker towards its rim."""
    w, h = max(4, round(width)), max(4, round(height))
    mask: Array = np.zeros((h + 4, w + 4), np.float32)
    if rounded:
        cv2.ellipse(mask, (((w + 3) / 2, (h + 3) / 2), (w, h), 0.0), (1.0,), -1, cv2.LINE_AA)
    else:
        points = outline(rng)
        points = points / np.abs(points).max(0) * np.array([w / 2, h / 2]) + np.array([(w + 3) / 2, (h + 3) / 2])
        cv2.fillPoly(mask, [np.asarray(points * 16, np.int32)], (1.0,), cv2.LINE_8, 4)
    if min(w, h) > 8:
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.2))
    labels = np.zeros((h + 4, w + 4), np.int32)
    if regions:
        labels = paint_shapes(rng, h + 4, w + 4, regions, max(w, h) / 2.5)
    colour = surface(rng, labels, colours)
    rim = cv2.blur(mask, (w // 3 + 1, h // 3 + 1), borderType=cv2.BORDER_CONSTANT)
    colour *= cv2.merge([cv2.pow(0.35 + 0.65 * rim, rng.uniform(0, 1.2)) * mask] * 3)
    return np.asarray(cv2.merge([*cv2.split(colour), mask]), np.float32)


def _object(rng: np.random.Generator, size: int, colours: Array) -> Actor:
    """A prop or a thing that moves: one outline of any size, plain or with a pattern."""
    extent = size * np.exp(rng.uniform(np.log(0.06), np.log(0.8)))
    stretch = np.exp(rng.normal(0, 0.35))
    regions = int(rng.integers(2, 16)) if rng.random() < 0.6 else 0
    own = colours[rng.integers(len(colours), size=rng.integers(1, 5))]
    sprite = _sprite(rng, extent * stretch, extent / stretch, own, bool(rng.random() < 0.3), regions)
    still = bool(rng.random() < 0.35)
    return Actor((Part(sprite),), 1.0 if rng.random() < 0.5 else rng.uniform(1.0, 1.7), still)


def _figure(rng: np.random.Generator, size: int, colours: Array) -> Actor:
    """Somebody who walks: a trunk, a head, arms and legs that swing about their joints and hide each other."""
    tall = size * np.exp(rng.uniform(np.log(0.3), np.log(1.3)))
    skin, hair, shirt, trousers = (colours[rng.integers(len(colours), size=1)] for _ in range(4))
    shirt = np.concatenate([shirt, colours[rng.integers(len(colours), size=rng.integers(0, 3))]])
    if rng.random() < 0.6:  # skin as it mostly is: warm, of any lightness
        lab = np.array([[[rng.uniform(30, 80), rng.uniform(8, 18), rng.uniform(10, 24)]]], np.float32)
        skin = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0], 0.02, 1)
    wide, stride, phase = tall * rng.uniform(0.2, 0.3), rng.uniform(0.1, 0.9), rng.uniform(0, 2 * np.pi)
    sleeve = shirt if rng.random() < 0.6 else skin
    prints = int(rng.integers(2, 10)) if rng.random() < 0.4 else 0

    def limb(colour: Array, x: float, y: float, length: float, thick: float, swing: float, phase: float) -> Part:
        sprite = _sprite(rng, thick * tall, length * tall, colour, True, 0)
        return Part(sprite, (x * wide, y * tall), length * tall * 0.45, swing, phase)

    parts = [
        limb(sleeve, 0.35, -0.25, 0.4, 0.09, stride * 1.2, phase),
        limb(trousers, 0.15, 0.05, 0.48, 0.13, stride, phase + np.pi),
        limb(trousers, -0.15, 0.05, 0.48, 0.13, stride, phase),
        Part(_sprite(rng, wide, tall * 0.45, shirt, bool(rng.random() < 0.7), prints), (0.0, -0.1 * tall)),
        Part(_sprite(rng, tall * 0.14, tall * 0.18, hair, True, 0), (0.0, -0.4 * tall)),
        Part(_sprite(rng, tall * 0.11, tall * 0.14, skin, True, 0), (0.012 * tall, -0.38 * tall)),
        limb(sleeve, -0.35, -0.25, 0.4, 0.09, stride * 1.2, phase + np.pi),
    ]
    return Actor(tuple(parts), rng.uniform(1.0, 1.4), False)


def _backdrop(rng: np.random.Generator, size: int, colours: Array) -> Array:
    """The scene behind: a few large regions (sky, ground, walls), and dead leaves of all sizes on them."""
    height, width = round(size * 1.7), round(size * 2.3)
    shapes = int(np.exp(rng.uniform(np.log(12), np.log(250))))
    labels = paint_shapes(rng, height, width, shapes, size * 0.6)
    if rng.random() < 0.7:  # a horizon: the ground gets a label of its own
        line = rng.normal(0.55, 0.15) * height + np.linspace(-1, 1, width) * rng.normal(0, 0.1) * height
        below = np.arange(height)[:, None] > line[None]
        labels[below & (labels < shapes * rng.uniform(0, 0.6))] = shapes + 1
    picture = surface(rng, labels, colours)
    if rng.random() < 0.7:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.8))
    return np.asarray(picture)


def make_cast(rng: np.random.Generator, size: int, vivid: float = 0.4) -> Cast:
    """Draw a cast for frames of ``size`` × ``size`` pixels; ``vivid`` is the share of casts in strong colours."""
    colours = palette(rng, int(rng.integers(5, 24)), vivid=bool(rng.random() < vivid))
    backdrop = _backdrop(rng, size, colours)
    actors = [_object(rng, size, colours) for _ in range(rng.integers(1, 9))]
    actors += [_figure(rng, size, colours) for _ in range(rng.choice(4, p=[0.35, 0.35, 0.2, 0.1]))]
    order = rng.permutation(len(actors))
    return Cast(size, backdrop, tuple(sorted((actors[i] for i in order), key=lambda actor: actor.depth)))
