"""Colors that are NaN: in fp16, the default on CUDA, weights may exceed its range in the middle of a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.errors import NotFiniteError
from colormnet_cli.inference.colorizer import Colorizer, state_in_precision
from colormnet_cli.networks.colormnet.decoder import Decoder
from colormnet_cli.settings import PicturesSettings
from colormnet_cli.video.rgb import RgbFilm
from support.films import make_film

pytestmark = pytest.mark.usefixtures("one_thread")

BAD = 20  # the frame whose colors are NaN in bf16


@pytest.fixture
def overflow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From frame BAD on, the decoder overflows in bf16; gives the precision of each frame."""
    forward, steps, frame = Decoder.forward, [], {}

    def spoiled(self: Decoder, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        ab, hidden = forward(self, *args, **kwargs)
        steps.append(str(hidden.dtype))
        frame[id(self)] = frame.get(id(self), -1) + 1
        if hidden.dtype == torch.bfloat16 and frame[id(self)] >= BAD:
            ab = ab * torch.nan
        return ab, hidden

    monkeypatch.setattr(Decoder, "forward", spoiled)
    return steps


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints at the end of each segment of 8 frames."""
    monkeypatch.setattr("colormnet_cli.film.film_run.SEGMENT_FRAMES", {"cpu": 8})
    monkeypatch.setattr("colormnet_cli.film.checkpoint.CHECKPOINT_SECONDS", 0.0)


def color(
    model: cm.ColorMNet, source: Path, photo: Path, output: Path, precision: str, progress: Any = None, **settings: Any
) -> cm.Receipt:
    chosen = cm.ColorizeSettings(**{"size": 48, "ref_is_first": False, **settings})
    return cm.colorize_video(
        source, [photo], output, model=model, settings=chosen, device="cpu", precision=precision, progress=progress
    )


@pytest.mark.slow
@pytest.mark.usefixtures("often")
def test_the_rest_of_a_film_in_a_wider_precision(small_model, photo, tmp_path, overflow):
    """A film with wrong colors from some frame on, and no word of it: chroma planes have no NaN."""
    source = make_film(tmp_path / "film.mp4", frames=40)
    receipt = color(small_model, source, photo, tmp_path / "mixed.mp4", "bf16")
    assert receipt.frames == 40
    assert receipt.precision == "fp32"
    assert receipt.resumed_at == 0
    warning = f"frame {BAD} are not finite in bf16: from frame 16 on, the precision is fp32"
    assert any(warning in sentence for sentence in receipt.warnings)
    assert overflow.count("torch.float32") == 40 - 16  # from the last checkpoint, not from the beginning
    color(small_model, source, photo, tmp_path / "fp32.mp4", "fp32")
    films = [np.stack(list(RgbFilm(tmp_path / name))).astype(int) for name in ("mixed.mp4", "fp32.mp4")]
    assert len(films[0]) == 40
    difference = np.abs(films[0] - films[1]).mean(axis=(1, 2, 3))
    assert difference[16:].max() <= 1.5 * difference[:16].max()  # bf16's rounding, and none from the change


@pytest.mark.slow
@pytest.mark.usefixtures("often")
def test_interrupted_after_the_change(small_model, photo, tmp_path, overflow):
    """The same command resumes such a run in the precision that it had changed to."""
    source, output = make_film(tmp_path / "film.mp4", frames=40), tmp_path / "out.mp4"

    def interrupt(progress: cm.Progress) -> None:
        if progress.phase == "color" and progress.frame >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        color(small_model, source, photo, output, "bf16", interrupt)
    receipt = color(small_model, source, photo, output, "bf16")
    assert (receipt.precision, receipt.frames) == ("fp32", 40)
    assert receipt.resumed_at >= 16
    assert any("changed the precision from bf16 to fp32" in sentence for sentence in receipt.warnings)


def test_with_strict_it_is_an_error(small_model, photo, tmp_path, overflow):
    """Someone who asks for strictness gets a sentence instead of a film in two precisions."""
    source = make_film(tmp_path / "film.mp4", frames=24)
    with pytest.raises(NotFiniteError, match=f"frame {BAD} are not finite in bf16: choose a precision"):
        color(small_model, source, photo, tmp_path / "out.mp4", "bf16", strict=True)


def test_bad_weights_are_an_error(small_model, photo, tmp_path, monkeypatch):
    """There is no wider precision than fp32: a film must not be colored over and over."""
    forward = Decoder.forward
    monkeypatch.setattr(Decoder, "forward", lambda *a, **k: tuple(x * torch.nan for x in forward(*a, **k)))
    source = make_film(tmp_path / "film.mp4", frames=4)
    with pytest.raises(NotFiniteError, match="frame 0 are not finite in fp32"):
        color(small_model, source, photo, tmp_path / "out.mp4", "fp32")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.slow
def test_pictures_too(small_model, photo, tmp_path, overflow):
    """Pictures were written black where colors were NaN."""
    (tmp_path / "scans").mkdir()
    for number in range(BAD + 3):
        gray = np.random.default_rng(number).integers(60, 200, (48, 64), np.uint8)
        cv2.imwrite(str(tmp_path / "scans" / f"{number:02d}.png"), gray)
    receipt = cm.colorize_pictures(
        tmp_path / "scans", [photo], tmp_path / "out", model=small_model, device="cpu", precision="bf16",
        settings=PicturesSettings(size=48, ref_is_first=False),
    )  # fmt: skip
    assert (receipt.precision, receipt.frames, receipt.resumed_at) == ("fp32", BAD + 3, 0)
    assert any(f"picture {BAD} are not finite" in sentence for sentence in receipt.warnings)
    assert len(list((tmp_path / "out").glob("*.png"))) == BAD + 3


def test_a_state_that_is_not_finite_is_not_resumed(small_model):
    """An overflow may be remembered before it is seen: the film then starts again in the wider precision."""
    colorizer = Colorizer(small_model, precision="bf16")
    colorizer.set_exemplar(torch.rand(3, 32, 48) * 60)
    colorizer.step(torch.rand(1, 32, 48) * 100)
    state = colorizer.state_dict()
    converted = state_in_precision(state, "fp32")
    assert converted is not None
    wider = Colorizer(small_model, precision="fp32")
    wider.load_state_dict(converted)
    assert wider.step(torch.rand(1, 32, 48) * 100).isfinite().all()
    state["film"]["bank"]["values"][0, 0] = torch.inf
    assert state_in_precision(state, "fp32") is None
