"""Partly transparent exemplars: only what is opaque gives color."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.errors import MediaError
from colormnet_cli.inference.colorizer import Colorizer
from colormnet_cli.inference.exemplar import Exemplar
from colormnet_cli.inference.frame_colorizer import FrameColorizer
from colormnet_cli.media.reference import read_exemplar

SIZE = (64, 96)


def halves() -> tuple[torch.Tensor, torch.Tensor]:
    """An exemplar in Lab whose right half is of another color, and the opacity that hides that half."""
    generator = torch.Generator().manual_seed(3)
    lab = torch.cat([100 * torch.rand(1, *SIZE, generator=generator), torch.zeros(2, *SIZE)])
    lab[1, :, :48], lab[2, :, 48:] = 50, -60
    shown = torch.ones(1, *SIZE)
    shown[..., 48:] = 0
    return lab, shown


@pytest.mark.parametrize("kind", ["paper", "preview"])
def test_what_is_transparent_gives_no_color(kind: str, small_model: Any) -> None:
    """Colors that someone left unpainted, or painted over by mistake and erased, would spread over the film."""
    model = small_model if kind == "paper" else cm.load_model("preview")
    lab, shown = halves()
    other = lab.clone()
    other[1:, :, 48:] = torch.tensor([-80.0, 80.0])[:, None, None]

    def colored(exemplar: torch.Tensor, opacity: torch.Tensor | None) -> torch.Tensor:
        colorizer = Colorizer(model, device="cpu")
        colorizer.set_exemplar(exemplar, shown=opacity)
        return torch.stack([colorizer.step(lab[:1].roll(i, -1)) for i in range(3)])

    assert torch.equal(colored(lab, shown), colored(other, shown))
    assert not torch.equal(colored(lab, shown), colored(lab, None))


def test_hidden_elements_are_never_recalled(small_model: Any) -> None:
    """A transparent exemplar of other content would still be matched where nothing else is alike."""
    lab, shown = halves()
    colorizer = Colorizer(small_model, device="cpu")
    colorizer.set_exemplar(lab, shown=shown)
    colorizer.step(lab[:1])
    bank = colorizer.engine.film.bank  # type: ignore[attr-defined]
    use = bank.normalized_use()[bank.exemplar_rows()].unflatten(0, bank.exemplar_sizes[0])
    _, width = bank.exemplar_sizes[0]
    assert float(use[:, width // 2 + 1 :].sum()) == 0
    assert float(use[:, : width // 2 - 1].sum()) > 0


def test_a_partial_exemplar_is_not_the_answer_of_its_frame(small_model: Any) -> None:
    """The unpainted part of a frame would be gray."""
    lab, shown = halves()
    painted = lab * torch.cat([torch.ones(1, *SIZE), shown, shown])
    frames = FrameColorizer(
        Colorizer(small_model, device="cpu"), [Exemplar(painted, shown=shown)], size="source", ref_is_first=True
    )
    ab = frames.step(lab[:1])
    assert not torch.allclose(ab, painted[1:], atol=1)


def test_the_alpha_channel_is_read(tmp_path: Path) -> None:
    """Painters save what matters on a transparent ground; black would be taken for its color."""
    picture = np.zeros((20, 30, 4), np.uint8)
    picture[:, :15] = (30, 60, 200, 255)
    path = tmp_path / "part.png"
    cv2.imwrite(str(path), picture)
    exemplar = read_exemplar(str(path))
    assert exemplar.shown is not None
    assert exemplar.shown[..., :15].min() == 1
    assert exemplar.shown[..., 15:].max() == 0
    assert float(exemplar.lab[1:, :, 15:].abs().max()) == 0
    picture[..., 3] = 255
    cv2.imwrite(str(path), picture)
    assert read_exemplar(str(path)).shown is None
    picture[..., 3] = 0
    cv2.imwrite(str(path), picture)
    with pytest.raises(MediaError, match="transparent everywhere"):
        read_exemplar(str(path))
