"""Downloads of exactly the file that weights.lock names, with the real huggingface_hub and a local Hub."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from colormnet_cli.errors import DownloadError, WeightsError
from colormnet_cli.weights import ensure, lock, read_lock, resolve
from colormnet_cli.weights.lock import UrlSource
from support.downloads import PATTERN, SIZE, entry, from_hub, get, left_behind
from support.local_hub import COMMIT, Hub


def test_the_first_run_downloads_with_license_and_progress(hub):
    """People must see the license before the download, and its progress."""
    path, said, counts = get(entry(hub))
    assert path.read_bytes() == hub.content
    assert len(said) == 1
    assert re.search(r"0 MB, from the Hugging Face space someone/film.*CC BY-NC-SA 4\.0 \(by some people\)", said[0])
    assert counts[-1] == SIZE
    assert counts == sorted(counts)


def test_the_second_run_makes_no_request_and_does_not_hash(hub, monkeypatch):
    """A run should not cost a request to the Hub, nor a second of hashing."""
    first, _, _ = get(entry(hub))
    hub.requests.clear()
    monkeypatch.setattr(resolve, "file_sha256", lambda _: pytest.fail("hashed again"))
    path, said, _ = get(entry(hub))
    assert path == first
    assert hub.requests == []
    assert said == []


def test_offline_works_from_the_cache_and_makes_no_request(hub, mirror, monkeypatch):
    """Without a network a second run must work, and a first one fail at once."""
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
    assert hub.requests == mirror.requests == said == []  # and no download is announced


def test_a_token_opens_a_gated_repository_and_is_sent_to_the_hub_alone(hub, monkeypatch):
    """HF_TOKEN works as usual, and is not sent to the host that stores the files."""
    hub.fault = "gated"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    path, _, _ = get(entry(hub))
    assert path.read_bytes() == hub.content
    assert hub.tokens
    assert all("/resolve/" in line and line.endswith(" hf_secret") for line in hub.tokens)


@pytest.mark.parametrize("fault", ["moved", "corrupt-once"])
def test_a_fault_that_needs_no_other_source(hub, fault):
    """A redirect is followed; one broken download is repeated before the next source is tried."""
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


def set_fault(hub: Hub, fault: str, monkeypatch) -> None:
    import huggingface_hub
    import huggingface_hub.constants as constants

    hub.fault = "" if fault == "down" else fault
    if fault == "slow":
        hub.pause = 0.6
    if fault == "down":
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9" + PATTERN)
        huggingface_hub.close_session()


@pytest.mark.parametrize("fault", ANSWERS)
def test_after_a_fault_of_the_hub_the_next_source_is_tried(hub, mirror, fault, monkeypatch):
    """Whatever the Hub does, the authors' own release still gives the file, soon, and a notice says so."""
    set_fault(hub, fault, monkeypatch)
    started = time.monotonic()
    path, said, _ = get(entry(hub, UrlSource(mirror.url + "/file")))
    assert time.monotonic() - started < 15  # huggingface_hub alone retries a dead server for 23 s
    assert path.read_bytes() == hub.content
    assert re.search(ANSWERS[fault] + ".*; trying the next source", said[-1])


@pytest.mark.parametrize("fault", ANSWERS)
def test_a_fault_of_the_last_source_ends_in_one_sentence(hub, mirror, fault, monkeypatch):
    """The error names every source, what it answered and what to do; no file is left."""
    hub.fault = "404"
    mirror.fault = fault
    if fault == "slow":
        mirror.pause = 0.6
    url = "http://127.0.0.1:9/file" if fault == "down" else mirror.url + "/file"
    with pytest.raises(WeightsError) as caught:
        get(entry(hub, UrlSource(url)))
    message = str(caught.value)
    assert "the Hugging Face space someone/film answered 404" in message
    expected = {"cut": "IncompleteRead|ended after", "gated": "answered 401", "slow": "timed out", "short": "offers"}
    assert re.search(f"{re.escape(url)} .*(?:{expected.get(fault, ANSWERS[fault])})", message)
    assert "give its path (`model=PATH`)" in message
    assert hub.sha256 in message
    assert "\n" not in message
    assert left_behind(hub) == []


@pytest.mark.parametrize(
    ("fault", "reason"), [("mute", "timed out"), ("hangs up", "Disconnected"), ("not HTTP", "BadStatusLine")]
)
def test_after_a_url_that_does_not_answer_the_next_source_is_tried(hub, mirror, fault, reason):
    """A mirror behind a broken proxy was reported as a full disk, or ended the program."""
    mirror.fault = fault
    path, said, _ = get(replace(entry(hub), sources=(UrlSource(mirror.url + "/file"), from_hub(hub))))
    assert path.read_bytes() == hub.content
    assert re.search(reason + ".*; trying the next source", said[-1])


def test_a_proxy_that_is_not_a_url_is_reported(mirror, monkeypatch):
    """A mistake in HTTPS_PROXY ended in a traceback from urllib."""
    monkeypatch.setattr("urllib.request._opener", None)
    monkeypatch.setenv("http_proxy", "http:/proxy:3128")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(WeightsError, match="proxy URL with no authority"):
        get(entry(mirror, only=UrlSource(mirror.url + "/x.pth")))


def test_a_redirected_url_is_followed(hub, mirror):
    """Release pages redirect to a storage host: that is the normal case."""
    mirror.fault = "moved"
    path, _, counts = get(entry(hub, only=UrlSource(mirror.url + "/file")))
    assert path.read_bytes() == hub.content
    assert counts[-1] == SIZE
    assert get(entry(hub, only=UrlSource(mirror.url + "/file")))[1] == []


UNVERIFIED = '[new]\nfile = "weights.pth"\nlicense = "MIT"\n[[new.sources]]\n'


@pytest.fixture(params=["hub", "url"])
def unverified(request, hub, mirror, tmp_path, monkeypatch):
    """A function that reads the entry of a lock file without size and sha256, and the server that has its file."""
    shipped = tmp_path / "shipped.lock"
    hub_source = f'hub = "someone/film"\ntype = "space"\ncommit = "{COMMIT}"\npath = "{hub.path}"\n'
    shipped.write_text(UNVERIFIED + (hub_source if request.param == "hub" else f'url = "{mirror.url}/file"\n'))
    monkeypatch.setattr(lock, "lock_path", lambda: shipped)
    return lambda: read_lock()["new"], hub if request.param == "hub" else mirror


def test_an_unknown_hash_is_recorded_at_the_first_download(unverified, tmp_path):
    """Trust on first use: what came first is what counts, here and after the caches were emptied."""
    entry, server = unverified
    path, said, _ = get(entry())
    assert path.read_bytes() == server.content
    assert re.search(r"'new', of unknown size, from .*Their license: MIT\.$", said[0])
    assert re.search(
        rf"Nobody has verified .*'new' yet: .*{server.sha256}, and no other file will be accepted", said[1]
    )
    assert (entry().size, entry().sha256, entry().license) == (SIZE, server.sha256, "MIT")
    server.requests.clear()
    assert get(entry()) == (path, [], [])
    assert server.requests == []
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(tmp_path / "hf", ignore_errors=True)
    server.fault = "corrupt"
    with pytest.raises(DownloadError, match="gave a file with another sha256"):
        get(entry())
    server.fault = ""
    assert get(entry())[0].read_bytes() == server.content


@pytest.mark.parametrize("fault", ["cut", "slow", "error"])
def test_a_broken_first_download_is_not_recorded(unverified, fault):
    """Half a file would be the only one that is accepted ever after."""
    entry, server = unverified
    server.fault, server.pause = fault, 0.6 if fault == "slow" else 0.0
    with pytest.raises(DownloadError):
        get(entry())
    assert entry().sha256 == ""
    assert not lock.user_lock_path().exists()


def test_the_error_suggests_the_preview(hub):
    """Someone who cannot get the weights today can still see color, with the small model that is bundled."""
    hub.fault = "404"
    with pytest.raises(DownloadError, match=r'small model that is part of this program \(`model="preview"`'):
        get(entry(hub))


def test_weights_for_training_are_not_suggested_as_a_model(hub):
    """A ResNet from ImageNet is not a model that colorizes."""
    hub.fault = "404"
    with pytest.raises(DownloadError) as caught:
        get(replace(entry(hub), name="resnet50"))
    assert str(caught.value).endswith("Try again later")
