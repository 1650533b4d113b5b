"""weights.lock: the files it names, and the errors for mistakes in a lock file."""

from __future__ import annotations

from pathlib import Path

import pytest

from colormnet_cli.errors import WeightsError
from colormnet_cli.weights import read_lock
from colormnet_cli.weights.lock import HubSource, add_file, lock_path, user_lock_path

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
        ('path = "preview.pt"', 'file = "preview.pt"', "neither sources nor a path"),
    ],
)
def test_a_wrong_lock_file_is_reported(tmp_path, old, new, named):
    """Someone who writes a lock file for a mirror must see where a mistake is."""
    text = (ROOT / "weights.lock").read_text()
    assert old in text
    path = tmp_path / "my.lock"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WeightsError, match=rf"my\.lock.*{named}"):
        read_lock(path)


def test_another_lock_file_can_be_used(tmp_path, monkeypatch):
    """A mirror is set in a lock file of one's own; a missing file is one sentence."""
    monkeypatch.setenv("COLORMNET_LOCK", str(tmp_path / "no.lock"))
    assert lock_path() == tmp_path / "no.lock"
    with pytest.raises(WeightsError, match=r"no\.lock cannot be read .*COLORMNET_LOCK"):
        read_lock()


SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / 'my "best" model.pt'
    path.write_bytes(b"abc")
    return path


def test_an_added_file_is_an_entry_beside_those_of_weights_lock(file):
    """A model of one's own must not hide the others, whatever its path."""
    before = read_lock()
    entry = add_file("mine", file)
    assert (entry.local_path, entry.size, entry.sha256, entry.license) == (file, 3, SHA256, "unknown")
    assert read_lock() == {**before, "mine": entry}


def test_a_hash_in_weights_lock_cannot_be_replaced(file):
    """Another file under the name of the published weights would be a wrong result, or an attack."""
    with pytest.raises(WeightsError, match=r"is not the file that .*weights\.lock names 'colormnet'.*another name$"):
        add_file("colormnet", file, replace=True)
    user_lock_path().parent.mkdir(parents=True)
    user_lock_path().write_text(f'[colormnet]\nsize = 3\nsha256 = "{SHA256}"\npath = "/a"\n')
    assert read_lock()["colormnet"].sha256.startswith("eaf6301d")


def test_adding_keeps_what_was_written_by_hand(file, monkeypatch):
    """Comments and sources in a lock file of one's own would be lost."""
    lock = file.with_name("hand.lock")
    monkeypatch.setenv("COLORMNET_LOCK", str(lock))
    source = '[[a.sources]]\nurl = "https://a/b"\n'
    lock.write_text(f'# mine\n[a]  # with a comment\nfile = "a.pt"\n{source}[b]\nfile = "b.pt"\npath = "/b"\n# end\n')
    add_file("b", file)
    text = lock.read_text()
    assert text.startswith(f'# mine\n[a]  # with a comment\nfile = "a.pt"\n{source}[b]\npath = ')
    assert text.endswith('file = "b.pt"\n# end\n')
    assert read_lock()["b"].sha256 == SHA256
    with pytest.raises(WeightsError, match=r"'a' cannot be written to .*hand\.lock: Cannot declare"):
        add_file("a", file)
    assert lock.read_text() == text


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä", "[x]"])
def test_a_name_is_one_that_needs_no_quotes(file, name):
    """A name that TOML reads as something else would break the lock file for every command."""
    with pytest.raises(WeightsError, match="cannot name a model"):
        add_file(name, file)
