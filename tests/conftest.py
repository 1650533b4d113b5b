"""What many tests share: a small network, films in its colours, the published arithmetic's weights at random."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from fetching import hub, mirror  # noqa: F401 - fixtures
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.networks.colormnet import Key

GOLDEN = Path(__file__).parent / "golden"


def small_config(**changes: object) -> cm.ColorMNetConfig:
    """The same network with under a million parameters; pads to 16."""
    small = cm.ColorMNetConfig(
        trunk_block="basic", trunk_stem=8, trunk_widths=(16, 24, 32), trunk_depths=(1, 1, 1),
        vit_patch=16, vit_dim=32, vit_depth=2, vit_heads=2, vit_grid=8, vit_taken=(0, 1), fusion_heads=2,
        key_dim=16, value_dim=32, value_stem=8, value_widths=(8, 16, 24), value_depths=(1, 1, 1), hidden_dim=8,
        local_radius=3, decoder_widths=(32, 24, 16), update_dim=16, gate_reduction=4,
    )  # fmt: skip
    return replace(small, **changes)  # type: ignore[arg-type]


def make_small_model(seed: int = 0, **changes: object) -> cm.ColorMNet:
    """A small network with seeded random weights, lively enough that its answers differ from gray."""
    torch.manual_seed(seed)
    return cm.ColorMNet(small_config(**changes))


def random_key(generator: torch.Generator, batch: int, dim: int, h: int, w: int) -> Key:
    """Keys, shrinkage and selection of pictures that show nothing."""
    return Key(
        torch.randn(batch, dim, h, w, generator=generator),
        1 + torch.rand(batch, 1, h, w, generator=generator),
        torch.rand(batch, dim, h, w, generator=generator),
    )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every exemplar that a Colorizer is given, whether it was told to be the film's first frame."""
    heard: list[bool] = []
    set_exemplar = cm.Colorizer.set_exemplar

    def listening(self: cm.Colorizer, lab: Tensor, first_frame: bool = False) -> None:
        heard.append(first_frame)
        set_exemplar(self, lab, first_frame)

    monkeypatch.setattr(cm.Colorizer, "set_exemplar", listening)
    return heard


@pytest.fixture(scope="session")
def small_model() -> cm.ColorMNet:
    return make_small_model()


@pytest.fixture(scope="session")
def lively(small_model: cm.ColorMNet) -> cm.ColorMNet:
    """Random weights that answer in strong colours, so that some leave the gamut."""
    model = copy.deepcopy(small_model)
    with torch.no_grad():
        model.decoder.predict.weight *= 5
        model.decoder.predict.bias.zero_()
    return model


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks and pictures are not worth a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exemplar: two colours with some grain."""
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, :40], picture[:, 40:] = (40, 90, 200), (180, 120, 20)
    picture += np.random.default_rng(0).integers(0, 40, picture.shape).astype(np.uint8)
    path = tmp_path_factory.mktemp("exemplar") / "photo.png"
    cv2.imwrite(str(path), picture)
    return path


@pytest.fixture(scope="session")
def exemplar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A colour picture of the same film as the scans of `scans.py`, but none of their frames."""
    from scans import rgb_frame  # needs scikit-image, which few tests do

    path = tmp_path_factory.mktemp("exemplar") / "ref.png"
    cv2.imwrite(str(path), rgb_frame(40)[..., ::-1])
    return path


@pytest.fixture
def color(small_model: Any, photo: Path) -> Any:
    """`color(source, output, **settings)` with the small network on the CPU."""

    def run(source: Path, output: Path, progress: Any = None, **settings: Any) -> cm.Receipt:
        chosen = cm.ColorizeSettings(**{"size": 48, **settings})
        return cm.colorize_video(
            source, [photo], output, model=small_model, settings=chosen, device="cpu", progress=progress
        )

    return run


def golden_tensor(name: str, shape: list[int], dtype: str) -> Tensor:
    """One tensor of the golden checkpoint, from its own generator."""
    if dtype == "int64":
        return torch.zeros(shape, dtype=torch.int64)
    n = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape, dtype=np.float32)
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        return torch.from_numpy(1 + 0.1 * np.abs(n))
    for parts, mean, deviation in (
        (("running_mean",), 0, 0.1),
        (("gamma",), 0.3, 0.05),
        (("temperature",), 1, 0.1),
        (("pos_embed", "cls_token", "mask_token"), 0, 0.5),
        (("bias",), 0, 0.05),
    ):
        if last in parts:
            return torch.from_numpy((mean + deviation * n).astype(np.float32))
    if len(shape) == 1:
        return torch.from_numpy((1 + 0.1 * n).astype(np.float32))
    scale = np.sqrt(1 / np.prod(shape[1:]))
    scale *= 0.2 if "skip_conv" in name else 4 if "value_encoder.conv1" in name else 1
    return torch.from_numpy((n * scale).astype(np.float32))


@pytest.fixture(scope="session")
def golden_state() -> dict[str, Tensor]:
    """A checkpoint with the published one's 667 names."""
    listed = json.loads((GOLDEN / "state_dict.json").read_text())
    return {name: golden_tensor(name, shape, dtype) for name, (shape, dtype) in listed.items()}


@pytest.fixture(scope="session")
def golden_model(golden_state: dict[str, Tensor]) -> cm.ColorMNet:
    """The full network with the golden weights."""
    model = cm.ColorMNet()
    cm.load_state(model, golden_state)
    return model


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
