"""What the process that colors a film takes in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.networks.weight_file import save_network
from support.films import make_film


@pytest.mark.slow
def test_loading_a_model_imports_neither_torchvision_nor_the_compiler():
    """Each of the two took a second and 160 MB of every run, for blocks of a ResNet and for random numbers."""
    call = """
import sys
from colormnet_cli import colorize_video, load_model
load_model("preview")
sys.exit(", ".join({"torchvision", "torch._dynamo", "sympy"} & set(sys.modules)) or 0)
"""
    run = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_480p_film_takes_at_most_1_8_gb_on_the_cpu(tmp_path: Path) -> None:
    """A computer with 4 GB would no longer color a film: an import, a copy of the weights, or maps that are kept."""
    torch.manual_seed(0)
    save_network(cm.ColorMNet(), tmp_path / "full.pt")  # random weights in the published size: 0.5 GB
    make_film(tmp_path / "film.mp4", frames=3, width=854, height=480, codec="libx264")
    cv2.imwrite(str(tmp_path / "photo.png"), np.random.default_rng(0).integers(0, 256, (480, 854, 3), dtype=np.uint8))
    call = """
from colormnet_cli import MemoryConfig, colorize_video, load_model
model, memory = load_model("full.pt"), MemoryConfig(gamma=1)
colorize_video("film.mp4", "photo.png", "out.mp4", model=model, memory=memory, device="cpu")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    run = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) * 1024 <= 1.8e9, f"{int(run.stdout) * 1024 / 1e9:.2f} GB"
