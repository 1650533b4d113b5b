"""Pictures for made-up scenes: a pool of grey textures, palettes, and surfaces painted from both.

Everything is drawn from the generator that is handed in; the pool is the same in every process.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Array", "outline", "paint_shapes", "palette", "surface", "texture"]

Array = npt.NDArray[Any]  # of float32 where nothing else is said
_POOL_SIZE = 256


def _noise(rng: np.random.Generator, size: int, exponent: float) -> Array:
    """1/f**exponent noise [size, size], mean 0 and deviation 1; it tiles."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    radius = np.sqrt(fy**2 + fx**2)
    radius[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / radius**exponent
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return (field / field.std()).astype(np.float32)


def _cells(rng: np.random.Generator, size: int, count: int, flat: bool) -> Array:
    """Cellular texture: the distance to the nearest of ``count`` points, or one grey for each cell."""
    points = np.full((size, size), 255, np.uint8)
    points[rng.integers(0, size, count), rng.integers(0, size, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(points, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    field = rng.standard_normal(int(labels.max()) + 1)[labels] if flat else np.asarray(distance)
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), np.float32)


def _stripes(rng: np.random.Generator, size: int, period: float, bend: float, crossed: bool) -> Array:
    """Stripes or checks with soft edges, bent by noise (cloth, wood, brickwork, blinds)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    warp = bend * _noise(rng, size, 2.0)
    field = np.tanh(2.5 * np.sin(2 * np.pi * x / period + warp))
    if crossed:
        field = 0.5 * field + 0.5 * np.tanh(2.5 * np.sin(2 * np.pi * y / (period * rng.uniform(0.5, 2.0)) + warp))
    return np.asarray(field / field.std(), np.float32)


@lru_cache(maxsize=1)
def _pool() -> list[Array]:
    """The textures all scenes draw from, made once in a process (about half a second)."""
    rng = np.random.default_rng(20240927)
    size = _POOL_SIZE
    pool = [_noise(rng, size, exponent) for exponent in (0.6, 0.9, 1.1, 1.3, 1.5, 1.8, 2.2)]
    pool += [np.abs(_noise(rng, size, 1.4)) * 1.6 - 1.3, np.sin(3 * _noise(rng, size, 1.9)) * 1.4]
    pool += [_cells(rng, size, count, flat) for count in (40, 200, 900) for flat in (False, True)]
    pool += [_stripes(rng, size, period, bend, crossed) for period, bend, crossed in
             ((9, 0.6, False), (17, 2.0, False), (12, 0.1, True), (30, 0.4, True))]  # fmt: skip
    return [np.ascontiguousarray(np.clip(field, -3, 3), np.float32) for field in pool]


def texture(rng: np.random.Generator, height: int, width: int) -> Array:
    """A turned and scaled piece [height, width] of one pool texture, deviation about 1."""
    source = _pool()[rng.integers(len(_pool()))]
    angle, scale = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-1.0, 0.5))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    cx, cy = rng.uniform(0, _POOL_SIZE, 2)
    matrix = np.array([[cos, -sin, cx - cos * width / 2 + sin * height / 2],
                       [sin, cos, cy - sin * width / 2 - cos * height / 2]])  # fmt: skip
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(source, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT))


def palette(rng: np.random.Generator, count: int, *, vivid: bool = False) -> Array:
    """``count`` RGB colours [count, 3] as scenes have them: mostly muted, a few strong, hues in families.

    Lightness says nothing about colour, and some scenes have nearly one lightness for everything. A ``vivid`` scene
    is all strong colours of any hue: confusing two objects there costs most.
    """
    families = rng.uniform(0, 2 * np.pi, rng.integers(2, 6))
    hue = families[rng.integers(len(families), size=count)] + rng.normal(0, 0.25, count)
    hue = np.where(rng.random(count) < 0.25, rng.uniform(0, 2 * np.pi, count), hue)
    kind = rng.random(count)
    chroma = np.select([kind < 0.3, kind < 0.75], [rng.exponential(5.0, count), rng.uniform(8, 32, count)],
                       rng.uniform(30, 75, count))  # fmt: skip
    if vivid:
        hue, chroma = rng.uniform(0, 2 * np.pi, count), rng.uniform(20, 80, count)
    alike = rng.random() < 0.3
    lightness = rng.uniform(35, 75) + rng.normal(0, 5, count) if alike else rng.uniform(12, 95, count)
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], -1).astype(np.float32)
    return np.asarray(np.clip(cv2.cvtColor(lab[None], cv2.COLOR_LAB2RGB)[0], 0.02, 1.0), np.float32)


@lru_cache(maxsize=1)
def _outlines() -> list[Array]:
    """Closed outlines around the origin, about one pixel in radius: boxes, polygons and blobs."""
    rng = np.random.default_rng(1)
    shapes = [np.array([[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]])] * 70
    for index in range(130):
        angle = np.linspace(0, 2 * np.pi, int(rng.integers(3, 9)) if index < 40 else 20, endpoint=False)
        reach = np.ones_like(angle)
        for wave in (2, 3, 4):
            reach += rng.normal(0, 0.3 / wave) * np.sin(wave * angle + rng.uniform(0, 2 * np.pi))
        shapes.append(np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None])
    return [shape.astype(np.float32) for shape in shapes]


def outline(rng: np.random.Generator) -> Array:
    """A stretched and often turned outline [points, 2] around the origin, about one pixel in radius."""
    shapes = _outlines()
    stretch, turn, upright = np.exp(rng.normal(0, 0.5)), rng.uniform(0, 2 * np.pi), rng.random() < 0.4
    cos, sin = (1.0, 0.0) if upright else (np.cos(turn), np.sin(turn))
    own = np.array([[cos * stretch, sin * stretch], [-sin / stretch, cos / stretch]], np.float32)
    return shapes[rng.integers(len(shapes))] @ own


def paint_shapes(rng: np.random.Generator, height: int, width: int, shapes: int, largest: float) -> Array:
    """Dead leaves: which of the shapes is on top at each pixel [height, width]; 0 is the ground.

    Radii follow a power law, so there are shapes of all sizes; the large ones lie further back.
    """
    labels = np.zeros((height, width), np.int32)
    smallest = min(np.exp(rng.uniform(np.log(2), np.log(9))), largest / 2)
    u = rng.random(shapes)
    radii = np.sort(1 / np.sqrt(u / smallest**2 + (1 - u) / largest**2))[::-1].astype(np.float32)
    centres = rng.uniform(0, [width, height], (shapes, 2)).astype(np.float32)
    for index in range(shapes):
        corners = outline(rng) * radii[index] + centres[index]
        cv2.fillPoly(labels, [(corners * 16).astype(np.int32)], index + 1, shift=4)
    return labels


def surface(rng: np.random.Generator, labels: Array, colours: Array) -> Array:
    """Paint a label map: RGB [H, W, 3] with each label's colour, texture and shading.

    Shading multiplies the colour, as light does: lightness varies within an object far more than hue.
    """
    height, width = labels.shape
    count = int(labels.max()) + 1
    pick = rng.integers(len(colours), size=count)
    if rng.random() < 0.6:  # neighbours in depth often are of one kind: foliage, a wall of bricks
        run = int(rng.integers(2, 8))
        pick = pick[np.arange(count) // run * run]
    # Mostly a colour is a material with a lightness and a grain of its own: what the exemplar does not show
    # can be told from what looks like it. Else every patch has its own, and only following it tells its colour.
    material = rng.random() < 0.8
    shade, own = (0.1, pick) if material else (0.22, np.arange(count))
    base = colours[pick] * np.exp(rng.normal(0, shade, (count, 1))) * np.exp(rng.normal(0, 0.04, (count, 3)))
    strength = rng.gamma(1.3, 0.11, (max(len(colours), count), 2))
    strength[rng.random(strength.shape) < 0.25] = 0.0
    strength = strength[own]
    base, strength = base.astype(np.float32), strength.astype(np.float32)
    fields = [texture(rng, height, width) for _ in range(2)]
    light = np.take(strength[:, 0], labels) * fields[0] + np.take(strength[:, 1], labels) * fields[1]
    slope = rng.normal(0, 0.25, 2)  # one side lit more than the other
    light += np.linspace(-slope[0], slope[0], height, dtype=np.float32)[:, None]
    light += np.linspace(-slope[1], slope[1], width, dtype=np.float32)[None]
    picture = np.take(base, labels, axis=0)
    picture *= cv2.merge([np.exp(light)] * 3)
    if rng.random() < 0.5:  # stains and prints: colour that varies inside an object
        mottle = texture(rng, height, width)
        strength = rng.choice([0.08, 0.25])
        tint = (rng.normal(0, strength, (count, 3)) * (rng.random((count, 1)) < 0.5)).astype(np.float32)
        picture *= np.exp(np.take(tint, labels, axis=0) * cv2.merge([mottle] * 3))
    return np.asarray(np.minimum(picture, 1, out=picture))
