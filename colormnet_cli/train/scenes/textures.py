"""Textures, palettes and painted surfaces for synthetic scenes.

All random numbers come from the generator that is passed in; the texture pool is the same in every process.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...opencv import cv2

__all__ = ["Array", "dead_leaves", "outline", "palette", "surface", "texture"]

Array = npt.NDArray[Any]  # float32 unless stated otherwise
_POOL_SIZE = 256


def _noise(rng: np.random.Generator, size: int, exponent: float) -> Array:
    """Tileable 1/f**exponent noise [size, size] with mean 0 and standard deviation 1."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    radius = np.sqrt(fy**2 + fx**2)
    radius[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / radius**exponent
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return (field / field.std()).astype(np.float32)


def _cells(rng: np.random.Generator, size: int, count: int, flat: bool) -> Array:
    """Cellular (Worley) noise: the distance to the nearest of ``count`` points, or one gray level per cell."""
    points = np.full((size, size), 255, np.uint8)
    points[rng.integers(0, size, count), rng.integers(0, size, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(points, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    field = rng.standard_normal(int(labels.max()) + 1)[labels] if flat else np.asarray(distance)
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), np.float32)


def _stripes(rng: np.random.Generator, size: int, period: float, warp: float, crossed: bool) -> Array:
    """Stripes or checks with soft edges, warped by noise (cloth, wood, brickwork, blinds)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    shift = warp * _noise(rng, size, 2.0)
    field = np.tanh(2.5 * np.sin(2 * np.pi * x / period + shift))
    if crossed:
        field = 0.5 * field + 0.5 * np.tanh(2.5 * np.sin(2 * np.pi * y / (period * rng.uniform(0.5, 2.0)) + shift))
    return np.asarray(field / field.std(), np.float32)


@lru_cache(maxsize=1)
def _pool() -> list[Array]:
    """The textures that all scenes sample from, made once per process (about half a second)."""
    rng = np.random.default_rng(20240927)
    size = _POOL_SIZE
    pool = [_noise(rng, size, exponent) for exponent in (0.6, 0.9, 1.1, 1.3, 1.5, 1.8, 2.2)]
    pool += [np.abs(_noise(rng, size, 1.4)) * 1.6 - 1.3, np.sin(3 * _noise(rng, size, 1.9)) * 1.4]
    pool += [_cells(rng, size, count, flat) for count in (40, 200, 900) for flat in (False, True)]
    stripes = ((9, 0.6, False), (17, 2.0, False), (12, 0.1, True), (30, 0.4, True))
    pool += [_stripes(rng, size, period, warp, crossed) for period, warp, crossed in stripes]
    return [np.ascontiguousarray(np.clip(field, -3, 3), np.float32) for field in pool]


def texture(rng: np.random.Generator, height: int, width: int) -> Array:
    """A rotated and scaled crop [height, width] of one texture of the pool, with a standard deviation of about 1."""
    source = _pool()[rng.integers(len(_pool()))]
    angle, scale = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-1.0, 0.5))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    x, y = rng.uniform(0, _POOL_SIZE, 2)
    x, y = x - cos * width / 2 + sin * height / 2, y - sin * width / 2 - cos * height / 2
    matrix = np.array([[cos, -sin, x], [sin, cos, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(source, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT))


def palette(rng: np.random.Generator, count: int, *, vivid: bool = False) -> Array:
    """``count`` RGB colors [count, 3] as scenes have them: mostly muted, a few strong, with hues in families.

    Lightness is independent of hue, and some palettes have nearly one lightness for all colors. All colors of a
    ``vivid`` palette are strong and of any hue, where confusing two objects costs most.
    """
    families = rng.uniform(0, 2 * np.pi, rng.integers(2, 6))
    hue = families[rng.integers(len(families), size=count)] + rng.normal(0, 0.25, count)
    hue = np.where(rng.random(count) < 0.25, rng.uniform(0, 2 * np.pi, count), hue)
    kind = rng.random(count)
    gray, muted, strong = rng.exponential(5.0, count), rng.uniform(8, 32, count), rng.uniform(30, 75, count)
    chroma = np.select([kind < 0.3, kind < 0.75], [gray, muted], strong)
    if vivid:
        hue, chroma = rng.uniform(0, 2 * np.pi, count), rng.uniform(20, 80, count)
    alike = rng.random() < 0.3
    lightness = rng.uniform(35, 75) + rng.normal(0, 5, count) if alike else rng.uniform(12, 95, count)
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], -1).astype(np.float32)
    return np.asarray(np.clip(cv2.cvtColor(lab[None], cv2.COLOR_LAB2RGB)[0], 0.02, 1.0), np.float32)


@lru_cache(maxsize=1)
def _outlines() -> list[Array]:
    """Closed outlines [points, 2] around the origin with a radius of about 1: boxes, polygons and blobs."""
    rng = np.random.default_rng(1)
    shapes = [np.array([[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]])] * 70
    for index in range(130):
        angle = np.linspace(0, 2 * np.pi, int(rng.integers(3, 9)) if index < 40 else 20, endpoint=False)
        radius = np.ones_like(angle)
        for wave in (2, 3, 4):
            radius += rng.normal(0, 0.3 / wave) * np.sin(wave * angle + rng.uniform(0, 2 * np.pi))
        shapes.append(np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None])
    return [shape.astype(np.float32) for shape in shapes]


def outline(rng: np.random.Generator) -> Array:
    """A stretched and often rotated outline [points, 2] around the origin with a radius of about 1."""
    shapes = _outlines()
    stretch, angle, upright = np.exp(rng.normal(0, 0.5)), rng.uniform(0, 2 * np.pi), rng.random() < 0.4
    cos, sin = (1.0, 0.0) if upright else (np.cos(angle), np.sin(angle))
    matrix = np.array([[cos * stretch, sin * stretch], [-sin / stretch, cos / stretch]], np.float32)
    return shapes[rng.integers(len(shapes))] @ matrix


def dead_leaves(rng: np.random.Generator, height: int, width: int, shapes: int, largest: float) -> Array:
    """The dead leaves model: which of the overlapping shapes is on top at each pixel [height, width] int32, 0 for none.

    Radii (in pixels, up to ``largest``) follow a power law, so there are shapes of all sizes; larger ones lie below.
    """
    labels = np.zeros((height, width), np.int32)
    smallest = min(np.exp(rng.uniform(np.log(2), np.log(9))), largest / 2)
    u = rng.random(shapes)
    radii = np.sort(1 / np.sqrt(u / smallest**2 + (1 - u) / largest**2))[::-1].astype(np.float32)
    centers = rng.uniform(0, [width, height], (shapes, 2)).astype(np.float32)
    for index in range(shapes):
        corners = outline(rng) * radii[index] + centers[index]
        cv2.fillPoly(labels, [(corners * 16).astype(np.int32)], index + 1, shift=4)
    return labels


def surface(rng: np.random.Generator, labels: Array, colors: Array) -> Array:
    """Paint a label map [H, W]: RGB [H, W, 3], with a color, a texture and shading for each label.

    Shading multiplies the color, as light does: within an object, lightness varies far more than hue.
    """
    height, width = labels.shape
    count = int(labels.max()) + 1
    pick = rng.integers(len(colors), size=count)
    if rng.random() < 0.6:  # neighbors in depth are often of one kind: foliage, a brick wall
        run = int(rng.integers(2, 8))
        pick = pick[np.arange(count) // run * run]
    # Mostly, a color is a material with one lightness and one texture strength: the color of an object that the
    # exemplar does not show can be inferred from similar ones. Otherwise each patch has its own, and the color can
    # only be found by tracking the patch.
    material = rng.random() < 0.8
    shade, kind = (0.1, pick) if material else (0.22, np.arange(count))
    base = colors[pick] * np.exp(rng.normal(0, shade, (count, 1))) * np.exp(rng.normal(0, 0.04, (count, 3)))
    strength = rng.gamma(1.3, 0.11, (max(len(colors), count), 2))
    strength[rng.random(strength.shape) < 0.25] = 0.0
    strength = strength[kind].astype(np.float32)
    fields = [texture(rng, height, width) for _ in range(2)]
    light = np.take(strength[:, 0], labels) * fields[0] + np.take(strength[:, 1], labels) * fields[1]
    slope = rng.normal(0, 0.25, 2)  # light from one side
    light += np.linspace(-slope[0], slope[0], height, dtype=np.float32)[:, None]
    light += np.linspace(-slope[1], slope[1], width, dtype=np.float32)[None]
    image = np.take(base.astype(np.float32), labels, axis=0)
    image *= cv2.merge([np.exp(light)] * 3)
    if rng.random() < 0.5:  # stains and prints: color variation within an object
        stains = texture(rng, height, width)
        tint = rng.choice([0.08, 0.25])
        tint = (rng.normal(0, tint, (count, 3)) * (rng.random((count, 1)) < 0.5)).astype(np.float32)
        image *= np.exp(np.take(tint, labels, axis=0) * cv2.merge([stains] * 3))
    return np.asarray(np.minimum(image, 1, out=image))
