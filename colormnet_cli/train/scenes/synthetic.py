"""Synthetic clips to train on without any video: moving objects whose colors belong to them.

A scene is what there is to see (see objects.py), an animation is how it moves (animation.py). Lightness alone does
not determine the colors, so the right answer comes only from tracking the objects.
"""

from __future__ import annotations

import numpy as np

from ...opencv import cv2
from .animation import Animation, make_animation
from .defects import add_defects
from .flow import flows
from .objects import Scene, make_scene
from .render import render
from .textures import Array
from .things import SceneKinds, add_things

__all__ = ["synthetic_clip", "synthetic_clip_with_flow"]

PLAIN = SceneKinds()  # none of them, as the clips that the bundled preview was trained on


def synthetic_clip(
    seed: int,
    index: int,
    *,
    frames: int = 8,
    size: int = 128,
    jump: int = 3,
    cut: float = 0.1,
    vivid: float = 0.4,
    kinds: SceneKinds = PLAIN,
) -> Array:
    """Clip ``index`` of the endless set ``seed``: Lab [frames, 3, size, size] (L in 0..100, a and b in Lab units).

    ``jump`` is the largest gap between two of its frames. ``cut`` is the share of clips whose first frame shows the
    same objects in another arrangement (an exemplar that is not the first frame of its video), ``vivid`` the share of
    clips in strong colors, and ``kinds`` the share of clips with each kind of thing of `things`.
    """
    return _make(seed, index, frames, size, jump, cut, vivid, kinds)[0]


def synthetic_clip_with_flow(
    seed: int,
    index: int,
    *,
    frames: int = 8,
    size: int = 128,
    jump: int = 3,
    cut: float = 0.1,
    vivid: float = 0.4,
    kinds: SceneKinds = PLAIN,
    to_first: bool = False,
) -> tuple[Array, ...]:
    """The same clip, and how its pixels move: `flows` to the frame before, and with `to_first` also to the first."""
    lab, scene, animations, times, mirrored = _make(seed, index, frames, size, jump, cut, vivid, kinds)
    found = list(flows(scene, animations, times))
    if to_first:
        found += flows(scene, animations, times, to_first=True)
    if mirrored:
        found = [array[..., ::-1] for array in found]
        for flow in found[::2]:
            flow[:, 0] *= -1
    return lab, *map(np.ascontiguousarray, found)


def _make(
    seed: int, index: int, frames: int, size: int, jump: int, cut: float, vivid: float, kinds: SceneKinds
) -> tuple[Array, Scene, tuple[Animation, ...], Array, bool]:
    """Lab, and what was rendered: the scene, each frame's animation and time, and whether the frames are mirrored."""
    rng = np.random.default_rng((seed, index))
    scene = make_scene(rng, size, vivid)
    times = _frame_times(rng, frames, jump)
    animation = first = make_animation(rng, scene, float(times.max()))
    if rng.random() < cut:
        first = make_animation(rng, scene, float(times.max()))
    scene, first, animation = add_things((seed, index), kinds, scene, first, animation, times)
    if first is animation:
        rgb = render(scene, animation, times)
    else:
        rgb = np.concatenate([render(scene, first, times[:1]), render(scene, animation, times[1:])])
    lab = _to_lab(rng, rgb)
    _degrade(rng, lab[:, 0])
    defects = np.random.default_rng((seed, index, 0))
    if defects.random() < kinds.defects:
        add_defects(defects, lab[:, 0])
    mirrored = bool(rng.random() < 0.5)
    lab = np.ascontiguousarray(lab[..., ::-1] if mirrored else lab)
    return lab, scene, (first, *[animation] * (frames - 1)), times, mirrored


def _frame_times(rng: np.random.Generator, frames: int, jump: int) -> Array:
    """Times [frames] with gaps of 1..jump, ascending or, in half of the clips, descending."""
    # Half of the clips are slow, as most videos are: what does not move should be copied unchanged.
    speed = np.exp(rng.uniform(np.log(0.02), 0)) if rng.random() < 0.5 else 1.0
    gaps = rng.integers(1, jump + 1, frames) * speed
    times = np.cumsum(gaps) - gaps[0]
    return np.asarray(times[-1] - times if rng.random() < 0.5 else times)


def _to_lab(rng: np.random.Generator, frames: Array) -> Array:
    """Lab [T, 3, H, W] of RGB [T, H, W, 3], with random gamma, hue rotation and chroma scale, and 4:2:0 chroma."""
    count, height, width, _ = frames.shape
    frames = cv2.pow(frames.reshape(count * height, width, 3), float(np.exp(rng.normal(0, 0.25))))
    lab = cv2.cvtColor(frames, cv2.COLOR_RGB2LAB).reshape(count, height, width, 3)
    angle = rng.normal(0, 0.3) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
    chroma = rng.uniform(0.5, 1.4)
    rotation = chroma * np.array([[0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]], np.float32)
    out = np.empty((count, 3, height, width), np.float32)
    out[:, 0] = lab[..., 0]
    for target, frame in zip(out, lab, strict=True):
        small = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        ab = cv2.resize(cv2.transform(small, rotation), (width, height), interpolation=cv2.INTER_LINEAR)
        target[1:] = cv2.split(np.clip(ab, -100, 100))
    return out


def _degrade(rng: np.random.Generator, lightness: Array) -> None:
    """Give the lightness [T, H, W] the defects of old film, in place: blur, grain, flicker, scratches and dust."""
    count, height, width = lightness.shape
    if rng.random() < 0.3:
        sigma = rng.uniform(0.3, 1.0)
        for frame in lightness:
            cv2.GaussianBlur(frame, (0, 0), sigma, dst=frame)
    if rng.random() < 0.5:
        strength = rng.exponential(1.6)
        grain = rng.standard_normal((height + 40, width + 40), np.float32) * np.float32(strength)
        if rng.random() < 0.5:
            grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * 2
        for frame, (y, x) in zip(lightness, rng.integers(0, 40, (count, 2)), strict=True):
            frame += grain[y : y + height, x : x + width]
    if rng.random() < 0.25:
        lightness *= 1 + rng.normal(0, 0.04, (count, 1, 1)).astype(np.float32)
    if rng.random() < 0.12:
        for frame in lightness:
            for _ in range(rng.poisson(1.5)):
                x, shade = float(rng.uniform(0, width)), float(rng.choice([5.0, 95.0]))
                cv2.line(frame, (int(x), 0), (int(x + rng.normal(0, 4)), height), (shade,), 1, cv2.LINE_AA)
            for x, y in rng.uniform(0, [width, height], (rng.poisson(2), 2)):
                cv2.circle(frame, (int(x), int(y)), int(rng.integers(1, 3)), (float(rng.choice([5, 95])),), -1)
    np.clip(lightness, 0, 100, out=lightness)
