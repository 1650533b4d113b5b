"""What synthetic scenes can contain besides their plain objects: people, thin things, paving, crossings, newcomers.

Each kind is drawn from a generator of its own, so that a clip without it is otherwise the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...opencv import cv2
from .animation import Animation, Trajectory, object_trajectory
from .objects import Part, Scene, SceneObject, sprite
from .people import person
from .render import view
from .textures import Array, palette, texture

__all__ = ["SceneKinds", "add_things"]

_KINDS = ("people", "thin", "paving", "crossings", "newcomers")
_LEAST_SPAN = 2.0  # frames: in slower clips nothing crosses or enters


@dataclass(frozen=True)
class SceneKinds:
    """The share of clips with each kind of thing; `defects` are those of film, which change from frame to frame."""

    people: float = 0.0
    thin: float = 0.0
    paving: float = 0.0
    crossings: float = 0.0
    newcomers: float = 0.0
    defects: float = 0.0


@dataclass(frozen=True)
class _Placed:
    """An object with its movement, and that in the other arrangement which the first frame of a clip may have."""

    thing: SceneObject
    path: Trajectory
    path_first: Trajectory


def add_things(
    key: tuple[int, int], kinds: SceneKinds, scene: Scene, first: Animation, rest: Animation, times: Array
) -> tuple[Scene, Animation, Animation]:
    """The scene of clip ``key`` with more in it, and its animations: of the first frame, and of the others."""
    span = float(times.max())
    generators = {name: np.random.default_rng((*key, number)) for number, name in enumerate(_KINDS, start=1)}
    drawn = {name for name, rng in generators.items() if rng.random() < getattr(kinds, name)}
    if "paving" in drawn:
        scene = replace(scene, backdrop=_paved(generators["paving"], scene.backdrop))
    placed = [_Placed(*x) for x in zip(scene.objects, rest.trajectories, first.trajectories, strict=True)]
    known = [x.thing for x in placed]
    for name in ("people", "thin"):
        if name in drawn:
            rng, make = generators[name], person if name == "people" else _thin_thing
            for _ in range(1 + int(rng.random() < 0.3)):
                thing = make(rng, scene.size)
                paths = (object_trajectory(rng, thing, scene.size, span) for _ in range(2))
                placed.append(_Placed(thing, *paths))
    moves = span >= _LEAST_SPAN
    if "crossings" in drawn and moves:
        placed += _crossing(generators["crossings"], scene.size, first, rest, times)
    if "newcomers" in drawn and moves:
        placed.append(_newcomer(generators["newcomers"], scene.size, known, first, rest, times))
    placed.sort(key=lambda x: x.thing.depth)
    moved = replace(rest, trajectories=tuple(x.path for x in placed))
    other = moved if first is rest else replace(first, trajectories=tuple(x.path_first for x in placed))
    return replace(scene, objects=tuple(x.thing for x in placed)), other, moved


def _paved(rng: np.random.Generator, backdrop: Array) -> Array:
    """The backdrop [H, W, 3] with a ground of slabs, bricks or boards in perspective, below a horizon."""
    height, width, _ = backdrop.shape
    horizon = int(rng.uniform(0.3, 0.6) * height)
    y, x = np.mgrid[1 : height - horizon + 1, :width].astype(np.float32)
    far = height / (y + rng.uniform(0.0, 0.1) * height)  # distance, 1 at the bottom of the backdrop
    angle, cell = rng.uniform(0, np.pi), width * np.exp(rng.uniform(np.log(0.02), np.log(0.12)))
    across, along = (x - rng.uniform(0.2, 0.8) * width) * far / cell, far * height / cell
    u, v = np.cos(angle) * across - np.sin(angle) * along, np.sin(angle) * across + np.cos(angle) * along
    row = np.floor(v)
    u = u / rng.choice([1.0, 2.0, 6.0]) + rng.choice([0.0, 0.5]) * (row % 2)  # slabs, bricks, boards
    column = np.floor(u)
    tone = rng.standard_normal(4096).astype(np.float32) * rng.uniform(0.03, 0.2)
    light = tone[((row * 131 + column * 31).astype(np.int32)) % 4096]
    joint = (np.minimum(u - column, v - row) < rng.uniform(0.04, 0.12)) * rng.normal(0, 0.35)
    sharp = np.clip(cell / far / 3 - 0.3, 0, 1)  # farther away, the pattern is finer than a pixel
    light = (light + joint) * sharp + rng.gamma(1.3, 0.08) * texture(rng, *y.shape)
    color = palette(rng, 1)[0]
    image = np.exp(light)[..., None] * color.astype(np.float32)
    paved: Array = backdrop.copy()
    paved[horizon:] = np.minimum(image, 1)
    return paved


def _thin_thing(rng: np.random.Generator, size: int) -> SceneObject:
    """A railing, a rope or a branch, in lines of one to four pixels."""
    extent = size * rng.uniform(0.35, 1.2)
    w, h = (max(8, round(extent * np.exp(rng.normal(0, 0.3)))) for _ in range(2))
    mask: Array = np.zeros((h, w), np.uint8)
    thick = int(rng.integers(1, max(2, round(size / 60)) + 2))
    kind = rng.choice(["railing", "rope", "branch"])
    if kind == "railing":
        top = int(rng.uniform(0.05, 0.4) * h)
        for x in np.arange(thick, w - thick, rng.uniform(4, 16) + 2 * thick):
            _line(mask, np.array([[x, top], [x, h]]), thick)
        _line(mask, np.array([[0, top], [w, top]]), thick + 1)
    elif kind == "rope":
        t = np.linspace(0, 1, 20)
        sag, ends = rng.uniform(0, 0.6) * h, rng.uniform(0.1, 0.4, 2) * h
        _line(mask, np.stack([t * w, ends[0] + (ends[1] - ends[0]) * t + 4 * sag * t * (1 - t)], 1), thick)
    else:
        _branch(rng, mask, np.array([w / 2, h]), -np.pi / 2 + rng.normal(0, 0.2), h * 0.4, thick + 1.0)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.5).astype(np.float32) / 255
    color = palette(rng, 1)[0] * np.exp(0.12 * texture(rng, h, w))[..., None]
    image = np.concatenate([np.minimum(color, 1) * soft[..., None], soft[..., None]], 2)
    return SceneObject(
        (Part(np.ascontiguousarray(image, np.float32)),), rng.uniform(1.0, 1.6), bool(rng.random() < 0.5)
    )


def _line(mask: Array, points: Array, thick: int) -> None:
    """A smooth line through points [N, 2] on a mask [h, w] of uint8, in place."""
    cv2.polylines(mask, [np.asarray(points * 16, np.int32)], False, (255.0,), thick, cv2.LINE_AA, 4)


def _branch(rng: np.random.Generator, mask: Array, root: Array, angle: float, length: float, thick: float) -> None:
    """A branch with its twigs, on a mask in place."""
    tip = root + length * np.array([np.cos(angle), np.sin(angle)])
    _line(mask, np.stack([root, tip]), max(1, round(thick)))
    if length > 6:
        for turn in rng.normal(0, 0.6, int(rng.integers(2, 4))):
            _branch(rng, mask, root + (tip - root) * rng.uniform(0.6, 1), angle + turn, length * 0.6, thick * 0.7)


def _crossing(rng: np.random.Generator, size: int, first: Animation, rest: Animation, times: Array) -> list[_Placed]:
    """Two things of one gray and of different colors that pass each other halfway through the clip."""
    lightness, chroma, hue = rng.uniform(35, 75), rng.uniform(20, 60), rng.uniform(0, 2 * np.pi)
    hues = np.array([hue, hue + rng.uniform(np.pi / 2, 3 * np.pi / 2)])
    lab = np.stack([np.full(2, lightness), chroma * np.cos(hues), chroma * np.sin(hues)], -1).astype(np.float32)
    colors = np.clip(cv2.cvtColor(lab[None], cv2.COLOR_LAB2RGB)[0], 0.02, 1)
    depth, span = rng.uniform(1.0, 1.5), float(times.max())
    w, h = size * np.exp(rng.uniform(np.log(0.12), np.log(0.45), 2))
    ellipse = bool(rng.random() < 0.5)
    image = sprite(rng, w, h, colors[:1], ellipse, 0)
    if rng.random() < 0.5:  # the same shape and texture, or others
        other = np.concatenate(
            [np.minimum(image[..., :3] * (colors[1] / colors[0]), image[..., 3:]), image[..., 3:]], 2
        )
    else:
        other = sprite(rng, w, h, colors[1:], ellipse, 0)
    image, other = (_of_lightness(x, lightness) for x in (image, other))
    meeting, angle = rng.uniform(0.25, 0.75, 2) * size, rng.choice([0.0, np.pi]) + rng.normal(0, 0.4)
    reach = min(rng.uniform(0.3, 0.7), rng.uniform(0.02, 0.08) * span / 2) * size
    away = reach * np.array([np.cos(angle), np.sin(angle)])
    placed = []
    for image_, sign in ((image, 1.0), (other, -1.0)):
        ends = (meeting - sign * away, meeting + sign * away + rng.normal(0, 0.05 * size, 2))
        stands = rng.uniform(0.15, 0.85, 2) * size
        thing = SceneObject((Part(image_),), depth, False)
        path = _path(rest, depth, size, (0.0, span), ends)
        placed.append(_Placed(thing, path, _path(first, depth, size, (0.0, span), (stands, stands))))
    return placed


def _of_lightness(image: Array, lightness: float) -> Array:
    """A premultiplied sprite made as light, on average, as a lightness L in 0..100."""
    mean = (image[..., :3].sum((0, 1)) / image[..., 3].sum()).astype(np.float32)
    own = cv2.cvtColor(mean[None, None], cv2.COLOR_RGB2LAB)[0, 0, 0]
    factor = ((lightness + 16) / (own + 16)) ** (3 / 2.2)  # of gamma-coded values, for that ratio of luminances
    rgb = np.minimum(image[..., :3] * factor, image[..., 3:])
    return np.ascontiguousarray(np.concatenate([rgb, image[..., 3:]], 2), np.float32)


def _newcomer(
    rng: np.random.Generator, size: int, known: list[SceneObject], first: Animation, rest: Animation, times: Array
) -> _Placed:
    """Something that the first frame does not show: like a thing of the scene, a person, or like nothing known."""
    depth, kind = rng.uniform(1.2, 1.7), rng.random()
    if kind < 0.45:
        thing = replace(known[rng.integers(len(known))], depth=depth, static=False)
    elif kind < 0.7:
        thing = replace(person(rng, size), depth=depth)
    else:
        w, h = size * np.exp(rng.uniform(np.log(0.1), np.log(0.5), 2))
        image = sprite(rng, w, h, palette(rng, 3), bool(rng.random() < 0.5), int(rng.integers(0, 6)))
        thing = SceneObject((Part(image),), depth, False)
    half = max(np.hypot(*part.joint) + part.drop + np.hypot(*part.sprite.shape[:2]) / 2 for part in thing.parts)
    begin, end = float(times[0]), float(times[-1])
    entry = begin + rng.uniform(0.0, 0.5) * (end - begin)
    side, height = rng.choice([-1.0, 1.0]), rng.uniform(0.2, 0.8) * size
    edge = size / 2 + side * (size / 2 + half)
    way = min(size * rng.uniform(0.4, 0.9) + half, (0.1 * size + half / 8) * abs(end - entry))
    inside = np.array([edge - side * way, height + rng.normal(0, 0.1 * size)])
    path = _path(rest, depth, size, (entry, end), (np.array([edge, height]), inside))
    outside = np.array([-3.0 * size - 2 * half, height])
    return _Placed(thing, path, _path(first, depth, size, (0.0, 1.0), (outside, outside)))


def _path(
    animation: Animation, depth: float, size: int, times: tuple[float, float], places: tuple[Array, Array]
) -> Trajectory:
    """A straight path that is seen at two places (x, y) of the frame at two times, whatever the camera does."""
    ends = [
        (np.linalg.inv(view(animation, t, size, depth)) @ np.array([*place, 1.0]))[:2]
        for t, place in zip(times, places, strict=True)
    ]
    speed = (ends[1] - ends[0]) / (times[1] - times[0])
    start = ends[0] - speed * times[0]
    return Trajectory(np.array([*start, 0.0, 0.0, 0.0]), np.array([*speed, 0.0, 0.0, 0.0]), np.zeros((3, 5)))
