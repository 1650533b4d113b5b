"""Colors: Lab as scikit-image computes it."""

import numpy as np
import pytest
import torch

import colormnet_cli as cm
from support.golden import GOLDEN


def test_against_scikit_images_figures() -> None:
    """Fails where our L is not the L that the network was trained on, or our RGB not what a viewer expects."""
    golden = np.load(GOLDEN / "lab.npz")
    rgb = torch.from_numpy(golden["rgb_u8"]).movedim(-1, 0).float() / 255
    lab = torch.from_numpy(golden["lab_in"]).movedim(-1, 0)
    assert (cm.rgb_to_lab(rgb) - torch.from_numpy(golden["lab"]).movedim(-1, 0)).abs().max() <= 1e-3
    assert (cm.lab_to_rgb(lab) - torch.from_numpy(golden["rgb_float"]).movedim(-1, 0)).abs().max() <= 1e-4


def test_round_trip() -> None:
    """Fails where a color does not survive the way to Lab and back, in any batch shape."""
    rgb = torch.rand(2, 3, 3, 5, 7)
    assert (cm.lab_to_rgb(cm.rgb_to_lab(rgb)) - rgb).abs().max() <= 1e-4


def test_gray_has_no_color() -> None:
    """Fails where a black-and-white film would come out tinted."""
    lab = cm.rgb_to_lab(torch.linspace(0, 1, 256).expand(3, 1, -1))
    assert lab[1:].abs().max() <= 0.01
    assert 0 <= lab[0].min() <= lab[0].max() <= 100.001


@pytest.mark.parametrize("bad", [torch.zeros(2, 4, 4), torch.zeros(3, 4), torch.zeros(3, 4, 4, dtype=torch.uint8)])
def test_bad_shapes_are_reported(bad: torch.Tensor) -> None:
    """Fails where a wrong picture gives a wrong color instead of an error."""
    with pytest.raises(ValueError, match=r"\[\.\.\., 3, H, W\]"):
        cm.rgb_to_lab(bad)


def test_gradients_after_inference() -> None:
    """Fails where coloring a film first leaves something behind that a loss in RGB cannot use."""
    lab = torch.tensor([50.0, 10, -20], dtype=torch.bfloat16).view(3, 1, 1)  # a type nothing else uses
    with torch.inference_mode():
        cm.lab_to_rgb(lab)
    wanted = lab.clone().requires_grad_()
    cm.lab_to_rgb(wanted).sum().backward()
    assert wanted.grad is not None
    assert wanted.grad.abs().sum() > 0
