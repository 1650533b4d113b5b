"""Systems without the libraries that OpenCV needs, such as slim containers, by a cv2 that cannot be imported."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import pytest

from support.commands import ROOT, make_world, result, run, start_python

MISSING = "libGL.so.1: cannot open shared object file: No such file or directory"
REMEDIES = ("install libgl1", "pip install opencv-python-headless")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which `import cv2` fails."""
    (tmp_path / "fake" / "cv2").mkdir(parents=True)
    (tmp_path / "fake" / "cv2" / "__init__.py").write_text(f"raise ImportError({MISSING!r})\n")
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "fake"), str(ROOT)])}


@pytest.mark.slow
def test_doctor_imports_what_a_run_imports(tmp_path: Path, bare: dict[str, str]) -> None:
    """`doctor` said that all is well, since the package is installed, and the first film ended in a traceback."""
    code, out, err = result(start_python(["doctor"], make_world(tmp_path), **bare))
    assert code == 0, err
    for text in (MISSING, *REMEDIES):
        assert text in out
        assert text in err
    assert "references must be PNG, JPEG or WebP" in err


@pytest.mark.slow
def test_a_film_is_colorized_without_opencv(tmp_path: Path, bare: dict[str, str]) -> None:
    """It ended in "Something went wrong that should not"."""
    make_world(tmp_path)
    line = ["colorize", "two.mp4", "--ref", "photo.jpg", "--model", "small.pt", "--device", "cpu", "-o"]
    code, _, err = result(start_python([*line, "bare.mp4"], tmp_path, **bare))
    assert code == 0, err
    code, _, err = run([*line, "usual.mp4"], tmp_path)
    assert code == 0, err
    assert (tmp_path / "bare.mp4").read_bytes() == (tmp_path / "usual.mp4").read_bytes()


@pytest.mark.slow
def test_what_needs_opencv_says_what_to_install(tmp_path: Path, bare: dict[str, str]) -> None:
    """TIFF references and `shots` would end in a traceback of an import."""
    make_world(tmp_path)
    cv2.imwrite(str(tmp_path / "photo.tif"), cv2.imread(str(tmp_path / "photo.jpg")))
    colorize = ["colorize", "two.mp4", "--ref", "photo.tif", "--model", "small.pt", "-o", "out.mp4"]
    for line in (colorize, ["shots", "two.mp4"]):
        code, _, err = result(start_python(line, tmp_path, **bare))
        assert code == 1, err
        for text in ("OpenCV cannot be loaded", MISSING, *REMEDIES):
            assert text in err
        assert "Traceback" not in err
    assert not (tmp_path / "out.mp4").exists()
