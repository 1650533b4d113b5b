"""Decoding times where packets of another encoder come between those of a film."""

from __future__ import annotations

import pytest

from colormnet_cli.errors import OutputError
from colormnet_cli.video.packet_table import PacketTable
from colormnet_cli.video.splice import decoding_times


def table(pts: list[int], dts: list[int | None]) -> PacketTable:
    return PacketTable(tuple(pts), tuple(dts), (10,) * len(pts), (True,) * len(pts))


def test_others_keep_theirs() -> None:
    """Players would jump, or drop frames, at the ends of the passage."""
    film = table([0, 10, 20, 30, 40, 50], [-10, 0, 10, 20, 30, 40])
    assert decoding_times(film, [0, 10, 30, 20, 40, 50], 2, 4) == [-10, 0, 10, 20, 30, 40]


def test_room_before_the_passage() -> None:
    """A passage with more B-frames than the film has would be refused by the muxer."""
    film = table([0, 10, 20, 30, 40, 50], [0, 10, 20, 30, 40, 50])
    assert decoding_times(film, [0, 10, 40, 30, 20, 50], 2, 5) == [0, 10, 18, 19, 20, 50]


def test_no_room() -> None:
    """A file that no player takes would be written."""
    film = table([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    with pytest.raises(OutputError, match="encode it without B-frames"):
        decoding_times(film, [0, 4, 3, 2, 1], 1, 5)


def test_matroska_stores_none() -> None:
    """Sound would be interleaved at other places than before."""
    film = table([0, 40, 20, 60, 80], [None, None, 0, 20, 40])
    assert decoding_times(film, [0, 40, 20, 60, 80], 0, 5) == [-20, 0, 20, 40, 60]
