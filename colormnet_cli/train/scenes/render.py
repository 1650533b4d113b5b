"""Render an animated scene to RGB frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...opencv import cv2
from .animation import Animation, Trajectory
from .objects import Part, Scene, SceneObject
from .textures import Array

__all__ = ["backdrop_matrix", "part_matrices", "render", "view"]


def render(scene: Scene, animation: Animation, times: Array) -> Array:
    """The frames at ``times``: RGB [T, size, size, 3] in 0..1."""
    size = scene.size
    frames = np.empty((len(times), size, size, 3), np.float32)
    canvas = np.empty((size, size, 4), np.float32)
    for frame, t in zip(frames, map(float, times), strict=True):
        now, before = (view(animation, t - k, size, 1.0) for k in (0, 1))
        matrix = backdrop_matrix(scene, animation, t)[:2]
        cv2.warpAffine(scene.backdrop, matrix, (size, size), dst=frame, borderMode=cv2.BORDER_REFLECT)
        shift = (now - before)[:2] @ np.array([size / 2, size / 2, 1]) * animation.shutter
        cv2.cvtColor(_motion_blur(frame, shift), cv2.COLOR_RGB2RGBA, dst=canvas)
        for thing, trajectory in zip(scene.objects, animation.trajectories, strict=True):
            _draw(canvas, thing, animation, trajectory, t)
        cv2.cvtColor(canvas, cv2.COLOR_RGBA2RGB, dst=frame)
        _light(frame, animation, t)
    return np.clip(frames, 0, 1, out=frames)


def backdrop_matrix(scene: Scene, animation: Animation, t: float) -> Array:
    """The 3×3 matrix from the backdrop's pixels to the frame's."""
    size, (height, width) = scene.size, scene.backdrop.shape[:2]
    centered = np.array([[1, 0, (size - width) / 2], [0, 1, (size - height) / 2], [0, 0, 1]])
    return np.asarray(view(animation, t, size, 1.0) @ centered)


def part_matrices(scene: Scene, animation: Animation, t: float) -> Iterator[tuple[Array, Array]]:
    """Every part, from back to front: its sprite, and the 3×3 matrix from the sprite's center to the frame."""
    for thing, trajectory in zip(scene.objects, animation.trajectories, strict=True):
        place = view(animation, t, scene.size, thing.depth) @ _transform(trajectory.at(t))
        for part in thing.parts:
            yield part.sprite, np.asarray(place @ _joint(part, animation, t))


def _joint(part: Part, animation: Animation, t: float) -> Array:
    """The 3×3 matrix from a part's center to its object's."""
    down = np.array([[1, 0, 0], [0, 1, part.drop], [0, 0, 1.0]])
    return np.asarray(_turned(part, animation, t) @ down)


def _turned(part: Part, animation: Animation, t: float) -> Array:
    """The 3×3 matrix from a part's joint to its object's center."""
    angle = part.rest + part.swing * np.sin(animation.limb_rate * t + part.phase)
    (x, y), cos, sin = part.joint, np.cos(angle), np.sin(angle)
    own = np.array([[cos, -sin, x], [sin, cos, y], [0, 0, 1]])
    return own if part.upper is None else np.asarray(_turned(part.upper, animation, t) @ own)


def _transform(parameters: Array) -> Array:
    """The 3×3 matrix from an object's coordinates (origin at its center) to the world, of a trajectory's [5]."""
    x, y, angle, zoom, shear = parameters
    cos, sin = np.cos(angle) * np.exp(zoom), np.sin(angle) * np.exp(zoom)
    return np.array([[cos, -sin + shear * cos, x], [sin, cos + shear * sin, y], [0, 0, 1]])


def view(animation: Animation, t: float, size: int, depth: float) -> Array:
    """The 3×3 matrix from the world to the frame at one depth; the camera rotates about the frame's center."""
    x, y, angle, zoom, _ = animation.camera.at(t)
    middle = size / 2
    turned = _transform(np.array([middle, middle, -angle, zoom * depth, 0.0]))
    return np.asarray(turned @ np.array([[1, 0, -middle - x * depth], [0, 1, -middle - y * depth], [0, 0, 1.0]]))


def _draw(frame: Array, thing: SceneObject, animation: Animation, trajectory: Trajectory, t: float) -> None:
    """Draw an object at time ``t`` onto the frame [H, W, 4]."""
    size = frame.shape[0]
    place, before = (view(animation, s, size, thing.depth) @ _transform(trajectory.at(s)) for s in (t, t - 1))
    shift = (place[:2, 2] - before[:2, 2]) * animation.shutter
    for part in thing.parts:
        _paste(frame, part.sprite, place @ _joint(part, animation, t), shift)


def _paste(frame: Array, sprite: Array, matrix: Array, shift: Array) -> None:
    """Composite a premultiplied sprite [h, w, 4] onto the frame [H, W, 4], touching only the box that it covers."""
    h, w = sprite.shape[:2]
    corners = matrix[:2, :2] @ np.array([[-w, w, w, -w], [-h, -h, h, h]]) / 2 + matrix[:2, 2:]
    margin = np.minimum(np.ceil(np.abs(shift) / 2), 12) + 1
    low = np.maximum(np.floor(corners.min(1) - margin), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(1) + margin), [frame.shape[1], frame.shape[0]]).astype(int)
    if (high - low < 2).any():
        return
    warp = matrix[:2].copy()
    warp[:, 2] += warp[:, :2] @ np.array([-(w - 1) / 2, -(h - 1) / 2]) - low
    image = cv2.warpAffine(sprite, warp, (int(high[0] - low[0]), int(high[1] - low[1])), flags=cv2.INTER_LINEAR)
    image = _motion_blur(np.asarray(image), shift)
    box = frame[low[1] : high[1], low[0] : high[0]]
    box *= cv2.merge([1 - image[..., 3]] * 4)
    box += image


def _motion_blur(image: Array, shift: Array) -> Array:
    """The mean along a straight line of ``shift`` pixels; the image itself where that is too short to be seen."""
    if np.abs(shift).max() <= 1.5:
        return image
    reach = min(int(np.ceil(np.abs(shift).max() / 2)), 12)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    half = np.clip(shift / 2, -reach, reach)
    ends = [(round(float(reach + sign * half[0])), round(float(reach + sign * half[1]))) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], (1.0,), 1)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


def _light(frame: Array, animation: Animation, t: float) -> None:
    """Multiply exposure and the drifting shadow onto the frame, in place."""
    amplitude, rate, phase = animation.exposure
    frame *= np.float32(np.exp(amplitude * np.sin(rate * t + phase)))
    if animation.shadow is not None:
        size = frame.shape[0]
        dx, dy = (size / 2 + speed * t for speed in animation.shadow_speed)
        warp = np.array([[1, 0, -dx], [0, 1, -dy]])
        shadow = cv2.warpAffine(animation.shadow, warp, (size, size), borderMode=cv2.BORDER_REFLECT)
        frame *= cv2.merge([np.exp(shadow)] * 3)
