"""Systems without the libraries that OpenCV needs, such as slim containers, by a cv2 that cannot be imported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.commands import ROOT, make_world, run

MISSING = "libGL.so.1: cannot open shared object file: No such file or directory"
REMEDIES = ("install libgl1", "pip install opencv-python-headless")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which `import cv2` fails."""
    (tmp_path / "fake" / "cv2").mkdir(parents=True)
    (tmp_path / "fake" / "cv2" / "__init__.py").write_text(f"raise ImportError({MISSING!r})\n")
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "fake"), str(ROOT)])}


def test_doctor_imports_what_a_run_imports(tmp_path: Path, bare: dict[str, str]) -> None:
    """`doctor` said that all is well, since the package is installed, and the first film ended in a traceback."""
    code, out, err = run(["doctor"], make_world(tmp_path), **bare)
    assert code == 1, out
    for text in (MISSING, *REMEDIES):
        assert text in err


def test_a_run_says_what_to_install(tmp_path: Path, bare: dict[str, str]) -> None:
    """It ended in "Something went wrong that should not"."""
    line = ["colorize", "two.mp4", "--ref", "photo.jpg", "--model", "small.pt", "--device", "cpu", "-o", "out.mp4"]
    code, _, err = run(line, make_world(tmp_path), **bare)
    assert code == 1, err
    for text in ("OpenCV cannot be loaded", MISSING, *REMEDIES):
        assert text in err
    assert "Traceback" not in err
    assert not (tmp_path / "out.mp4").exists()
