"""Clips made on the fly, to learn from without any film: objects that move, with colours that belong to them.

A *cast* is what there is to see (a painted backdrop, props, figures with limbs; see objects). A *staging* is how it
moves: paths, camera, light. The lightness alone does not tell the colours, so the right answer comes only from
following the objects. One cast under two stagings is a pair: the same objects in another arrangement.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .objects import Actor, Cast, make_cast
from .textures import Array, texture

__all__ = ["Path", "Staging", "make_staging", "render", "synthetic_clip", "synthetic_pair"]


@dataclass(frozen=True)
class Path:
    """A smooth movement of five things: x, y, turn, log scale, shear. Times are in frames."""

    start: Array  # [5]
    speed: Array  # [5]
    sway: Array  # [3, 5]: amplitude, rate, phase

    def at(self, t: float) -> Array:
        """The five values [5] at time ``t``."""
        amplitude, rate, phase = self.sway
        return np.asarray(self.start + self.speed * t + amplitude * (np.sin(rate * t + phase) - np.sin(phase)))


@dataclass(frozen=True)
class Staging:
    """How a cast moves: a path for each actor, the camera's, the limbs' rate, and the light."""

    paths: tuple[Path, ...]
    camera: Path
    limb_rate: float
    exposure: tuple[float, float, float]  # amplitude, rate, phase of a slow drift
    shadow: Array | None  # a field that darkens, drifting over the frame
    shadow_speed: tuple[float, float]
    shutter: float  # share of a frame's movement that blurs it


def _pace(rng: np.random.Generator, size: int, least: float, most: float) -> Array:
    """A velocity [2] whose amount is log-uniform between two shares of the frame a frame; mostly sideways."""
    amount = size * np.exp(rng.uniform(np.log(least), np.log(most)))
    direction = rng.choice([0.0, np.pi]) + rng.normal(0, 0.7)
    return np.asarray(amount * np.array([np.cos(direction), np.sin(direction)]))


def _actor_path(rng: np.random.Generator, actor: Actor, size: int, span: float) -> Path:
    speed, sway = np.zeros(5), np.zeros((3, 5))
    sway[1] = rng.uniform(0.1, 0.8, 5)
    sway[2] = rng.uniform(0, 2 * np.pi, 5)
    middle = rng.normal(0.5, 0.3, 2) * size  # where it is half-way through the clip
    if not actor.still:
        speed[:2] = _pace(rng, size, 0.003, 0.09)
        speed[2:4] = rng.normal(0, [0.03, 0.012]) * (rng.random(2) < 0.5)
        sway[0] = np.abs(rng.normal(0, [0.03 * size, 0.03 * size, 0.12, 0.04, 0.08])) * (rng.random(5) < 0.6)
    start = np.array([*(middle - speed[:2] * span / 2), rng.normal(0, 0.2), -speed[3] * span / 2, 0.0])
    return Path(start, speed, sway)


def make_staging(rng: np.random.Generator, cast: Cast, span: float) -> Staging:
    """Draw movement and light for a cast, laid out around the middle of ``span`` frames."""
    size = cast.size
    paths = tuple(_actor_path(rng, actor, size, span) for actor in cast.actors)
    speed, sway = np.zeros(5), np.zeros((3, 5))
    movers = [path for path, actor in zip(paths, cast.actors, strict=True) if not actor.still]
    kind = rng.random()
    if kind < 0.3 and movers:  # the camera follows somebody: the world rushes past
        speed[:2] = movers[rng.integers(len(movers))].speed[:2] * rng.uniform(0.7, 1.1)
    elif kind < 0.8:
        speed[:2] = _pace(rng, size, 0.002, 0.07)
    speed[2:4] = rng.normal(0, [0.006, 0.012]) * (rng.random(2) < 0.4)
    sway[0] = np.abs(rng.normal(0, [0.02 * size, 0.015 * size, 0.01, 0.01, 0.0])) * (rng.random() < 0.6)
    sway[1], sway[2] = rng.uniform(0.3, 1.8, 5), rng.uniform(0, 2 * np.pi, 5)
    turn = rng.normal(0, 0.15)
    camera = Path(np.array([*(-speed[:2] * span / 2), turn, -speed[3] * span / 2, 0.0]), speed, sway)
    shadow: Array | None = 0.9 * np.tanh(2 * texture(rng, size * 2, size * 2)) if rng.random() < 0.35 else None
    if shadow is not None:
        shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(2, 0.1 * size)) * rng.uniform(0.1, 0.5)
    exposure = (abs(rng.normal(0, 0.12)), rng.uniform(0.05, 0.6), rng.uniform(0, 2 * np.pi))
    drift = rng.normal(0, 0.02 * size, 2)
    shutter = rng.uniform(0.1, 0.6) if rng.random() < 0.6 else 0.0
    return Staging(paths, camera, rng.uniform(0.2, 1.2), exposure, shadow, (drift[0], drift[1]), shutter)


def _matrix(values: Array, scale: float = 1.0) -> Array:
    """The 3×3 map from a thing's own coordinates (origin at its middle) to where it is."""
    x, y, turn, zoom, shear = values
    cos, sin = np.cos(turn) * np.exp(zoom) * scale, np.sin(turn) * np.exp(zoom) * scale
    return np.array([[cos, -sin + shear * cos, x], [sin, cos + shear * sin, y], [0, 0, 1]])


def _view(staging: Staging, t: float, size: int, depth: float) -> Array:
    """The 3×3 map from the world to the frame for things at one depth; the camera turns about the frame's middle."""
    x, y, turn, zoom, _ = staging.camera.at(t)
    middle = size / 2
    view = _matrix(np.array([middle, middle, -turn, zoom * depth, 0.0]))
    return np.asarray(view @ np.array([[1, 0, -middle - x * depth], [0, 1, -middle - y * depth], [0, 0, 1.0]]))


def _smear(picture: Array, shift: Array) -> Array:
    """Motion blur: the mean along a straight line of ``shift`` pixels."""
    reach = min(int(np.ceil(np.abs(shift).max() / 2)), 12)
    if reach < 1:
        return picture
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    half = np.clip(shift / 2, -reach, reach)
    ends = [(round(float(reach + sign * half[0])), round(float(reach + sign * half[1]))) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], (1.0,), 1)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


def _paste(frame: Array, sprite: Array, matrix: Array, shift: Array) -> None:
    """Draw a premultiplied sprite [h, w, 4] into the frame [H, W, 4], touching only the box it covers."""
    h, w = sprite.shape[:2]
    corners = matrix[:2, :2] @ np.array([[-w, w, w, -w], [-h, -h, h, h]]) / 2 + matrix[:2, 2:]
    margin = np.minimum(np.ceil(np.abs(shift) / 2), 12) + 1
    low = np.maximum(np.floor(corners.min(1) - margin), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(1) + margin), [frame.shape[1], frame.shape[0]]).astype(int)
    if (high - low < 2).any():
        return
    own = matrix[:2].copy()
    own[:, 2] += own[:, :2] @ np.array([-(w - 1) / 2, -(h - 1) / 2]) - low
    piece = cv2.warpAffine(sprite, own, (int(high[0] - low[0]), int(high[1] - low[1])), flags=cv2.INTER_LINEAR)
    if np.abs(shift).max() > 1.5:
        piece = _smear(np.asarray(piece), shift)
    box = frame[low[1] : high[1], low[0] : high[0]]
    box *= cv2.merge([1 - piece[..., 3]] * 4)
    box += piece


def _draw_actor(frame: Array, actor: Actor, staging: Staging, path: Path, t: float) -> None:
    size = frame.shape[0]
    place = _view(staging, t, size, actor.depth) @ _matrix(path.at(t))
    before = _view(staging, t - 1, size, actor.depth) @ _matrix(path.at(t - 1))
    shift = (place[:2, 2] - before[:2, 2]) * staging.shutter
    for part in actor.parts:
        angle = part.swing * np.sin(staging.limb_rate * t + part.phase)
        (x, y), cos, sin = part.joint, np.cos(angle), np.sin(angle)
        joint = np.array([[cos, -sin, x - sin * part.hang], [sin, cos, y + cos * part.hang], [0, 0, 1]])
        _paste(frame, part.sprite, place @ joint, shift)


def _light(frame: Array, staging: Staging, t: float) -> None:
    """Exposure drift and the moving shadow, multiplied onto the picture."""
    amplitude, rate, phase = staging.exposure
    frame *= np.float32(np.exp(amplitude * np.sin(rate * t + phase)))
    if staging.shadow is not None:
        size = frame.shape[0]
        dx, dy = (size / 2 + speed * t for speed in staging.shadow_speed)
        own = np.array([[1, 0, -dx], [0, 1, -dy]])
        field = cv2.warpAffine(staging.shadow, own, (size, size), borderMode=cv2.BORDER_REFLECT)
        frame *= cv2.merge([np.exp(field)] * 3)


def render(cast: Cast, staging: Staging, times: Array) -> Array:
    """The frames at ``times``: RGB [T, size, size, 3] in 0..1."""
    size, (high, wide) = cast.size, cast.backdrop.shape[:2]
    frames = np.empty((len(times), size, size, 3), np.float32)
    centred = np.array([[1, 0, (size - wide) / 2], [0, 1, (size - high) / 2], [0, 0, 1]])
    canvas = np.empty((size, size, 4), np.float32)
    for frame, t in zip(frames, map(float, times), strict=True):
        view, before = (_view(staging, t - k, size, 1.0) for k in (0, 1))
        cv2.warpAffine(cast.backdrop, (view @ centred)[:2], (size, size), dst=frame, borderMode=cv2.BORDER_REFLECT)
        shift = (view - before)[:2] @ np.array([size / 2, size / 2, 1]) * staging.shutter
        cv2.cvtColor(_smear(frame, shift) if np.abs(shift).max() > 1.5 else frame, cv2.COLOR_RGB2RGBA, dst=canvas)
        for actor, path in zip(cast.actors, staging.paths, strict=True):
            _draw_actor(canvas, actor, staging, path, t)
        cv2.cvtColor(canvas, cv2.COLOR_RGBA2RGB, dst=frame)
        _light(frame, staging, t)
    return np.clip(frames, 0, 1, out=frames)


def _to_lab(rng: np.random.Generator, frames: Array) -> Array:
    """Lab [T, 3, H, W] of RGB frames, after a gamma, a turn of all hues, a change of chroma, and 4:2:0."""
    count, height, width, _ = frames.shape
    frames = cv2.pow(frames.reshape(count * height, width, 3), float(np.exp(rng.normal(0, 0.25))))
    lab = cv2.cvtColor(frames, cv2.COLOR_RGB2LAB).reshape(count, height, width, 3)
    angle = rng.normal(0, 0.3) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
    chroma = rng.uniform(0.5, 1.4)
    turn = chroma * np.array([[0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]], np.float32)
    out = np.empty((count, 3, height, width), np.float32)
    out[:, 0] = lab[..., 0]
    for target, picture in zip(out, lab, strict=True):
        small = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        ab = cv2.resize(cv2.transform(small, turn), (width, height), interpolation=cv2.INTER_LINEAR)
        target[1:] = cv2.split(np.clip(ab, -100, 100))
    return out


def _age(rng: np.random.Generator, lightness: Array) -> None:
    """What old film does to the lightness [T, H, W] alone: softness, grain, flicker, scratches and dust."""
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


def _finish(rng: np.random.Generator, frames: Array) -> Array:
    """RGB frames [T, H, W, 3] → Lab [T, 3, H, W] as a film would show them, mirrored now and then."""
    lab = _to_lab(rng, frames)
    _age(rng, lab[:, 0])
    return np.ascontiguousarray(lab[..., ::-1] if rng.random() < 0.5 else lab)


def _times(rng: np.random.Generator, frames: int, jump: int) -> Array:
    """Sorted frame times with gaps of 1..jump, in half of the clips reversed."""
    # Half of the clips are calm, as most films are: what does not move is to be copied as it is.
    pace = np.exp(rng.uniform(np.log(0.02), 0)) if rng.random() < 0.5 else 1.0
    gaps = rng.integers(1, jump + 1, frames) * pace
    times = np.cumsum(gaps) - gaps[0]
    return np.asarray(times[-1] - times if rng.random() < 0.5 else times)


def synthetic_clip(
    seed: int, index: int, *, frames: int = 8, size: int = 128, jump: int = 3, cut: float = 0.1, vivid: float = 0.4
) -> Array:
    """Clip ``index`` of the endless set ``seed``: Lab [frames, 3, size, size] (L 0..100, a and b in Lab units).

    ``cut`` is the share of clips whose first frame shows the same objects in another arrangement (an exemplar that
    is not the film's first frame), ``vivid`` that of clips in strong colours.
    """
    rng = np.random.default_rng((seed, index))
    cast = make_cast(rng, size, vivid)
    times = _times(rng, frames, jump)
    staging = make_staging(rng, cast, float(times.max()))
    if rng.random() < cut:
        other = make_staging(rng, cast, float(times.max()))
        picture = np.concatenate([render(cast, other, times[:1]), render(cast, staging, times[1:])])
    else:
        picture = render(cast, staging, times)
    return _finish(rng, picture)


def synthetic_pair(seed: int, index: int, *, frames: int = 8, size: int = 128, jump: int = 1) -> tuple[Array, Array]:
    """The same cast under two stagings: an exemplar picture [3, size, size] and a clip [frames, 3, size, size], Lab."""
    clip = synthetic_clip(seed, index, frames=frames + 1, size=size, jump=jump, cut=1.0)
    return clip[0], clip[1:]
