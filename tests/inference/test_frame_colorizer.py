"""Full-size frames through the network: what films, folders, benchmarks and programs with their own decoder share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.color.guided_upsampling import upsample_ab
from colormnet_cli.color.orientation import Orientation
from colormnet_cli.color.resize import resize

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def film() -> Tensor:
    """Three frames of 64×96 and noise for a lightness."""
    return 100 * torch.rand(3, 1, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def exemplar() -> cm.Exemplar:
    g = torch.Generator().manual_seed(1)
    return cm.Exemplar(torch.cat((100 * torch.rand(1, 40, 40, generator=g), 60 * torch.rand(2, 40, 40, generator=g))))


def test_it_is_resizing_a_step_and_upsampling(small_model: cm.ColorMNet, film: Tensor, exemplar: cm.Exemplar) -> None:
    """A program with its own decoder would get other colors than the command."""
    frames = cm.FrameColorizer(cm.Colorizer(small_model), [exemplar], size=32)
    colorizer = cm.Colorizer(small_model)
    colorizer.set_exemplar(exemplar.at_size((32, 48), first_frame=False))
    for L in film:
        small = resize(L, (32, 48))
        assert torch.equal(frames.step(L), upsample_ab(colorizer.step(small), small, L))


def test_rotated_frames_are_seen_upright(small_model: cm.ColorMNet, film: Tensor, exemplar: cm.Exemplar) -> None:
    """The film of a phone would be colorized lying on its side."""
    turned = Orientation(transposed=True, flipped_x=True)
    upright = cm.FrameColorizer(cm.Colorizer(small_model), [exemplar], size=32, guided=False)
    stored = cm.FrameColorizer(cm.Colorizer(small_model), [exemplar], size=32, guided=False, orientation=turned)
    expected = torch.stack(upright.steps([turned.upright(L) for L in film]))
    assert torch.allclose(torch.stack([turned.upright(ab) for ab in stored.steps(list(film))]), expected, atol=1e-4)


def test_a_model_that_is_in_place_is_not_copied(small_model: cm.ColorMNet) -> None:
    """Every film of a batch took half a gigabyte more."""
    assert cm.Colorizer(small_model).model is small_model
    half = cm.Colorizer(small_model, precision="bf16")
    assert half.model is not small_model
    assert (half.model.dtype, small_model.dtype) == (torch.bfloat16, torch.float32)
    assert cm.Colorizer(half.model).precision == "bf16"  # that of the model, unless another one is given
