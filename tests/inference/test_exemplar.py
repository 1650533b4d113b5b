"""Whether an exemplar is the film's first frame: taken for one that it is not, every frame suffers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data

from colormnet_cli.color.lab import rgb_to_lab
from colormnet_cli.errors import MediaError
from colormnet_cli.inference.exemplar import Exemplar, first_frame_among, is_first_frame
from colormnet_cli.media.image_file import to_rgb
from support.scans import rgb_frame

pytestmark = pytest.mark.usefixtures("one_thread")


def exemplar_of(rgb: NDArray[np.uint8]) -> Exemplar:
    return Exemplar(rgb_to_lab(to_rgb(rgb)), "memory")


def lightness_of(rgb: NDArray[np.uint8]) -> torch.Tensor:
    """L of the black-and-white film made of it: [1,H,W]."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return rgb_to_lab(to_rgb(np.dstack([gray] * 3)))[:1]


def test_the_first_frame_is_known_through_jpeg_size_and_tone() -> None:
    """Not recognized, the film's first frame is colored from memory instead of as it is."""
    rgb = rgb_frame(0, 240, 320)
    L = lightness_of(rgb)
    tones = rgb / 255
    variants = {
        "same": rgb,
        "jpeg": cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR),
        "half": cv2.resize(rgb, (160, 120), interpolation=cv2.INTER_AREA),
        "double": cv2.resize(rgb, (640, 480), interpolation=cv2.INTER_CUBIC),
        "three pixels wider": cv2.resize(rgb, (323, 240), interpolation=cv2.INTER_LINEAR),
        "contrast": (tones * 0.7 + 0.1) * 255,
        "gamma": tones**1.3 * 255,
        "grain": rgb + np.random.default_rng(0).normal(0, 8, rgb.shape),
    }
    for name, variant in variants.items():
        assert is_first_frame(exemplar_of(variant.clip(0, 255).astype(np.uint8)), L), name


@pytest.mark.parametrize("weights", [(0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)])
def test_the_first_frame_of_a_film_that_was_made_gray_is_known(weights: tuple[float, ...]) -> None:
    """Luma and Lab lightness of strong colors differ by tens of units; cartoons are made of such colors."""
    rgb = np.zeros((120, 160, 3), np.uint8)
    for i, strong in enumerate(
        [(230, 20, 20), (20, 20, 230), (20, 200, 40), (230, 220, 30), (200, 30, 200), (20, 200, 220)]
    ):
        rgb[:, 27 * i : 27 * i + 27] = strong
        cv2.circle(rgb, (27 * i, 20 + 15 * i), 12, strong[::-1], -1)
    gray = np.round(rgb @ np.array(weights)).astype(np.uint8)
    L = rgb_to_lab(to_rgb(np.dstack([gray] * 3)))[:1]
    assert (rgb_to_lab(to_rgb(rgb))[:1] - L).abs().max() > 10
    assert is_first_frame(exemplar_of(rgb), L)
    assert not is_first_frame(exemplar_of(np.ascontiguousarray(rgb[:, ::-1])), L)


def test_another_picture_is_not_the_first_frame() -> None:
    """Taken for it, its colors would lie beside the objects, in the memory for the whole film."""
    rgb = rgb_frame(0, 240, 320)
    L = lightness_of(rgb)
    moved = rgb.copy()
    moved[60:180, 90:200] = rgb[60:180, 100:210]  # the head, a little to the side
    variants = {
        "mirrored": rgb[:, ::-1],
        "panned": cv2.resize(data.astronaut()[12:396, 12:], (320, 240), interpolation=cv2.INTER_AREA),
        "something moved": moved,
        "cropped": rgb[:, :270],
        "negative": 255 - rgb,
        "flat": np.full_like(rgb, (200, 30, 30)),
        "another": cv2.resize(data.coffee(), (320, 240), interpolation=cv2.INTER_AREA),
    }
    for name, variant in variants.items():
        assert not is_first_frame(exemplar_of(np.ascontiguousarray(variant)), L), name
    assert not is_first_frame(exemplar_of(rgb), torch.zeros(1, 240, 320))  # a film that begins in black
    assert not is_first_frame(exemplar_of(rgb[:1, :1]), torch.full((1, 1, 1), 50.0))


def test_the_users_choice_decides_and_an_impossible_one_is_reported() -> None:
    """--ref-is-first-frame on a picture of another shape would stretch it over the film."""
    rgb = rgb_frame(0, 240, 320)
    L = lightness_of(rgb)
    same, other = exemplar_of(rgb), exemplar_of(rgb[:, :200])
    assert first_frame_among([other, same], L) == 1
    assert first_frame_among([other], L) is None
    assert first_frame_among([same], L, ref_is_first=False) is None
    assert first_frame_among([exemplar_of(255 - rgb)], L, ref_is_first=True) == 0
    with pytest.raises(MediaError, match="200×240 and cannot be the first frame of a film of 320×240"):
        first_frame_among([other], L, ref_is_first=True)
