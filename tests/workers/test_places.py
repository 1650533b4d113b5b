"""Places of a film that an earlier run has found."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from colormnet_cli.video.reader import MIN_SEEK_FRAMES, FrameChecksum
from colormnet_cli.workers.places import PlaceFinder

FAR = MIN_SEEK_FRAMES + 100
CHECKSUM = FrameChecksum(7, 1)
PLACES: dict[int, Any] = {FAR: ((CHECKSUM,), {"decoded": 8})}


def finder(film: Path, known: Any = None) -> PlaceFinder:
    plan: Any = SimpleNamespace(info=SimpleNamespace(path=film))
    return PlaceFinder(plan, [0, FAR], known or {}, film.parent / "a plan" / "places.json")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film whose places are known."""
    path = tmp_path / "é film.mp4"
    path.write_bytes(b"a film")
    finder(path, PLACES)._write()
    return path


def test_places_are_read_again(film: Path) -> None:
    """Each run would read the whole film once more before its last shots can begin."""
    places = finder(film)
    assert places.found() == [0, FAR]
    assert places.place(FAR) == PLACES
    assert places.place(0) == {}


def test_places_of_another_film_are_not_used(film: Path) -> None:
    """Workers would seek to other frames."""
    film.write_bytes(b"another film")
    assert finder(film).found() == [0]


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"of": 1, "places": []}', "\udcff"])
def test_a_damaged_file_of_places_is_not_used(film: Path, damage: str) -> None:
    """Every run of this film would end in a traceback."""
    file = film.parent / "a plan" / "places.json"
    file.write_bytes(damage.encode(errors="surrogateescape"))
    assert finder(film).found() == [0]


@pytest.mark.parametrize(
    "places", [[], {"x": {}}, {str(FAR): {"checksums": [{"crc": 1}], "counts": {}}}, {str(FAR): []}]
)
def test_damaged_places_are_not_used(film: Path, places: Any) -> None:
    """The same, where the file is of this film."""
    file = film.parent / "a plan" / "places.json"
    saved = json.loads(file.read_text())
    assert saved["places"][str(FAR)]["checksums"] == [asdict(CHECKSUM)]
    file.write_text(json.dumps({**saved, "places": places}))
    assert finder(film).found() == [0]
