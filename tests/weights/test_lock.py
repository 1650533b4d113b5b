"""weights.lock: the files it names, and the errors for mistakes in a lock file."""

from __future__ import annotations

from pathlib import Path

import pytest

from colormnet_cli.errors import WeightsError
from colormnet_cli.weights import read_lock
from colormnet_cli.weights.lock import HubSource, default_lock_path

ROOT = Path(__file__).resolve().parents[2]


def test_the_lock_names_the_published_file():
    """A mistake in these figures would make every download fail, or accept another file."""
    published = read_lock(ROOT / "weights.lock")["colormnet"]
    assert published.size == 494_884_817
    assert published.sha256 == "eaf6301d1a088c0d7133008079a83b5fac1fc0f791061b2cf1b657602013457a"
    assert published.license == "CC BY-NC-SA 4.0"
    first = published.sources[0]
    assert isinstance(first, HubSource)
    assert (first.hub, first.type) == ("yyang181/ColorMNet", "space")
    assert first.commit == "d01f62cc2a67b78507bed2e2510ce88d64a773a9"
    assert [str(s).split("/")[3] for s in published.sources[1:]] == ["yyang181", "dan64"]


def test_the_former_key_licence_is_still_read(tmp_path):
    """Copies of the first lock files, made for a mirror, keep working."""
    path = tmp_path / "my.lock"
    path.write_text((ROOT / "weights.lock").read_text().replace("license =", "licence ="))
    assert read_lock(path) == read_lock(ROOT / "weights.lock")


@pytest.mark.parametrize(
    ("name", "size", "beginning"),
    [
        ("ddcolor", 911_950_059, "17c460d7"),
        ("ddcolor-tiny", 220_393_145, "81dd6439"),
        ("ddcolor-artistic", 911_950_059, "a591ee5b"),
    ],
)
def test_the_lock_names_ddcolor(name, size, beginning):
    """Two of the three files are of the same size: a swapped hash would give other colors under the name."""
    entry = read_lock(ROOT / "weights.lock")[name]
    assert (entry.size, entry.sha256[:8], entry.license) == (size, beginning, "Apache-2.0")
    (source,) = entry.sources
    assert isinstance(source, HubSource)
    assert (source.hub, source.type, source.path) == ("piddnad/DDColor-models", "model", entry.file)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("494884817", "0", "size"),
        ("eaf6301d", "EAF6301D", "sha256"),
        ("d01f62cc2a", "main", "commit"),
        ('"space"', '"bucket"', "type"),
        ("https://github.com/yyang181", "ftp://github.com/yyang181", "url"),
        ('url = "https://github.com/yyang181', 'url = 5 # "', "url"),
        ("license", "lisense", "lisense"),
        ("size = ", "size: ", "line 7"),
        ("size = 494884817\n", "", "size"),
        ('file = "DINO', 'file = "../DINO', "file"),
        ("[colormnet]", '[colormnet]\nbundled = "x.pt"', "bundled"),
    ],
)
def test_a_wrong_lock_file_is_named(tmp_path, old, new, named):
    """Who writes a lock file for a mirror must see where a mistake is."""
    text = (ROOT / "weights.lock").read_text()
    assert old in text
    path = tmp_path / "my.lock"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WeightsError, match=rf"my\.lock.*{named}"):
        read_lock(path)


def test_another_lock_file_can_be_used(tmp_path, monkeypatch):
    """A mirror is set in a lock file of one's own; a missing file is one sentence."""
    monkeypatch.setenv("COLORMNET_LOCK", str(tmp_path / "no.lock"))
    assert default_lock_path() == tmp_path / "no.lock"
    with pytest.raises(WeightsError, match=r"no\.lock cannot be read .*COLORMNET_LOCK"):
        read_lock()
