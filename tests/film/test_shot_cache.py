"""The finished shots in a plan folder: whole ones are kept, damaged ones replaced, other files left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from colormnet_cli import files
from colormnet_cli.film import shot_cache
from colormnet_cli.film.shot_cache import ShotCache, UnitEnd
from colormnet_cli.video.segments import segment_path

KEY, OTHER, END = "a1" * 20, "b2" * 20, UnitEnd((), {"decoded": 7})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with segments 3 and 4."""
    folder = tmp_path / "out é.mp4.colormnet-part"
    folder.mkdir()
    for number in (3, 4):
        segment_path(folder, number).write_bytes(b"%d" % number)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> ShotCache:
    return ShotCache(tmp_path / "a plan" / "segments")


def names(cache: ShotCache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir())


def test_a_unit_is_kept_and_taken(cache: ShotCache, run: Path, tmp_path: Path) -> None:
    """Finished shots would be colored again, or have the segments of others."""
    cache.keep(KEY, range(3, 5), run, END)
    (tmp_path / "later").mkdir()
    assert cache.take(KEY, range(8, 10), tmp_path / "later") == END
    assert segment_path(tmp_path / "later", 9).read_bytes() == b"4"
    assert cache.take(KEY, range(3), tmp_path / "later") is None
    assert cache.take(OTHER, range(2), tmp_path / "later") is None


@pytest.mark.parametrize("damage", ["end.json", "segment"])
def test_a_damaged_unit_is_replaced(cache: ShotCache, run: Path, damage: str) -> None:
    """A shot of which a file is missing would be colored again in every later run."""
    cache.keep(KEY, range(3, 5), run, END)
    damaged = cache.folder / KEY / damage if damage == "end.json" else segment_path(cache.folder / KEY, 1)
    damaged.unlink()
    cache.keep(KEY, range(3, 5), run, END)
    assert cache.find(KEY, 2) == END
    assert names(cache) == [KEY]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called, it lets all links and copies fail."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def fill() -> None:
        monkeypatch.setattr(shot_cache.os, "link", full)
        monkeypatch.setattr(shot_cache.shutil, "copyfile", full)

    return fill


def test_a_full_disk_is_no_missing_unit(
    cache: ShotCache, run: Path, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    """Finished shots would be colored again for hours, because there is no room for copies of them."""
    cache.keep(KEY, range(3, 5), run, END)
    full_disk()
    with pytest.raises(OSError, match="No space left"):
        cache.take(KEY, range(2), tmp_path)


def test_a_unit_that_does_not_fit_on_the_disk_leaves_nothing(
    cache: ShotCache, run: Path, full_disk: Callable[[], None]
) -> None:
    """Half a unit would take room on a full disk, and nothing would ever use it."""
    full_disk()
    with pytest.raises(OSError, match="No space left"):
        cache.keep(KEY, range(3, 5), run, END)
    assert names(cache) == []


def test_a_file_system_without_links_gets_copies(cache: ShotCache, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On such a drive no shot would be kept."""

    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(shot_cache.os, "link", refused)
    cache.keep(KEY, range(3, 5), run, END)
    assert segment_path(cache.folder / KEY, 1).read_bytes() == b"4"
    assert cache.find(KEY, 2) == END


def test_only_units_are_deleted(cache: ShotCache, run: Path, tmp_path: Path) -> None:
    """Whoever puts segments/ on a larger disk with a link would lose other folders there."""
    disk = tmp_path / "disk"
    (disk / "films").mkdir(parents=True)
    (disk / "films" / "old.mov").touch()
    cache.folder.parent.mkdir()
    cache.folder.symlink_to(disk)
    for key in (KEY, OTHER):
        cache.keep(key, range(3, 5), run, END)
    left = [f".{OTHER}-0a1b2c3d.part", f".{OTHER}-1.colormnet-part", f".{OTHER}.colormnet-part"]
    for name in left:
        (disk / name).mkdir()
    files.write_whole(disk / "places.json", json.dumps({}).encode())
    (disk / ("c3" * 20)).symlink_to(disk / "films")
    cache.prune([KEY])
    assert names(cache) == sorted([KEY, "c3" * 20, "films", "places.json"])
    assert (disk / "films" / "old.mov").exists()
