"""`colorize_frames`: arrays of any kind in, the same kind in color out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.color.gamut import lab_to_rgb_keeping_lightness
from colormnet_cli.media.image_file import write_png
from support.scans import gray_frame, rgb_frame

pytestmark = pytest.mark.usefixtures("one_thread")

REFERENCE = rgb_frame(0, 40, 60)
FRAMES = [gray_frame(number, 48, 72) for number in range(2)]
EIGHT_BITS = np.uint8


def colors(model: cm.ColorMNet, frames: Any, reference: Any = REFERENCE, **settings: Any) -> list[Any]:
    return list(cm.colorize_frames(frames, reference, model=model, size=32, device="cpu", **settings))


def test_colors_are_those_of_the_frame_colorizer(small_model: cm.ColorMNet) -> None:
    """It would color otherwise than the command does."""
    exemplar = cm.Exemplar(cm.rgb_to_lab(torch.from_numpy(REFERENCE).permute(2, 0, 1) / 255))
    colorizer = cm.FrameColorizer(cm.Colorizer(small_model), [exemplar], size=32)
    for frame, rgb in zip(FRAMES, colors(small_model, FRAMES), strict=True):
        L = cm.rgb_to_lab(torch.from_numpy(frame).expand(3, -1, -1) / 255)[:1].clamp(0, 100)
        wanted = lab_to_rgb_keeping_lightness(torch.cat((L, colorizer.step(L))))
        assert (rgb == (wanted * 255).round().permute(1, 2, 0).numpy()).all()


FORMS = {
    "gray": lambda f: f,
    "gray last": lambda f: f[..., None],
    "gray first": lambda f: f[None],
    "RGB last": lambda f: np.repeat(f[..., None], 3, -1),
    "RGB first": lambda f: np.repeat(f[None], 3, 0),
    "mirrored": lambda f: f[:, ::-1][:, ::-1],
    "uint16": lambda f: f.astype(np.uint16) * 257,
    "big-endian": lambda f: f.astype(">u2") * 257,
    "float16": lambda f: (f / 255).astype(np.float16),
    "float64": lambda f: f / 255,
    "tensor": lambda f: torch.from_numpy(f),
    "RGB tensor": lambda f: torch.from_numpy(f).expand(3, -1, -1),
    "uint16 tensor": lambda f: torch.from_numpy(f.astype(np.uint16) * 257),
    "float tensor": lambda f: torch.from_numpy(f)[None] / 255,
    "bfloat16 tensor": lambda f: (torch.from_numpy(f) / 255).to(torch.bfloat16),
}


@pytest.mark.parametrize("form", FORMS)
def test_results_are_of_the_kind_of_the_frames(form: str, small_model: cm.ColorMNet) -> None:
    """Someone who decodes 16-bit planes, or tensors, would get something else back, or white pictures."""
    frames = [FORMS[form](frame) for frame in FRAMES]
    wanted = colors(small_model, FRAMES)
    for frame, rgb, eight in zip(frames, colors(small_model, frames), wanted, strict=True):
        assert (type(rgb), rgb.dtype) == (type(frame), frame.dtype)
        first = frame.ndim == 3 and frame.shape[-1] == 72
        assert tuple(rgb.shape) == ((3, 48, 72) if first else (48, 72, 3))
        values = rgb.to(torch.float32).numpy() if isinstance(rgb, torch.Tensor) else rgb.astype(np.float32)
        values = values.transpose(1, 2, 0) if first else values
        top = 65535 if "16" in str(rgb.dtype) and "float" not in str(rgb.dtype) else 255 if values.max() > 1 else 1
        if "float16" in str(rgb.dtype):  # bfloat16 has 8 bits of precision, and so has what it gives
            assert np.abs(values / top - eight / 255).mean() < 0.01
        else:
            assert np.abs(values / top - eight / 255).max() <= 0.5 / 255 + 1e-6


def test_lightness_is_kept(small_model: cm.ColorMNet) -> None:
    """The film would get darker or lighter where its color is strong."""
    frames = [frame / 255 for frame in FRAMES]
    for frame, rgb in zip(frames, colors(small_model, frames, vividness=3), strict=True):
        before, after = (
            cm.rgb_to_lab(torch.from_numpy(x).movedim(-1, 0))[0] for x in (np.repeat(frame[..., None], 3, -1), rgb)
        )
        assert np.ptp(rgb, axis=-1).max() > 0.05  # there is color
        assert float((before - after).abs().max()) < 0.1


def test_references_of_every_kind(small_model: cm.ColorMNet, tmp_path: Any) -> None:
    """A reference in memory would have to be written into a file first."""
    lab = cm.rgb_to_lab(torch.from_numpy(REFERENCE).permute(2, 0, 1) / 255)
    wanted = colors(small_model, FRAMES)[1]
    write_png(tmp_path / "a.png", REFERENCE)
    kinds = [REFERENCE.astype(np.uint16) * 257, torch.from_numpy(REFERENCE) / 255, cm.Exemplar(lab)]
    for reference in (*kinds, tmp_path / "a.png", str(tmp_path / "a.png"), [REFERENCE]):
        assert np.abs(colors(small_model, FRAMES, reference)[1].astype(int) - wanted).max() <= 1
    assert (colors(small_model, FRAMES, [REFERENCE, REFERENCE[::-1]])[1] != wanted).any()


def test_frames_come_as_they_are_asked_for(small_model: cm.ColorMNet) -> None:
    """A film would have to fit into memory, or a live source would stop."""
    taken = []

    def source() -> Any:
        for frame in FRAMES * 2:
            taken.append(frame)
            yield frame

    results = cm.colorize_frames(source(), REFERENCE, model=small_model, size=32, device="cpu")
    assert not taken
    next(results)
    assert len(taken) == 1
    assert not torch.is_inference_mode_enabled()
    one_by_one, at_once = colors(small_model, FRAMES * 2), colors(small_model, FRAMES * 2, batch=3)
    assert len(at_once) == 4
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(one_by_one, at_once, strict=True)) <= 1


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (FRAMES[0] * 1.0, r"RGB in 0\.\.1, got values from"),
        (np.full((48, 72), np.nan), "got values from nan"),
        (FRAMES[0].astype(np.int32), "uint8, uint16 or floats, got int32"),
        (np.zeros((48, 72, 4), EIGHT_BITS), r"\[H, W, 3\] or \[3, H, W\], got \[48, 72, 4\]"),
        (np.zeros((0, 72), EIGHT_BITS), "no pixels"),
        ([[1, 2]], "a NumPy array or a tensor, got list"),
    ],
)
def test_what_is_no_frame_is_reported(frame: Any, sentence: str, small_model: cm.ColorMNet) -> None:
    """The film would be white, or end in an error of torch."""
    with pytest.raises(ValueError, match=sentence):
        colors(small_model, [frame])


def test_references_and_settings_are_checked_at_once(small_model: cm.ColorMNet) -> None:
    """The error would come where the first frame is asked for, far from its cause."""
    for reference, error, sentence in (
        (FRAMES[0], cm.MediaError, "is gray"),
        ("none.png", cm.MediaError, "does not exist"),
        ([], cm.UsageError, "no reference"),
    ):
        with pytest.raises(error, match=sentence):
            cm.colorize_frames(FRAMES, reference, model=small_model, device="cpu")
    with pytest.raises(cm.UsageError, match="`size` is 3"):
        cm.colorize_frames(FRAMES, REFERENCE, model=small_model, size=3, device="cpu")


def test_suspicious_ranges_are_noticed(small_model: cm.ColorMNet) -> None:
    """L in 0..1, and RGB given as Lab, gave dark or wrong colors without a word."""
    rgb = torch.from_numpy(REFERENCE).permute(2, 0, 1) / 255
    lab = cm.rgb_to_lab(rgb)
    for suspicious, sentence in (
        (255 * rgb, r"RGB in 0\.\.255"),
        (rgb, r"RGB in 0\.\.1"),
        (torch.cat((lab[:1] / 100, lab[1:])), "multiply it by 100"),
    ):
        with pytest.warns(UserWarning, match=sentence):
            cm.Exemplar(suspicious)
    gray = torch.from_numpy(FRAMES[0])[None] / 255
    network, full_size = cm.Colorizer(small_model), cm.FrameColorizer(cm.Colorizer(small_model), [cm.Exemplar(lab)])
    network.set_exemplar(lab)
    for step in (network.step, full_size.step):
        with pytest.raises(ValueError, match=r"lightness in 0\.\.100, got lightness from"):
            step(255 * gray)
        with pytest.warns(UserWarning, match="multiply it by 100"):
            step(gray)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cm.Exemplar(lab)
        cm.Exemplar(torch.zeros(3, 8, 8))  # a black shot
        step(gray)  # once
