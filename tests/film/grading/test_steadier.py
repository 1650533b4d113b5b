"""Steady chroma from flickering chroma and the luma of the film."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from colormnet_cli.film.grading.steadier import Chroma, steady_chroma
from support.films import picture

FRAMES, HEIGHT, WIDTH, RADIUS = 9, 48, 64, 2


def film(seed: int = 0, flicker: float = 0.05) -> tuple[list[NDArray[np.uint8]], list[Chroma], list[Chroma]]:
    """Luma of a square that moves, its true chroma, and the same with a random shift of each frame."""
    random = np.random.default_rng(seed)
    lumas = [picture(number, HEIGHT, WIDTH) for number in range(FRAMES)]
    small = [luma[::2, ::2].astype(np.float32) / 255 for luma in lumas]
    true = [np.dstack([0.1 - 0.2 * luma, 0.2 * luma]).astype(np.float32) for luma in small]
    shifted = [chroma + random.normal(0, flicker, 2).astype(np.float32) for chroma in true]
    return lumas, true, shifted


def error(result: list[Chroma], truth: list[Chroma]) -> float:
    return float(np.mean(np.square(np.stack(result) - np.stack(truth))))


def flicker(result: list[Chroma], truth: list[Chroma]) -> float:
    """Mean square of how much the mean error changes from frame to frame."""
    means = (np.stack(result) - np.stack(truth)).mean((1, 2))
    return float(np.mean(np.square(np.diff(means, axis=0))))


def test_flicker_is_removed() -> None:
    """What the command promises: steadier, and nearer to the true colors."""
    lumas, true, shifted = film()
    steady = list(steady_chroma(zip(lumas, shifted, strict=True), {0}, RADIUS))
    assert len(steady) == FRAMES
    assert flicker(steady, true) < 0.1 * flicker(shifted, true)
    assert error(steady, true) < 10**-0.2 * error(shifted, true)  # by 2 dB


def test_steady_colors_stay() -> None:
    """A film without flicker would get blurred colors."""
    lumas, true, _ = film()
    steady = list(steady_chroma(zip(lumas, true, strict=True), {0}, RADIUS))
    assert np.abs(np.stack(steady) - np.stack(true)).mean() < 0.5 / 255


def test_one_gray_frame_gets_its_colors_back() -> None:
    """Frames that another tool left gray would flash."""
    lumas, true, _ = film()
    dropped = [*true[:4], np.zeros_like(true[4]), *true[5:]]
    steady = list(steady_chroma(zip(lumas, dropped, strict=True), {0}, RADIUS))
    assert error(steady[4:5], true[4:5]) < 0.5 * error(dropped[4:5], true[4:5])


def test_no_color_crosses_a_cut() -> None:
    """Shots of equal luma would bleed into each other."""
    lumas, true, _ = film()
    other = [-chroma for chroma in true]
    mixed = [*true[:5], *other[5:]]
    cut = list(steady_chroma(zip(lumas, mixed, strict=True), {0, 5}, RADIUS))
    alone = [
        *steady_chroma(zip(lumas[:5], true[:5], strict=True), {0}, RADIUS),
        *steady_chroma(zip(lumas[5:], other[5:], strict=True), {0}, RADIUS),
    ]
    assert all(np.array_equal(one, two) for one, two in zip(cut, alone, strict=True))
    uncut = list(steady_chroma(zip(lumas, mixed, strict=True), {0}, RADIUS))
    assert not np.array_equal(uncut[4], cut[4])


@pytest.mark.parametrize("begin", [3, 5, 6, 8])
def test_a_part_is_like_the_whole(begin: int) -> None:
    """A resumed run would differ from an uninterrupted one."""
    lumas, _, shifted = film()
    pictures = list(zip(lumas, shifted, strict=True))
    whole = list(steady_chroma(pictures, {0, 5}, RADIUS))
    last = begin - 1, whole[begin - 1]
    part = list(steady_chroma(pictures[begin - RADIUS :], {0, 5}, RADIUS, begin - RADIUS, last))[RADIUS:]
    assert all(np.array_equal(one, two) for one, two in zip(whole[begin:], part, strict=True))


def test_frames_come_while_the_film_is_read() -> None:
    """A long film would fill the memory."""
    lumas, _, shifted = film()
    read = 0

    def pictures() -> Iterator[tuple[NDArray[np.uint8], Chroma]]:
        nonlocal read
        for pair in zip(lumas, shifted, strict=True):
            read += 1
            yield pair

    for number, _ in enumerate(steady_chroma(pictures(), {0}, RADIUS)):
        assert read <= number + 1 + RADIUS
