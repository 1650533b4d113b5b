"""Luma planes in, colour planes out: everything of a frame that happens on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color.chroma import PlaneFormat, chroma_planes, luma_to_lightness, resize, upsample_ab
from ..color.orientation import Turn
from ..inference.colorizer import Colorizer

__all__ = ["ColorPlanes", "Painter", "lightness_of"]


@dataclass(frozen=True)
class ColorPlanes:
    """Cb and Cr of some frames, on their way from the device."""

    planes: Sequence[tuple[Tensor, Tensor]]
    arrived: Any = None  # CUDA event after which the planes are there

    def numpy(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """uint8 at 8 bits, uint16 above; waits for the device."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return [(_unsigned(cb), _unsigned(cr)) for cb, cr in self.planes]


def _unsigned(plane: Tensor) -> NDArray[Any]:
    array = plane.numpy()
    return array if array.dtype == np.uint8 else array.astype(np.uint16)


def lightness_of(luma: NDArray[Any], fmt: PlaneFormat, device: torch.device) -> Tensor:
    """[H,W] of a decoder → L [1,H,W] on the device."""
    signed = luma if luma.dtype == np.uint8 else luma.view(np.int16) if fmt.bits < 16 else luma.astype(np.int32)
    plane = torch.from_numpy(signed)
    if device.type == "cuda":
        plane = plane.pin_memory()
    return luma_to_lightness(plane.to(device, non_blocking=True), fmt)


class Painter:
    """Colours frames at the working size, and brings the colour to the film's size and planes.

    Args:
        colorizer: with its exemplars set.
        size: (h, w) at which the network works, on pictures that stand upright.
        source, target: planes of the film, and of the encoder.
        guided: along the edges of the luma.
        turn: from the film's pictures to upright ones; None where they stand upright.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        size: tuple[int, int],
        source: PlaneFormat,
        target: PlaneFormat,
        guided: bool,
        turn: Turn | None = None,
    ) -> None:
        self.colorizer, self.size, self.guided = colorizer, size, guided
        self.source, self.target, self.turn = source, target, turn or Turn()

    @torch.inference_mode()
    def paint(self, lumas: Sequence[NDArray[Any]]) -> ColorPlanes:
        """The next K frames' luma [H,W] → their Cb and Cr planes."""
        device = self.colorizer.device
        full = [lightness_of(luma, self.source, device) for luma in lumas]
        small = torch.stack([resize(self.turn.upright(L), self.size) for L in full])  # [K,1,h,w]
        abs_ = self.colorizer.steps(small)  # [K,2,h,w]
        planes = [self._planes(*args) for args in zip(abs_, small, full, strict=True)]
        if device.type != "cuda":
            return ColorPlanes([(cb.cpu(), cr.cpu()) for cb, cr in planes])
        arrived: Any = torch.cuda.Event()
        copies = [(_download(cb), _download(cr)) for cb, cr in planes]
        arrived.record(torch.cuda.current_stream(device))
        return ColorPlanes(copies, arrived)

    def _planes(self, ab: Tensor, small: Tensor, full: Tensor) -> tuple[Tensor, Tensor]:
        ab, small = self.turn.stored(ab), self.turn.stored(small)
        return chroma_planes(full, upsample_ab(ab, small, full, guided=self.guided), self.target)


def _download(plane: Tensor) -> Tensor:
    """A copy to the CPU that does not wait."""
    return torch.empty(plane.shape, dtype=plane.dtype, pin_memory=True).copy_(plane, non_blocking=True)
