"""A film in, the same film in colour out: decode → network → encode, overlapped, resumable."""

from __future__ import annotations

from .receipt import Receipt
from .settings import ColorizeSettings, Progress, ProgressCallback

__all__ = ["ColorizeSettings", "Progress", "ProgressCallback", "Receipt"]
