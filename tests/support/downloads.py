"""Fixtures and helpers for downloads: a local Hub and a mirror, empty caches, a lock entry and its download."""

from __future__ import annotations

import os
import time
from collections import namedtuple
from pathlib import Path

import pytest

from colormnet_cli.weights import cache_folder, download, ensure, resolve
from colormnet_cli.weights.lock import HubSource, LockEntry, UrlSource
from support.local_hub import COMMIT, Hub

SIZE = 100_000
PATTERN = "/{repo_id}/resolve/{revision}/{filename}"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A local Hub that huggingface_hub uses, with empty caches and short timeouts."""
    import huggingface_hub.constants as constants
    from huggingface_hub import file_download

    server = Hub(os.urandom(SIZE))
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + PATTERN)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    pauses = namedtuple("time", "sleep time")(lambda _: None, time.time)  # its pauses between attempts
    monkeypatch.setattr(file_download, "time", pauses)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.3)
    monkeypatch.setattr(resolve, "_SPARE_BYTES", 0)
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
    """A lock entry for the Hub's file, with `more` sources after the Hub, or with `only` one."""
    found = (only,) if only else (from_hub(hub), *more)
    return LockEntry("colormnet", "weights.pth", SIZE, hub.sha256, "CC BY-NC-SA 4.0", "by some people", sources=found)


def get(wanted: LockEntry) -> tuple[Path, list[str], list[int]]:
    """The path of the file, the notices, and the bytes of each progress report."""
    said: list[str] = []
    counts: list[int] = []
    path = ensure(wanted, notice=said.append, progress=lambda p: counts.append(p.done))
    return path, said, counts


def left_behind(hub: Hub) -> list[Path]:
    """Every file in the caches that could be taken for weights."""
    import huggingface_hub.constants as constants

    folders = [Path(constants.HF_HUB_CACHE), cache_folder()]
    return [p for f in folders for p in f.rglob("*") if p.is_file() and p.stat().st_size > 1000]
