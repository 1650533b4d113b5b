"""The color of a backward pass, kept on disk: the same after a restart, or computed again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from colormnet_cli.passes.stored_color import StoredColor, color_backward


def test_color_is_read_as_it_was_written(tmp_path: Path) -> None:
    """A resumed run must mix the same color into its frames."""
    path = tmp_path / "pass-000000-5.color"
    frames = ((number, torch.full((1, 4, 6), float(number))) for number in range(5, 9))
    color_backward(path, frames, lambda L: torch.cat([L, -L], 1), 2, lambda *_: None)
    stored = StoredColor.intact(path)
    assert stored is not None
    assert [stored.has(frame) for frame in (4, 5, 8, 9)] == [False, True, True, False]
    assert stored.at([7, 8], torch.device("cpu"))[:, :, 0, 0].tolist() == [[7, -7], [8, -8]]


@pytest.mark.parametrize("ending", [".color", ".frames"])
@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "lost"])
def test_damaged_files_are_not_taken(tmp_path: Path, ending: str, how: str) -> None:
    """A flipped byte in a stored pass gave another film without a word."""
    path = tmp_path / "pass-000000-5.color"
    frames = ((number, torch.rand(1, 4, 6)) for number in range(5, 9))
    color_backward(path, frames, lambda L: torch.cat([L, -L], 1), 2, lambda *_: None)
    damaged = path.with_suffix(ending)
    content = bytearray(damaged.read_bytes())
    content[-3] ^= 1
    if how == "lost":
        damaged.unlink()
    else:
        damaged.write_bytes({"flipped": content, "cut": content[:-5], "empty": b""}[how])
    assert StoredColor.intact(path) is None
