"""Weights: exactly the file that weights.lock means, from the cache, the Hub or a plain URL; loaded without trust."""

from .checked import cache_folder, file_sha256
from .load import load_model, model_from_file, weights_path
from .lock import LOCK_VARIABLE, HubSource, LockEntry, UrlSource, default_lock_path, read_lock
from .resolve import Notice, candidates, ensure, find, locate
from .sources import FetchProgress, OnFetch

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
    "default_lock_path",
    "ensure",
    "file_sha256",
    "find",
    "load_model",
    "locate",
    "model_from_file",
    "read_lock",
    "weights_path",
]
