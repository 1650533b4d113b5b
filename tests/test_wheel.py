"""The wheel: what people install must hold what the checkout has beside the package."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import pytest

from support.commands import ROOT, environment


@pytest.mark.slow
def test_the_wheel_brings_its_lock(tmp_path):
    """Installed from a wheel, the program must know where its weights are; a lock in the checkout will not do."""
    for module in ("build", "hatchling"):
        pytest.importorskip(module)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("colormnet-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        assert "colormnet_cli/py.typed" in archive.namelist()
        scripts = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "colormnet = colormnet_cli.cli:main" in archive.read(scripts).decode()
    ran = subprocess.run(
        [sys.executable, "-m", "colormnet_cli", "weights", "list", "--json"], cwd=tmp_path,
        env={**environment(tmp_path), "PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    first = json.loads(ran.stdout)[0]
    assert (first["name"], first["size"]) == ("colormnet", 494_884_817)
    assert (tmp_path / "site/colormnet_cli/weights.lock").read_bytes() == (ROOT / "weights.lock").read_bytes()
