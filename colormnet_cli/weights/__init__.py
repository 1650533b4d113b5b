"""Weights: exactly the files that weights.lock names, from the cache, the Hub or a URL, loaded as tensors only."""

from .download import FetchProgress, OnFetch
from .hub import hub_cache_folder, is_offline
from .load import blank_network, load_model, locate, network_from_file, weights_path
from .lock import HubSource, LockEntry, UrlSource, add_file, lock_path, read_lock, user_lock_path
from .parts import files_of
from .resolve import Notice, cache_folder, candidates, ensure, find, require_storage

__all__ = [
    "FetchProgress",
    "HubSource",
    "LockEntry",
    "Notice",
    "OnFetch",
    "UrlSource",
    "add_file",
    "blank_network",
    "cache_folder",
    "candidates",
    "ensure",
    "files_of",
    "find",
    "hub_cache_folder",
    "is_offline",
    "load_model",
    "locate",
    "lock_path",
    "network_from_file",
    "read_lock",
    "require_storage",
    "user_lock_path",
    "weights_path",
]
