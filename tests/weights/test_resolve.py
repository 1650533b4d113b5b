"""Files of weights on disk: the right one, whole, once; with the real huggingface_hub against a local Hub."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from colormnet_cli.errors import WeightsError
from colormnet_cli.weights import cache_folder, ensure, find, lock, resolve
from colormnet_cli.weights.lock import LockEntry, UrlSource
from support.downloads import SIZE, entry, get, left_behind
from support.local_hub import COMMIT

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("cached", [True, False])
def test_a_corrupted_cached_file_is_fetched_again(hub, cached):
    """huggingface_hub returns whatever its cache holds: a flipped bit must never reach the network."""
    path, _, _ = get(entry(hub))
    if not cached:
        (cache_folder() / "hashes.json").unlink()
    path.resolve().write_bytes(bytes([hub.content[0] ^ 1]) + hub.content[1:])
    assert find(entry(hub)) is None
    path, _, _ = get(entry(hub))
    assert path.read_bytes() == hub.content


def test_a_corrupted_cached_file_is_not_used_offline(hub, monkeypatch):
    """No film is better than one colored with broken weights."""
    import huggingface_hub.constants as constants

    path, _, _ = get(entry(hub))
    path.resolve().write_bytes(bytes(SIZE))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        get(entry(hub))


def test_rehash_ignores_the_hash_cache(hub):
    """`weights verify` exists to find what size and time do not show."""
    path, _, _ = get(entry(hub))
    blob, before = path.resolve(), path.stat()
    blob.write_bytes(bytes(SIZE))
    os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert find(entry(hub)) == path  # the price of the cache
    assert find(entry(hub), rehash=True) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}'])
def test_a_broken_hash_cache_only_costs_time(hub, text):
    """A truncated cache file must not stop a run."""
    path, _, _ = get(entry(hub))
    hashes = cache_folder() / "hashes.json"
    hashes.write_text(text)
    assert find(entry(hub)) == path
    assert str(path.resolve()) in json.loads(hashes.read_text())


def test_a_bundled_file_is_verified_too(tmp_path, monkeypatch):
    """A damaged installation is reported without any request."""
    monkeypatch.setattr(lock, "PACKAGE", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "p.pt").write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    small = LockEntry("preview", "p.pt", 3, sha256, "Apache-2.0", path="p.pt")
    assert ensure(small) == tmp_path / "p.pt"
    (tmp_path / "p.pt").write_bytes(b"abd")
    with pytest.raises(WeightsError, match="missing, or another file than it was: reinstall this program"):
        ensure(small)


def test_too_little_disk_space_is_reported_before_the_download(hub, mirror, monkeypatch):
    """Half a gigabyte should not be downloaded onto a full disk."""
    usage = namedtuple("usage", "total used free")(10, 10, 5_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    for wanted in (entry(hub), entry(hub, only=UrlSource(mirror.url + "/file"))):
        with pytest.raises(WeightsError, match=r"need 0 MB in .*, where 0 MB are free: make room.*HF_HOME"):
            get(wanted)
    assert not any("GET" in request for request in hub.requests)


@pytest.mark.parametrize("kind", ["hub", "url"])
def test_a_disk_that_fills_up_leaves_nothing(hub, mirror, kind):
    """The write fails half way: one sentence, no file that a later run would trust, and a later run succeeds."""
    wanted = entry(hub) if kind == "hub" else entry(hub, only=UrlSource(mirror.url + "/file"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, hard))
    try:
        with pytest.raises(WeightsError, match=r"cannot be stored: .*File too large"):
            get(wanted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left_behind(hub) == []
    assert get(wanted)[0].read_bytes() == hub.content


def test_what_a_killed_run_left_is_deleted(hub, mirror):
    """Parts of killed downloads, half a gigabyte each, must not pile up."""
    wanted = entry(hub, only=UrlSource(mirror.url + "/file"))
    folder = resolve._download_path(wanted).parent
    folder.mkdir(parents=True)
    (folder / "weights.pth.99999.part").write_bytes(b"x" * 5000)
    path, _, _ = get(wanted)
    assert list(folder.iterdir()) == [path]


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from colormnet_cli.weights import read_lock, ensure
print(ensure(read_lock()["film"], notice=lambda s: print(s, file=sys.stderr)))
"""


@pytest.mark.parametrize("kind", ["hub", "url"])
def test_two_processes_at_once_both_succeed(hub, mirror, kind, tmp_path):
    """Two runs started together on a new machine: one download, both get the file; no other request is made."""
    server = hub if kind == "hub" else mirror
    server.pause = 0.1
    source = f'hub = "someone/film"\ntype = "space"\ncommit = "{COMMIT}"\npath = "{hub.path}"'
    source = source if kind == "hub" else f'url = "{mirror.url}/file"'
    lock = tmp_path / "weights.lock"
    lock.write_text(
        f'[film]\nfile = "w.pth"\nsize = {SIZE}\nsha256 = "{hub.sha256}"\nlicense = "L"\n[[film.sources]]\n{source}\n'
    )
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "h"), "XDG_CACHE_HOME": str(tmp_path / "x")}
    env |= {"COLORMNET_LOCK": str(lock), "HOME": str(tmp_path)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(root=str(ROOT))],
            env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    ends = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ends
    paths = {out.strip() for out, _ in ends}
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == hub.content
    assert sum(request.startswith("GET") for request in server.requests) == 1
    assert any("waiting for it" in err for _, err in ends)
    assert all(hub.path in request or "/blobs/" in request for request in hub.requests)
