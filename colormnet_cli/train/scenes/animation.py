"""How a synthetic scene moves: trajectories of its objects and of the camera, and changing light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...opencv import cv2
from .objects import Scene, SceneObject
from .textures import Array, texture

__all__ = ["Animation", "Trajectory", "make_animation", "object_trajectory"]


@dataclass(frozen=True)
class Trajectory:
    """A smooth movement in five parameters: x, y, angle, log scale, shear. Times are in frames."""

    start: Array  # [5]
    speed: Array  # [5]
    sway: Array  # [3, 5]: amplitude, rate, phase

    def at(self, t: float) -> Array:
        """The five parameters [5] at time ``t``."""
        amplitude, rate, phase = self.sway
        return np.asarray(self.start + self.speed * t + amplitude * (np.sin(rate * t + phase) - np.sin(phase)))


@dataclass(frozen=True)
class Animation:
    """A trajectory for each object and for the camera, the rate at which limbs swing, and the light."""

    trajectories: tuple[Trajectory, ...]
    camera: Trajectory
    limb_rate: float
    exposure: tuple[float, float, float]  # amplitude, rate, phase of a slow change
    shadow: Array | None  # log brightness [2·size, 2·size] that drifts over the frame
    shadow_speed: tuple[float, float]
    shutter: float  # share of a frame's movement that blurs it


def make_animation(rng: np.random.Generator, scene: Scene, span: float) -> Animation:
    """Draw movement and light for a scene, centered on the middle of ``span`` frames."""
    size = scene.size
    trajectories = tuple(object_trajectory(rng, thing, size, span) for thing in scene.objects)
    speed, sway = np.zeros(5), np.zeros((3, 5))
    moving = [path for path, thing in zip(trajectories, scene.objects, strict=True) if not thing.static]
    kind = rng.random()
    if kind < 0.3 and moving:  # the camera follows an object, so that the background moves fast
        speed[:2] = moving[rng.integers(len(moving))].speed[:2] * rng.uniform(0.7, 1.1)
    elif kind < 0.8:
        speed[:2] = _velocity(rng, size, 0.002, 0.07)
    speed[2:4] = rng.normal(0, [0.006, 0.012]) * (rng.random(2) < 0.4)
    sway[0] = np.abs(rng.normal(0, [0.02 * size, 0.015 * size, 0.01, 0.01, 0.0])) * (rng.random() < 0.6)
    sway[1], sway[2] = rng.uniform(0.3, 1.8, 5), rng.uniform(0, 2 * np.pi, 5)
    angle = rng.normal(0, 0.15)
    camera = Trajectory(np.array([*(-speed[:2] * span / 2), angle, -speed[3] * span / 2, 0.0]), speed, sway)
    shadow: Array | None = 0.9 * np.tanh(2 * texture(rng, size * 2, size * 2)) if rng.random() < 0.35 else None
    if shadow is not None:
        shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(2, 0.1 * size)) * rng.uniform(0.1, 0.5)
    exposure = (abs(rng.normal(0, 0.12)), rng.uniform(0.05, 0.6), rng.uniform(0, 2 * np.pi))
    drift = rng.normal(0, 0.02 * size, 2)
    shutter = rng.uniform(0.1, 0.6) if rng.random() < 0.6 else 0.0
    return Animation(trajectories, camera, rng.uniform(0.2, 1.2), exposure, shadow, (drift[0], drift[1]), shutter)


def object_trajectory(rng: np.random.Generator, thing: SceneObject, size: int, span: float) -> Trajectory:
    """Draw the movement of a thing that is somewhere in the frame halfway through ``span`` frames."""
    speed, sway = np.zeros(5), np.zeros((3, 5))
    sway[1] = rng.uniform(0.1, 0.8, 5)
    sway[2] = rng.uniform(0, 2 * np.pi, 5)
    middle = rng.normal(0.5, 0.3, 2) * size  # its position halfway through the clip
    if not thing.static:
        speed[:2] = _velocity(rng, size, 0.003, 0.09)
        speed[2:4] = rng.normal(0, [0.03, 0.012]) * (rng.random(2) < 0.5)
        sway[0] = np.abs(rng.normal(0, [0.03 * size, 0.03 * size, 0.12, 0.04, 0.08])) * (rng.random(5) < 0.6)
    start = np.array([*(middle - speed[:2] * span / 2), rng.normal(0, 0.2), -speed[3] * span / 2, 0.0])
    return Trajectory(start, speed, sway)


def _velocity(rng: np.random.Generator, size: int, least: float, most: float) -> Array:
    """Pixels per frame [2], mostly sideways; the speed is log-uniform between two shares of the frame's size."""
    speed = size * np.exp(rng.uniform(np.log(least), np.log(most)))
    direction = rng.choice([0.0, np.pi]) + rng.normal(0, 0.7)
    return np.asarray(speed * np.array([np.cos(direction), np.sin(direction)]))
