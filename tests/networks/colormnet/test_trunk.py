"""The ResNet trunks: shortcuts that skip pixels."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from colormnet_cli.networks.colormnet.trunk import Trunk


@pytest.mark.parametrize("width", [8, 16])
def test_a_trunk_answers_alike_with_and_without_gradients(width):
    """Training would shape another network than the one that films are colored with."""
    torch.manual_seed(0)
    trunk = Trunk(5, "basic", width, 2, (width, 24, 32), (1, 1, 1)).eval()
    x = torch.randn(2, 5, 48, 64).to(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = trunk(x)
    for ours, theirs in zip(trunk(x), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.slow
def test_learning_from_large_pictures_does_not_crash():
    """Fine-tuning the preview at 224 pixels on a CPU with AVX-512 ended in a segmentation fault, in oneDNN."""
    call = """
import torch
from colormnet_cli.networks.colormnet.trunk import Trunk
torch.set_num_threads(1)
torch.manual_seed(0)
trunk = Trunk(5, "basic", 8, 2, (8, 16, 32), (1, 1, 1), coarse_step=1).to(memory_format=torch.channels_last).eval()
for _ in range(4):
    sum(x.mean() for x in trunk(torch.randn(2, 5, 224, 224).to(memory_format=torch.channels_last))).backward()
assert all(torch.isfinite(p.grad).all() for p in trunk.parameters())
"""
    run = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True)
    assert run.returncode == 0, f"exit {run.returncode}: {run.stderr}"
