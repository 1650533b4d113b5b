"""Tests of streams and packets: their films do not resemble the reference image, which is not what they are about."""

from __future__ import annotations

import pytest

from colormnet_cli.film.match_monitor import MatchMonitor


@pytest.fixture(autouse=True)
def no_warning_about_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/film/ covers that warning; here, warnings are compared as a whole."""
    monkeypatch.setattr(MatchMonitor, "warning", lambda _: None)
