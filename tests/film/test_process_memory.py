"""What the process that colors a film takes in memory."""

from __future__ import annotations

import subprocess
import sys


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
