"""Weights: exactly the files that weights.lock names, from the cache, the Hub or a URL, loaded as tensors only."""

from .download import FetchProgress, OnFetch
from .hub import hub_cache_folder, is_offline
from .load import config_of, load_model, locate, model_from_file, network_from_file, weights_path
from .lock import LOCK_VARIABLE, HubSource, LockEntry, UrlSource, default_lock_path, read_lock
from .resolve import Notice, cache_folder, candidates, ensure, find, require_storage

__all__ = [
    "LOCK_VARIABLE",
    "FetchProgress",
    "HubSource",
    "LockEntry",
    "Notice",
    "OnFetch",
    "UrlSource",
    "cache_folder",
    "candidates",
    "config_of",
    "default_lock_path",
    "ensure",
    "find",
    "hub_cache_folder",
    "is_offline",
    "load_model",
    "locate",
    "model_from_file",
    "network_from_file",
    "read_lock",
    "require_storage",
    "weights_path",
]
