"""Which exemplar colors which frame: by shot, direction and distance."""

from __future__ import annotations

import pytest

from colormnet_cli.film.segment_table import SegmentTable
from colormnet_cli.passes.schedule import Schedule, ScheduledShot, ShotReference, Unit
from colormnet_cli.shots.shot import Transition

A, B, C = ShotReference("a.png", 0), ShotReference("b.png", 10), ShotReference("c.png", 25)


def passes_of(schedule: Schedule) -> list[tuple[int, int | None, bool, tuple[str, ...], int | None]]:
    return [(one.begin, one.end, one.backward, one.references, one.anchor) for one in schedule.passes]


def test_a_film_without_a_plan_is_one_forward_pass():
    """A run with --ref alone would otherwise not be what it was."""
    film = ScheduledShot(1, 0, None, (ShotReference("a.png"), ShotReference("b.png")))
    schedule = Schedule([film])
    assert passes_of(schedule) == [(0, None, False, ("a.png", "b.png"), None)]
    assert schedule.next_change(0) is None
    assert schedule.at(1000) == [(schedule.passes[0], 1.0)]


def test_an_exemplar_in_the_middle_colors_what_lies_before_it_too():
    """Frames before the still of a shot would stay gray."""
    schedule = Schedule([ScheduledShot(1, 0, 20, (B,))])
    assert passes_of(schedule) == [(0, 10, True, ("b.png",), 10), (10, 20, False, ("b.png",), 10)]
    assert [len(schedule.at(frame)) for frame in (0, 9, 10, 19)] == [1, 1, 1, 1]
    assert schedule.next_change(0) == 10


def test_between_two_exemplars_the_shares_pass_over_evenly():
    """The color would jump where the second exemplar begins to count."""
    schedule = Schedule([ScheduledShot(1, 0, 30, (C, B))])
    shares = {frame: [round(share, 3) for _, share in schedule.at(frame)] for frame in (10, 13, 24, 25)}
    assert shares == {10: [1.0], 13: [0.8, 0.2], 24: [0.067, 0.933], 25: [1.0]}
    forward, backward = (one for one, _ in schedule.at(13))
    assert (forward.backward, backward.backward) == (False, True)
    assert (forward.references, backward.references) == (("b.png", "c.png"), ("c.png", "b.png"))


def test_every_frame_is_colored_in_every_direction():
    """A frame without a pass would end the run after hours."""
    shots = [
        ScheduledShot(1, 0, 24, (B, A)),
        ScheduledShot(2, 18, 40, (C,), Transition("dissolve", 18, 24)),
        ScheduledShot(3, 40, 50, (ShotReference("photo.png"),)),
    ]
    for direction in (None, "forward", "backward", "both"):
        schedule = Schedule(shots, direction)
        for frame in range(50):
            assert sum(share for _, share in schedule.at(frame)) == pytest.approx(1), (direction, frame)
            assert all(one.covers(frame) for one, _ in schedule.at(frame))


def test_a_dissolve_mixes_both_shots_by_its_weights():
    """Colors of the old shot would stay on the new one, or jump."""
    before = ScheduledShot(1, 0, 24, (A,))
    after = ScheduledShot(2, 18, 40, (C,), Transition("dissolve", 18, 24))
    schedule = Schedule([before, after])
    assert [unit.shots for unit in schedule.units] == [(before,), (before, after), (after,)]
    for frame in (17, 18, 23, 24):
        of_the_new = sum(share for one, share in schedule.at(frame) if one.shot is after)
        assert of_the_new == pytest.approx(after.dissolve.weight(frame))  # type: ignore[union-attr]


def test_the_nearest_exemplars_are_kept():
    """A shot of many exemplars would need memory without bound."""
    many = tuple(ShotReference(f"{frame}.png", frame) for frame in range(0, 100, 10))
    schedule = Schedule([ScheduledShot(1, 0, 100, (ShotReference("photo.png"), *many))], max_exemplars=3)
    last = schedule.passes[-1]
    assert last.references == ("90.png", "photo.png", "80.png")
    assert all(len(one.references) == 3 for one in schedule.passes)


def test_no_segment_crosses_the_end_of_a_unit():
    """Segments of a shot could not be used again when another shot changes."""
    table = SegmentTable([Unit(0, 10, ()), Unit(10, 12, ()), Unit(12, None, ())], 4)
    assert [table.number(frame) for frame in (0, 3, 4, 9, 10, 11, 12, 15, 16)] == [0, 0, 1, 2, 3, 3, 4, 4, 5]
    assert [table.end(frame) for frame in (0, 4, 8, 9, 10, 12, 17)] == [4, 8, 10, 10, 12, 16, 20]
    assert [table.before(frames) for frames in (0, 1, 4, 5, 10, 12, 13, 17)] == [0, 1, 1, 2, 3, 4, 5, 6]
    assert table.of(table.units[1]) == range(3, 4)
