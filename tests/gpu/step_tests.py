"""The tests that are marked `gpu`."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from .runner import ROOT
from .setup import Setup


def run(setup: Setup, file: str) -> dict[str, Any]:
    """All of a file's tests, whatever becomes of each; which failed."""
    setup.folder.mkdir(parents=True, exist_ok=True)
    result = setup.folder / "tests.xml"
    result.unlink(missing_ok=True)
    code = pytest.main(["-m", "gpu", "-rs", "--tb=short", f"--junitxml={result}", str(ROOT / file)])
    cases = [] if not result.exists() else list(ET.parse(result).iter("testcase"))
    names = {kind: [case.get("name") for case in cases if case.find(kind) is not None] for kind in _KINDS}
    failed = names["failure"] + names["error"]
    passed = len(cases) - len(failed) - len(names["skipped"])
    figures = {"passed": passed, "not_passed": failed, "not_run": names["skipped"]}
    if cases and not passed and not failed:
        return {**figures, "skipped": "all of its tests were skipped"}
    return {**figures, "failed": f"failed: {', '.join(failed)}" if failed else "" if code == 0 else f"pytest: {code!r}"}


_KINDS = ("failure", "error", "skipped")
