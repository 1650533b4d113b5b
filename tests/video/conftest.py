"""Tests of streams and packets: their films do not resemble the reference image, which is not what they are about."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _streams_alone(no_warning_about_references: None) -> None:
    """tests/film/ covers that warning; here, warnings are compared as a whole."""
