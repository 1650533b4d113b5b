"""Luma to a GPU and chroma back, with as much of torch.cuda as that needs."""

from __future__ import annotations

import pytest
import torch

from colormnet_cli.color.chroma import PlaneFormat
from colormnet_cli.film.transfer import download_chroma
from support.fake_cuda import fake_cuda, stub_cuda


def test_waiting_for_the_device_takes_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event spins unless it is made otherwise: on two cores the encoder would lose one of them."""
    events = stub_cuda(monkeypatch)
    with fake_cuda():
        download_chroma([torch.empty(1, 8, 8)], [torch.empty(2, 8, 8)], PlaneFormat())
    assert events == [{"blocking": True}]
