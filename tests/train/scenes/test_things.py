"""What synthetic clips contain besides plain objects: people, thin things, paving, crossings, newcomers, defects."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import cv2
import numpy as np
import pytest

from colormnet_cli.train.scenes import SceneKinds, synthetic, synthetic_clip
from colormnet_cli.train.scenes.animation import make_animation
from colormnet_cli.train.scenes.objects import make_scene
from colormnet_cli.train.scenes.people import person
from colormnet_cli.train.scenes.render import part_matrices, render
from colormnet_cli.train.scenes.things import add_things

KINDS = [field.name for field in fields(SceneKinds)]
ALL = SceneKinds(*[1.0] * len(KINDS))
SMALL: dict[str, Any] = {"frames": 3, "size": 64, "cut": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_in_the_share_of_clips_that_is_asked_for(kind: str) -> None:
    """A run without a kind, to compare with, would have it all the same, or one with it would have none."""
    plain = [synthetic_clip(3, index, **SMALL) for index in range(8)]
    given = [synthetic_clip(3, index, kinds=SceneKinds(**{kind: 1.0}), **SMALL) for index in range(8)]
    changed = sum(not np.array_equal(a, b) for a, b in zip(plain, given, strict=True))
    assert changed >= 2  # slow clips have no crossings and newcomers
    none = SceneKinds(**dict.fromkeys(KINDS, 0.0))
    assert all(np.array_equal(a, synthetic_clip(3, i, kinds=none, **SMALL)) for i, a in enumerate(plain))


def test_one_kind_does_not_change_what_another_draws() -> None:
    """Runs that differ in one switch would be trained on clips that differ in everything."""
    scene, animation, times = _drawn(0)
    few, _, few_moves = add_things((0, 0), SceneKinds(thin=1.0), scene, animation, animation, times)
    many, _, many_moves = add_things((0, 0), ALL, scene, animation, animation, times)
    added = [thing for thing in few.objects if not any(thing is known for known in scene.objects)]
    assert added
    for thing in added:
        place = next(i for i, other in enumerate(few.objects) if other is thing)
        same = [
            i for i, other in enumerate(many.objects)
            if other.depth == thing.depth and np.array_equal(other.parts[0].sprite, thing.parts[0].sprite)
        ]  # fmt: skip
        assert len(same) == 1
        assert np.array_equal(many_moves.trajectories[same[0]].start, few_moves.trajectories[place].start)


def test_a_newcomer_is_not_in_the_first_frame() -> None:
    """The network would find its colors in the exemplar, and learn nothing about what it does not show."""
    entered = 0
    for index in range(12):
        scene, animation, times = _drawn(index)
        more, _, moves = add_things((0, index), SceneKinds(newcomers=1.0), scene, animation, animation, times)
        before, after = render(scene, animation, times), render(more, moves, times)
        assert np.array_equal(before[0], after[0])
        entered += not np.array_equal(before[-1], after[-1])
    assert entered >= 9


def test_a_newcomer_is_not_in_another_arrangement_either() -> None:
    """An exemplar that is not the first frame would show it."""
    scene, animation, times = _drawn(1)
    other = make_animation(np.random.default_rng(5), scene, 10.0)
    more, first, _ = add_things((0, 1), SceneKinds(newcomers=1.0), scene, other, animation, times)
    assert np.array_equal(render(more, first, times[:1]), render(scene, other, times[:1]))


def test_crossing_things_swap_their_sides_and_have_one_gray() -> None:
    """Clips would not show what the network confuses: two things that lightness cannot tell apart."""
    lightness, color = [], []
    for index in range(6):
        scene, animation, times = _drawn(index)
        more, _, moves = add_things((0, index), SceneKinds(crossings=1.0), scene, animation, animation, times)
        one, other = (thing for thing in more.objects if not any(thing is known for known in scene.objects))
        ends = [
            next(matrix[:2, 2] for sprite, matrix in part_matrices(more, moves, t) if sprite is thing.parts[0].sprite)
            for t in (0.0, float(times.max()))
            for thing in (one, other)
        ]
        assert (ends[1] - ends[0]) @ (ends[3] - ends[2]) < 0
        sums = [thing.parts[0].sprite.sum((0, 1)) for thing in (one, other)]
        lab = [cv2.cvtColor((total[:3] / total[3])[None, None], cv2.COLOR_RGB2LAB)[0, 0] for total in sums]
        lightness.append(abs(lab[0][0] - lab[1][0]))
        color.append(np.hypot(*(lab[0][1:] - lab[1][1:])))
    assert np.mean(lightness) < 6 < 30 < np.mean(color)


def test_a_forearm_hangs_from_its_upper_arm() -> None:
    """Limbs would come apart when they move."""
    rng = np.random.default_rng(0)
    thing = person(rng, 100)
    lower = [part for part in thing.parts if part.upper is not None]
    assert len(lower) == 4
    scene, animation, _ = _drawn(0, size=100)
    figure = type(scene)(100, scene.backdrop, (thing,))
    moves = type(animation)(
        animation.trajectories[:1], animation.camera, 1.0, animation.exposure, None, (0.0, 0.0), 0.0
    )  # fmt: skip
    angles = set()
    for t in (0.0, 2.0, 5.0):
        placed = [matrix for _, matrix in part_matrices(figure, moves, t)]
        for part in lower:
            assert part.upper is not None
            upper = next(i for i, other in enumerate(thing.parts) if other is part.upper)
            own = next(i for i, other in enumerate(thing.parts) if other is part)
            elbow = placed[upper] @ np.array([0, part.joint[1] - part.upper.drop, 1])
            assert placed[own] @ np.array([0, -part.drop, 1]) == pytest.approx(elbow)
            bend = np.linalg.inv(placed[upper]) @ placed[own]
            angles.add(round(float(np.arctan2(bend[1, 0], bend[0, 0])), 3))
    assert len(angles) > 8  # they bend


def test_defects_are_in_the_lightness_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dust and flicker in the true colors would be learned as colors."""
    given = [synthetic_clip(5, index, kinds=SceneKinds(defects=1.0), **SMALL) for index in range(8)]
    monkeypatch.setattr(synthetic, "add_defects", lambda rng, lightness: None)
    plain = [synthetic_clip(5, index, kinds=SceneKinds(defects=1.0), **SMALL) for index in range(8)]
    assert all(np.array_equal(a[:, 1:], b[:, 1:]) for a, b in zip(given, plain, strict=True))
    assert sum(not np.array_equal(a[:, 0], b[:, 0]) for a, b in zip(given, plain, strict=True)) > 5
    assert all(clip[:, 0].min() >= 0 and clip[:, 0].max() <= 100 for clip in given)


def _drawn(index: int, size: int = 64) -> Any:
    """A scene, its animation, and times of which the last is the latest."""
    rng = np.random.default_rng((9, index))
    scene = make_scene(rng, size)
    times = np.array([0.0, 3.0, 6.0, 9.0])
    return scene, make_animation(rng, scene, 9.0), times
