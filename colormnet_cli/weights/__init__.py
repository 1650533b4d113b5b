"""Weights: exactly the file that weights.lock means, from the cache, the Hub or a plain URL; loaded without trust."""

from .download import FetchProgress, OnFetch, require_storage
from .hash_cache import cache_folder
from .hub import hub_cache_folder, is_offline
from .load import config_of, load_model, model_from_file, network_from_file, weights_path
from .lock import LOCK_VARIABLE, HubSource, LockEntry, UrlSource, default_lock_path, read_lock
from .resolve import Notice, candidates, ensure, find, locate

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
