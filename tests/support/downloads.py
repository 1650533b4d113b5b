"""A Hub and a mirror that a file of weights comes from, with empty caches, and ways to ask for it."""

from __future__ import annotations

import os
import time
from collections import namedtuple
from pathlib import Path

import pytest

from colormnet_cli.weights import download, ensure, hash_cache, resolve
from colormnet_cli.weights.lock import HubSource, LockEntry, UrlSource
from support.local_hub import COMMIT, Hub

SIZE = 100_000
PATTERN = "/{repo_id}/resolve/{revision}/{filename}"


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
    monkeypatch.setattr(hash_cache, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(resolve, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.3)
    monkeypatch.setattr(download, "_SPARE_BYTES", 0)
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
    """The Hub's file as a lock would have it, with `more` sources behind the Hub, or another one alone."""
    found = (only,) if only else (from_hub(hub), *more)
    return LockEntry("film", "weights.pth", SIZE, hub.sha256, "CC BY-NC-SA 4.0", "by some people", sources=found)


def get(wanted: LockEntry) -> tuple[Path, list[str], list[int]]:
    """Where the file is, what was said, and the bytes that each report of progress told."""
    said: list[str] = []
    counts: list[int] = []
    path = ensure(wanted, notice=said.append, progress=lambda p: counts.append(p.done))
    return path, said, counts


def left_behind(hub: Hub) -> list[Path]:
    """Every file in the caches that could be taken for weights."""
    import huggingface_hub.constants as constants

    folders = [Path(constants.HF_HUB_CACHE), download.cache_folder()]
    return [p for f in folders for p in f.rglob("*") if p.is_file() and p.stat().st_size > 1000]
