"""Planes in, planes out: a mistake here is a color cast, color beside its object, or a darker film."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
import torch
from skimage import color
from torch import Tensor

from colormnet_cli.color.chroma import chroma_planes, luma_to_lightness
from colormnet_cli.color.guided_upsampling import upsample_ab
from colormnet_cli.color.planes import PlaneFormat, working_size
from colormnet_cli.color.resize import resize

pytestmark = pytest.mark.usefixtures("one_thread")


# Rec. ITU-R BT.601, BT.709 and BT.2020: Kr, Kg, Kb
WEIGHTS = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722), "bt2020": (0.2627, 0.678, 0.0593)}


def expected_planes(lab: np.ndarray, fmt: PlaneFormat) -> tuple[np.ndarray, np.ndarray]:
    """Cb and Cr of [H,W,3] Lab in float64, from scikit-image and the recommendations; not yet rounded."""
    rgb = color.lab2rgb(lab.astype(np.float64))
    kr, kg, kb = WEIGHTS[fmt.matrix]
    y = rgb @ np.array([kr, kg, kb])
    planes = []
    for difference in ((rgb[..., 2] - y) / (2 - 2 * kb), (rgb[..., 0] - y) / (2 - 2 * kr)):
        plane = difference
        for axis, step in ((1, fmt.subsampling[0]), (0, fmt.subsampling[1])):
            on_luma = fmt.siting in (("left", "topleft") if axis == 1 else ("topleft",))
            plane = np.apply_along_axis(grid_1d, axis, plane, step, on_luma)
        if fmt.full_range:
            planes.append(plane * (2**fmt.bits - 1) + 2 ** (fmt.bits - 1))
        else:
            planes.append((plane * 224 + 128) * 2 ** (fmt.bits - 8))
    return planes[0], planes[1]


def grid_1d(line: np.ndarray, step: int, on_luma: bool) -> np.ndarray:
    """Average one row of luma samples onto every `step`-th place, sample by sample."""
    if step == 1:
        return line
    out = []
    for i in range(0, len(line), step):
        if on_luma:
            taps = [(step - abs(k), line[min(max(i + k, 0), len(line) - 1)]) for k in range(1 - step, step)]
        else:
            taps = [(1, line[min(i + k, len(line) - 1)]) for k in range(step)]
        out.append(sum(w * v for w, v in taps) / sum(w for w, _ in taps))
    return np.array(out)


def random_lab(height: int, width: int, seed: int = 0) -> Tensor:
    """Every color, half of them outside sRGB."""
    lab = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    return lab * torch.tensor([100.0, 160.0, 160.0])[:, None, None] - torch.tensor([0.0, 80.0, 80.0])[:, None, None]


FORMATS = [
    PlaneFormat(bits, full, matrix, subsampling, siting)
    for bits, full, matrix, subsampling, siting in itertools.product(
        (8, 10, 12, 16),
        (False, True),
        ("bt601", "bt709", "bt2020"),
        ((2, 2), (2, 1), (1, 1), (4, 1), (1, 2)),
        ("left", "topleft", "center"),
    )
]


@pytest.mark.parametrize("fmt", FORMATS[::7], ids=str)
def test_chroma_equals_float64_within_one_code_of_eight_bits(fmt: PlaneFormat) -> None:
    """A wrong matrix, range or siting tints or shifts the whole film."""
    lab = random_lab(13, 21)
    planes = chroma_planes(lab[:1], lab[1:], fmt)
    for plane, wanted in zip(planes, expected_planes(lab.permute(1, 2, 0).numpy(), fmt), strict=True):
        assert plane.shape == wanted.shape
        top = 2**fmt.bits - 1
        # half a code for rounding, and of 16 bits what float32 costs
        off = np.abs(plane.numpy().astype(np.float64) - wanted.clip(0, top)).max()
        assert off <= 0.5 + 0.01 * 2 ** (fmt.bits - 8), f"{off} codes"
        assert off / 2 ** (fmt.bits - 8) < 1


def test_gray_stays_gray_at_every_depth() -> None:
    """ab = 0 must give the middle code, or black-and-white parts of the film are tinted."""
    L = torch.linspace(0, 100, 64).reshape(1, 8, 8)
    for fmt in FORMATS:
        for plane in chroma_planes(L, torch.zeros(2, 8, 8), fmt):
            assert (plane.int() - 2 ** (fmt.bits - 1)).abs().max() <= (0 if fmt.bits < 16 else 3), fmt


def test_siting_moves_color_where_the_film_says() -> None:
    """Half a pixel of shift at every red edge: seen as fringes."""
    ab = torch.zeros(2, 2, 8)
    ab[0, :, 4:] = 60
    L = torch.full((1, 2, 8), 50.0)
    cr = {s: chroma_planes(L, ab, PlaneFormat(siting=s))[1][0].tolist() for s in ("left", "center")}  # type: ignore[arg-type]
    assert cr["center"][1] == 128
    assert cr["center"][2] == cr["center"][3] > 150
    assert cr["left"][1] == 128
    assert cr["left"][1] < cr["left"][2] < cr["left"][3]
    assert (cr["left"][2] - 128) / (cr["left"][3] - 128) == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("full", [False, True])
def test_lightness_is_that_of_the_gray_picture(bits: int, full: bool) -> None:
    """The network was trained on scikit-image's L; a range mistaken shifts every tone."""
    codes = np.append(np.arange(0, 2**bits, max(1, 2 ** (bits - 10))), 2**bits - 1)
    scale = 2 ** (bits - 8)
    gray = (codes / (2**bits - 1)) if full else ((codes - 16 * scale) / (219 * scale)).clip(0, 1)
    wanted = color.rgb2lab(np.repeat(gray[None, :, None], 3, axis=2))[..., 0]
    y = torch.from_numpy(codes.astype(np.uint8 if bits == 8 else np.uint16))[None]
    L = luma_to_lightness(y, PlaneFormat(bits=bits, full_range=full))
    assert L.shape == (1, 1, len(codes))
    assert L.dtype == torch.float32
    assert np.abs(L[0].numpy() - wanted).max() < 1e-3
    assert float(L.min()) == pytest.approx(0, abs=1e-4)
    assert float(L.max()) == pytest.approx(100, abs=1e-4)


@pytest.mark.parametrize(
    ("size", "working", "wanted"),
    [
        ((1080, 1920), 480, (480, 853)),
        ((1920, 1080), 480, (853, 480)),
        ((479, 853), 480, (479, 853)),
        ((480, 640), 480, (480, 640)),
        ((240, 416), 480, (240, 416)),
        ((1080, 1920), "source", (1080, 1920)),
        ((1, 1), 480, (1, 1)),
        ((4000, 3), 1, (1333, 1)),
    ],
)
def test_working_size_keeps_the_aspect_ratio_and_never_enlarges(
    size: tuple[int, int], working: Any, wanted: tuple[int, int]
) -> None:
    """A stretched picture is not what the network was trained on; an enlarged one only costs time."""
    assert working_size(size, working) == wanted


def test_the_same_size_changes_nothing() -> None:
    """With --size source the network's ab is used as it is."""
    ab, L = torch.randn(2, 9, 7), torch.rand(1, 9, 7) * 100
    assert torch.equal(upsample_ab(ab, L, L), ab)
    assert torch.equal(resize(L, (9, 7)), L)


@pytest.mark.parametrize("full", [(1, 1), (2, 3), (853, 479), (17, 1)])
def test_any_size_goes_through(full: tuple[int, int]) -> None:
    """Odd and tiny films exist; none may end in a traceback."""
    y = torch.randint(0, 256, full, dtype=torch.uint8)
    fmt = PlaneFormat()
    L = luma_to_lightness(y, fmt)
    small = working_size(full, 100)
    L_small = resize(L, small)
    ab = upsample_ab(torch.randn(2, *small), L_small, L)
    cb, cr = chroma_planes(L, ab, fmt)
    assert cb.shape == cr.shape == (-(-full[0] // 2), -(-full[1] // 2))
    assert cb.dtype == torch.uint8


def test_a_batch_gives_what_single_frames_give() -> None:
    """Look-ahead must not change the picture."""
    y = torch.randint(0, 1024, (3, 27, 31), dtype=torch.int16)
    fmt = PlaneFormat(bits=10)
    ab = torch.randn(3, 2, 9, 10) * 30

    def planes(y: Tensor, ab: Tensor) -> Tensor:
        L = luma_to_lightness(y, fmt)
        return torch.stack(chroma_planes(L, upsample_ab(ab, resize(L, (9, 10)), L), fmt))

    together = planes(y, ab)
    for k in range(3):
        assert (together[:, k].int() - planes(y[k], ab[k]).int()).abs().max() == 0


@pytest.mark.gpu
def test_a_gpu_gives_the_same_and_keeps_up_with_1080p() -> None:
    """The network takes most of a frame's time; bringing color to full size must not cost as much again."""
    y = torch.randint(16, 236, (1080, 1920), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    fmt, small = PlaneFormat(), working_size((1080, 1920), 480)
    ab = torch.nn.functional.avg_pool2d(torch.randn(1, 2, *small) * 60, 5, 1, 2)[0]

    def planes(device: str) -> tuple[Tensor, Tensor]:
        L = luma_to_lightness(y.to(device), fmt)
        return chroma_planes(L, upsample_ab(ab.to(device), resize(L, small), L), fmt)

    for on_cpu, on_gpu in zip(planes("cpu"), planes("cuda"), strict=True):
        assert (on_cpu.int() - on_gpu.cpu().int()).abs().max() <= 1
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(60):
        planes("cuda")
    torch.cuda.synchronize()
    assert time.perf_counter() - started < 1


def test_misuse_is_reported() -> None:
    """Someone who builds on the API learns what came and what was meant."""
    for kwargs, word in [
        ({"bits": 7}, "bits"),
        ({"matrix": "bt470"}, "matrix"),
        ({"siting": "right"}, "siting"),
        ({"subsampling": (3, 1)}, "subsampling"),
    ]:
        with pytest.raises(ValueError, match=word):
            PlaneFormat(**kwargs)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="integers"):
        luma_to_lightness(torch.rand(4, 4), PlaneFormat())
    with pytest.raises(ValueError, match="expected"):
        upsample_ab(torch.rand(2, 4, 4), torch.rand(1, 5, 4), torch.rand(1, 8, 8))
    for working in (0, -3, "big", 2.5):
        with pytest.raises(ValueError, match="working"):
            working_size((9, 9), working)  # type: ignore[arg-type]
