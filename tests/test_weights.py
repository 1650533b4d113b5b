"""weights.lock, and getting exactly the files it means, with the real huggingface_hub against tests/hub.py."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from hub import COMMIT, Hub

from colormnet_cli.errors import WeightsError
from colormnet_cli.weights import checked, ensure, find, read_lock, resolve, sources
from colormnet_cli.weights.lock import HubSource, LockEntry, UrlSource, default_lock_path, parse_toml

SIZE = 100_000
PATTERN = "/{repo_id}/resolve/{revision}/{filename}"
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub that huggingface_hub is pointed at, with empty caches, and no patience."""
    import huggingface_hub.constants as constants
    from huggingface_hub import file_download

    server = Hub(os.urandom(SIZE))
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + PATTERN)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    nap = namedtuple("time", "sleep time")(lambda _: None, time.time)  # its naps between tries
    monkeypatch.setattr(file_download, "time", nap)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(checked, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(sources, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(resolve, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(sources, "_TIMEOUT_S", 0.3)
    monkeypatch.setattr(sources, "_SPARE_BYTES", 0)
    yield server
    server.close()


@pytest.fixture
def mirror(hub):
    """A plain file server with the same file."""
    server = Hub(hub.content)
    yield server
    server.close()


def from_hub(hub: Hub) -> HubSource:
    return HubSource(hub="someone/film", commit=COMMIT, path=hub.path, type="space")


def entry(hub: Hub, *more: UrlSource, only: UrlSource | None = None) -> LockEntry:
    found = (only,) if only else (from_hub(hub), *more)
    return LockEntry("film", "weights.pth", SIZE, hub.sha256, "CC BY-NC-SA 4.0", "by some people", sources=found)


def get(wanted: LockEntry) -> tuple[Path, list[str], list[int]]:
    said: list[str] = []
    counts: list[int] = []
    path = ensure(wanted, notice=said.append, progress=lambda p: counts.append(p.done))
    return path, said, counts


# --- the lock file --------------------------------------------------------------------------------------------------


def test_the_lock_names_the_published_file():
    """A slip in these figures would make every user's download fail, or take another file for the right one."""
    published = read_lock(ROOT / "weights.lock")["colormnet"]
    assert published.size == 494_884_817
    assert published.sha256 == "eaf6301d1a088c0d7133008079a83b5fac1fc0f791061b2cf1b657602013457a"
    assert published.licence == "CC BY-NC-SA 4.0"
    first = published.sources[0]
    assert isinstance(first, HubSource)
    assert (first.hub, first.type) == ("yyang181/ColorMNet", "space")
    assert first.commit == "d01f62cc2a67b78507bed2e2510ce88d64a773a9"
    assert [str(s).split("/")[3] for s in published.sources[1:]] == ["yyang181", "dan64"]


def test_the_small_reader_reads_what_tomllib_reads():
    """On Python 3.10 a lock read otherwise than on 3.11 would give two programs two sets of weights."""
    tomllib = pytest.importorskip("tomllib")
    text = (ROOT / "weights.lock").read_text()
    assert parse_toml(text) == tomllib.loads(text)
    odd = '# c\n\n[ a ] # d\nk="v # no comment"  # e\nn = 12\n[[a.b]]\nx = ""\n[[a.b]]\ny = "1"\n[c.d]\nz = 0\n'
    assert parse_toml(odd) == tomllib.loads(odd)


@pytest.mark.parametrize("line", ["a = 'x'", 'a = "\\n"', "a = 1.5", "[a", "[[a]", "a", "a = [1]", '"a" = "b"'])
def test_what_the_small_reader_does_not_know_is_an_error(line):
    """Guessing at a lock file would be worse than refusing it."""
    with pytest.raises(ValueError, match="line 2"):
        parse_toml("[t]\n" + line)
    with pytest.raises(ValueError, match="twice"):
        parse_toml('a = "1"\na = "2"')


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("494884817", "0", "size"),
        ("eaf6301d", "EAF6301D", "sha256"),
        ("d01f62cc2a", "main", "commit"),
        ('"space"', '"bucket"', "type"),
        ("https://github.com/yyang181", "ftp://github.com/yyang181", "url"),
        ("licence", "license", "license"),
        ("size = 494884817\n", "", "size"),
        ('file = "DINO', 'file = "../DINO', "file"),
        ("[colormnet]", '[colormnet]\nbundled = "x.pt"', "bundled"),
    ],
)
def test_a_wrong_lock_file_is_named(tmp_path, old, new, told):
    """A mirror's hand-made lock file with a slip must say where the slip is."""
    text = (ROOT / "weights.lock").read_text()
    assert old in text
    path = tmp_path / "my.lock"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WeightsError, match=rf"my\.lock.*{told}"):
        read_lock(path)


def test_the_lock_file_can_be_another(tmp_path, monkeypatch):
    """Whoever has a mirror says so in a file, not in the code; a lock that is not there is one sentence."""
    monkeypatch.setenv("COLORMNET_LOCK", str(tmp_path / "no.lock"))
    assert default_lock_path() == tmp_path / "no.lock"
    with pytest.raises(WeightsError, match=r"no\.lock cannot be read .*COLORMNET_LOCK"):
        read_lock()


# --- fetching -------------------------------------------------------------------------------------------------------


def test_the_first_run_downloads_with_licence_and_progress(hub):
    """People must learn the licence before the download, and see that something happens."""
    path, said, counts = get(entry(hub))
    assert path.read_bytes() == hub.content
    assert len(said) == 1
    assert re.search(r"0 MB, from the Hugging Face space someone/film.*CC BY-NC-SA 4\.0 \(by some people\)", said[0])
    assert counts[-1] == SIZE
    assert counts == sorted(counts)


def test_the_second_run_makes_no_request_and_does_not_hash(hub, monkeypatch):
    """A film a minute should not cost a question to the Hub, nor a second of hashing, each."""
    first, _, _ = get(entry(hub))
    hub.requests.clear()
    monkeypatch.setattr(checked, "file_sha256", lambda _: pytest.fail("hashed again"))
    path, said, _ = get(entry(hub))
    assert path == first
    assert hub.requests == []
    assert said == []


def test_offline_works_from_the_cache_and_asks_nobody_without(hub, mirror, monkeypatch):
    """On a train the second film must work, and the first one fail at once."""
    import huggingface_hub.constants as constants

    wanted = entry(hub, UrlSource(mirror.url + "/file"))
    path, _, _ = get(wanted)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert get(wanted)[0] == path
    shutil.rmtree(Path(constants.HF_HUB_CACHE))
    hub.requests.clear()
    said: list[str] = []
    with pytest.raises(WeightsError, match=rf"HF_HUB_OFFLINE is set.* {mirror.url}/file\. Unset it"):
        ensure(wanted, notice=said.append)
    assert hub.requests == mirror.requests == said == []  # nor is anything said to be fetched


def test_a_login_opens_a_gated_repository_and_stays_at_the_hub(hub, monkeypatch):
    """HF_TOKEN works as everywhere; the store of blobs, on another host, must not be told it."""
    hub.fault = "gated"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    path, _, _ = get(entry(hub))
    assert path.read_bytes() == hub.content
    assert hub.tokens
    assert all("/resolve/" in line and line.endswith(" hf_secret") for line in hub.tokens)


@pytest.mark.parametrize("fault", ["moved", "corrupt-once"])
def test_a_fault_that_one_source_overcomes(hub, fault):
    """A renamed repository is followed; one broken download is repeated before another source is asked."""
    hub.fault = fault
    path, said, _ = get(entry(hub))
    assert path.read_bytes() == hub.content
    assert len(said) == 1


ANSWERS = {
    "cut": "received 50000 bytes, expected 100000",
    "short": "gave 99,990 bytes instead of 100,000",
    "corrupt": "gave a file with another sha256",
    "404": "answered 404",
    "gone": "answered 404",
    "gated": "answered 403.*HF_TOKEN",
    "error": "answered 503",
    "other": "offers a file of 100,001 bytes instead of 100,000",
    "slow": "Timeout",
    "down": "refused",
}


def break_(hub: Hub, fault: str, monkeypatch) -> None:
    import huggingface_hub
    import huggingface_hub.constants as constants

    hub.fault = "" if fault == "down" else fault
    if fault == "slow":
        hub.pause = 0.6
    if fault == "down":
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9" + PATTERN)
        huggingface_hub.close_session()


@pytest.mark.parametrize("fault", ANSWERS)
def test_a_hub_with_a_fault_ends_in_the_next_source(hub, mirror, fault, monkeypatch):
    """Whatever the Hub does, the authors' own release still gives the file, soon, and the person learns of it."""
    break_(hub, fault, monkeypatch)
    started = time.monotonic()
    path, said, _ = get(entry(hub, UrlSource(mirror.url + "/file")))
    assert time.monotonic() - started < 15  # left alone, huggingface_hub tries a dead server for 23 s
    assert path.read_bytes() == hub.content
    assert re.search(ANSWERS[fault] + ".*; trying the next source", said[-1])


@pytest.mark.parametrize("fault", ANSWERS)
def test_a_plain_url_with_a_fault_ends_in_one_sentence(hub, mirror, fault, monkeypatch):
    """The last source fails too: one sentence with every source, its answer, and what to do; no file is left."""
    hub.fault = "404"
    mirror.fault = fault
    if fault == "slow":
        mirror.pause = 0.6
    url = "http://127.0.0.1:9/file" if fault == "down" else mirror.url + "/file"
    with pytest.raises(WeightsError) as caught:
        get(entry(hub, UrlSource(url)))
    told = str(caught.value)
    assert "the Hugging Face space someone/film answered 404" in told
    expected = {"cut": "IncompleteRead|ended after", "gated": "answered 401", "slow": "timed out", "short": "offers"}
    assert re.search(f"{re.escape(url)} .*(?:{expected.get(fault, ANSWERS[fault])})", told)
    assert "--model PATH" in told
    assert hub.sha256 in told
    assert "\n" not in told
    assert left_behind(hub) == []


@pytest.mark.parametrize(
    ("fault", "told"), [("mute", "timed out"), ("hangs up", "Disconnected"), ("other tongue", "BadStatusLine")]
)
def test_a_plain_url_that_does_not_answer_ends_in_the_next_source(hub, mirror, fault, told):
    """A mirror behind a broken proxy was taken for a full disk, or ended the program."""
    mirror.fault = fault
    path, said, _ = get(replace(entry(hub), sources=(UrlSource(mirror.url + "/file"), from_hub(hub))))
    assert path.read_bytes() == hub.content
    assert re.search(told + ".*; trying the next source", said[-1])


def left_behind(hub: Hub) -> list[Path]:
    """Every file in the caches that could be taken for weights."""
    import huggingface_hub.constants as constants

    folders = [Path(constants.HF_HUB_CACHE), sources.cache_folder()]
    return [p for f in folders for p in f.rglob("*") if p.is_file() and p.stat().st_size > 1000]


def test_a_proxy_that_is_no_address_is_said(mirror, monkeypatch):
    """A slip in HTTPS_PROXY ended in a traceback of urllib."""
    monkeypatch.setattr("urllib.request._opener", None)
    monkeypatch.setenv("http_proxy", "http:/proxy:3128")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(WeightsError, match="proxy URL with no authority"):
        get(entry(mirror, only=UrlSource(mirror.url + "/x.pth")))


def test_a_moved_plain_url_is_followed(hub, mirror):
    """Release pages redirect to a store: that is the normal case."""
    mirror.fault = "moved"
    path, _, counts = get(entry(hub, only=UrlSource(mirror.url + "/file")))
    assert path.read_bytes() == hub.content
    assert counts[-1] == SIZE
    assert get(entry(hub, only=UrlSource(mirror.url + "/file")))[1] == []


def test_the_sentence_suggests_the_preview(hub, tmp_path, monkeypatch):
    """Who cannot have the weights today can still see colour, where the lock has the small model."""
    hub.fault = "404"
    lock = tmp_path / "lock"
    lock.write_text(f'[preview]\nbundled = "p.pt"\nsize = 3\nsha256 = "{"0" * 64}"\nlicence = "Apache-2.0"\n')
    monkeypatch.setenv("COLORMNET_LOCK", str(lock))
    with pytest.raises(WeightsError, match="--model preview"):
        get(entry(hub))


# --- a file that is not the right one -------------------------------------------------------------------------------


@pytest.mark.parametrize("remembered", [True, False])
def test_a_corrupted_cached_file_is_fetched_again(hub, remembered):
    """The Hub's library serves whatever its cache holds: a flipped bit there must never reach the network."""
    path, _, _ = get(entry(hub))
    if not remembered:
        (checked.cache_folder() / "checked.json").unlink()
    path.resolve().write_bytes(bytes([hub.content[0] ^ 1]) + hub.content[1:])
    assert find(entry(hub)) is None
    path, _, _ = get(entry(hub))
    assert path.read_bytes() == hub.content


def test_a_corrupted_cached_file_is_not_used_offline(hub, monkeypatch):
    """Better no film than one coloured by broken weights."""
    import huggingface_hub.constants as constants

    path, _, _ = get(entry(hub))
    path.resolve().write_bytes(bytes(SIZE))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        get(entry(hub))


def test_rehash_does_not_trust_the_memory(hub):
    """`weights verify` exists to find what size and time do not show."""
    path, _, _ = get(entry(hub))
    blob, before = path.resolve(), path.stat()
    blob.write_bytes(bytes(SIZE))
    os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert find(entry(hub)) == path  # what remembering costs
    assert find(entry(hub), rehash=True) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}'])
def test_a_broken_memory_only_costs_time(hub, text):
    """A cut-off note of ours must not stop anybody from working."""
    path, _, _ = get(entry(hub))
    memory = checked.cache_folder() / "checked.json"
    memory.write_text(text)
    assert find(entry(hub)) == path
    assert str(path.resolve()) in json.loads(memory.read_text())


def test_a_bundled_file_is_checked_too(tmp_path, monkeypatch):
    """A damaged installation says so, and does not ask the network."""
    monkeypatch.setattr(resolve, "_PACKAGE", tmp_path)
    monkeypatch.setattr(checked, "cache_folder", lambda: tmp_path / "cache")
    (tmp_path / "p.pt").write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    small = LockEntry("preview", "p.pt", 3, sha256, "Apache-2.0", bundled="p.pt")
    assert ensure(small) == tmp_path / "p.pt"
    (tmp_path / "p.pt").write_bytes(b"abd")
    with pytest.raises(WeightsError, match="missing or damaged: install it anew"):
        ensure(small)


# --- disks ----------------------------------------------------------------------------------------------------------


def test_too_little_room_is_said_before_the_download(hub, mirror, monkeypatch):
    """Half a gigabyte into a full disk helps nobody."""
    usage = namedtuple("usage", "total used free")(10, 10, 5_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    for wanted in (entry(hub), entry(hub, only=UrlSource(mirror.url + "/file"))):
        with pytest.raises(WeightsError, match=r"need 0 MB in .*, where 0 MB are free: make room.*HF_HOME"):
            get(wanted)
    assert not any("GET" in request for request in hub.requests)


@pytest.mark.parametrize("kind", ["hub", "url"])
def test_a_disk_that_fills_up_leaves_nothing(hub, mirror, kind):
    """The write fails half way: one sentence, no file that a later run would trust, and a later run mends it."""
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


def test_what_a_killed_run_left_is_cleared(hub, mirror):
    """Half gigabytes of killed downloads must not pile up."""
    wanted = entry(hub, only=UrlSource(mirror.url + "/file"))
    folder = sources._own_path(wanted).parent
    folder.mkdir(parents=True)
    (folder / "weights.pth.99999.part").write_bytes(b"x" * 5000)
    path, _, _ = get(wanted)
    assert list(folder.iterdir()) == [path]


# --- processes of their own -----------------------------------------------------------------------------------------

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from colormnet_cli.weights import read_lock, ensure
print(ensure(read_lock()["film"], notice=lambda s: print(s, file=sys.stderr)))
"""


@pytest.mark.parametrize("kind", ["hub", "url"])
def test_two_processes_at_once_both_end_well(hub, mirror, kind, tmp_path):
    """Two films started together on a fresh machine: one download, two right files; no request but for the file."""
    server = hub if kind == "hub" else mirror
    server.pause = 0.1
    source = f'hub = "someone/film"\ntype = "space"\ncommit = "{COMMIT}"\npath = "{hub.path}"'
    source = source if kind == "hub" else f'url = "{mirror.url}/file"'
    lock = tmp_path / "weights.lock"
    lock.write_text(
        f'[film]\nfile = "w.pth"\nsize = {SIZE}\nsha256 = "{hub.sha256}"\nlicence = "L"\n[[film.sources]]\n{source}\n'
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
