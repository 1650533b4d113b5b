"""Grids: where each picture is, and its label."""

from __future__ import annotations

import numpy as np
import pytest

from colormnet_cli.evaluation.grid import GAP, WIDEST, plan_grid


def test_labels_are_on_the_pictures() -> None:
    """Nobody could tell which result is which."""
    grid = plan_grid(["first", "Ünï 日本"], (120, 200))
    assert grid.labels == ("first", "Uni ??")
    plain = np.full((120, 200, 3), 120, np.uint8)
    drawn = grid.draw(0, [plain, plain])
    for left in (0, 200 + GAP):
        corner = drawn[:24, left : left + 40]
        assert corner.max() > 200
        assert corner.min() < 60
        assert (drawn[60:, left : left + 200] == 120).all()
    assert (plain == 120).all()  # the caller's pictures are not written on


@pytest.mark.parametrize(
    ("count", "columns", "size"), [(1, 1, (1, 1)), (2, 2, (1, 2)), (3, 3, (1, 3)), (4, 2, (2, 2)), (5, 3, (2, 3))]
)
def test_no_picture_covers_another(count: int, columns: int, size: tuple[int, int]) -> None:
    """Pictures would cover each other, or the grid would be wider than players can show."""
    grid = plan_grid([str(i) for i in range(count)], (48, 64))
    rows, across = size
    assert grid.columns == columns
    assert grid.size == (rows * 48 + (rows - 1) * GAP, across * 64 + (across - 1) * GAP)
    pictures = [np.full((48, 64, 3), 40 + 40 * i, np.uint8) for i in range(count)]
    drawn = grid.draw(0, pictures)
    for i in range(count):
        row, column = divmod(i, columns)
        assert drawn[row * (48 + GAP) + 40, column * (64 + GAP) + 60, 0] == 40 + 40 * i


def test_large_films_are_scaled_down_to_what_players_support() -> None:
    """Three 4K results would make a film of 11,520 pixels that nothing can play."""
    grid = plan_grid(["a", "b", "c"], (2160, 3840))
    assert grid.size[1] <= WIDEST
    assert all(side % 2 == 0 for side in grid.size)
    assert abs(grid.tile[1] / grid.tile[0] - 16 / 9) < 0.01
    assert plan_grid(["a"], (135, 241)).tile == (136, 240)  # even, for 4:2:0
    assert plan_grid(["a", "b"], (480, 640), width=644).tile == (240, 320)
