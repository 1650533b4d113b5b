"""One picture in, one picture out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colormnet_cli.media.image_file import read_image, write_png

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_picture_is_written_whole_and_read_back(tmp_path: Path) -> None:
    """16 bits stay 16 bits, and nothing but the picture stays in the folder."""
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16):
        pixels = rng.integers(0, np.iinfo(dtype).max, (5, 7, 3), dtype)
        write_png(tmp_path / "a.png", pixels)
        back = read_image(tmp_path / "a.png")
        assert back.dtype == dtype
        assert (back == pixels).all()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
