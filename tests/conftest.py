"""What many tests share: a small network, films in its colors, the published arithmetic's weights at random."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: the other cores have tests of their own
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.inference import frame_colorizer
from support.downloads import hub, mirror  # noqa: F401 - fixtures
from support.golden import make_golden_state
from support.networks import make_small_model


@pytest.fixture
def first_frames(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every exemplar of a film, whether it was taken as the film's first frame."""
    given: list[bool] = []
    choose = frame_colorizer.first_frame_among

    def recording(exemplars: Sequence[cm.Exemplar], *more: Any) -> int | None:
        first = choose(exemplars, *more)
        given.extend(i == first for i in range(len(exemplars)))
        return first

    monkeypatch.setattr(frame_colorizer, "first_frame_among", recording)
    return given


@pytest.fixture(scope="session")
def small_model() -> cm.ColorMNet:
    return make_small_model()


@pytest.fixture(scope="session")
def lively(small_model: cm.ColorMNet) -> cm.ColorMNet:
    """Random weights that answer in strong colors, so that some leave the gamut."""
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
    """An exemplar: two colors with some grain."""
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, :40], picture[:, 40:] = (40, 90, 200), (180, 120, 20)
    picture += np.random.default_rng(0).integers(0, 40, picture.shape).astype(np.uint8)
    path = tmp_path_factory.mktemp("exemplar") / "photo.png"
    cv2.imwrite(str(path), picture)
    return path


@pytest.fixture(scope="session")
def exemplar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A color picture of the same film as the scans of `scans.py`, but none of their frames."""
    from support.scans import rgb_frame  # needs scikit-image, which few tests do

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


@pytest.fixture(scope="session")
def golden_state() -> dict[str, Tensor]:
    """A checkpoint with the published one's 667 names."""
    return make_golden_state("state_dict")


@pytest.fixture(scope="session")
def golden_model(golden_state: dict[str, Tensor]) -> cm.ColorMNet:
    """The full network with the golden weights."""
    model = cm.ColorMNet()
    cm.load_state(model, golden_state)
    return model


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):  # not `keywords`, where a folder of that name counts as well
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
    if hasattr(config, "workerinput"):  # of pytest-xdist: the longest files first, so that all workers end together
        slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
        items.sort(key=lambda item: -slow[item.path])


@pytest.fixture
def no_warning_about_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that compare warnings as a whole, of films that do not resemble the reference image."""
    from colormnet_cli.passes.match_monitor import MatchMonitor

    monkeypatch.setattr(MatchMonitor, "warning", lambda _: None)
