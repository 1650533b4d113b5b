"""Luma planes to the device as lightness, ab back from it as chroma planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color.chroma import chroma_planes, luma_to_lightness
from ..color.planes import PlaneFormat
from ..errors import NotFiniteError

__all__ = ["ChromaPlanes", "download", "download_chroma", "not_finite", "to_cpu", "upload_luma"]


def not_finite(picture: str, precision: str) -> NotFiniteError:
    """The error for colors that are not finite. picture: which, such as "frame 7"."""
    return NotFiniteError(
        f"The network's colors of {picture} are not finite in {precision}: choose a precision with a larger range "
        "(bf16 or fp32); if that does not help, the weights are bad."
    )


def upload_luma(luma: NDArray[Any], fmt: PlaneFormat, device: torch.device) -> Tensor:
    """A decoder's luma plane [H, W] to lightness [1, H, W] on the device."""
    signed = luma if luma.dtype == np.uint8 else luma.view(np.int16) if fmt.bits < 16 else luma.astype(np.int32)
    plane = torch.from_numpy(signed)
    if device.type == "cuda":
        plane = plane.pin_memory()
    return luma_to_lightness(plane.to(device, non_blocking=True), fmt)


@dataclass(frozen=True)
class ChromaPlanes:
    """Cb and Cr (or all planes) of a batch of frames, while they are copied from the device."""

    planes: Sequence[tuple[Tensor, ...]]
    finite: Tensor  # of each frame, whether all its colors are
    arrived: Any = None  # the CUDA event after which the planes are complete

    @property
    def nbytes(self) -> int:
        """Bytes of all planes."""
        return sum(plane.nbytes for planes in self.planes for plane in planes)

    def numpy(self) -> list[tuple[NDArray[Any], ...]]:
        """uint8 at 8 bits, uint16 above; waits for the device."""
        self._wait()
        return [tuple(map(_unsigned, planes)) for planes in self.planes]

    def check_finite(self, numbers: Sequence[int], precision: str) -> None:
        """Raise a NotFiniteError for the first frame whose colors are not all finite; waits for the device."""
        self._wait()
        for number, finite in zip(numbers, self.finite.tolist(), strict=True):
            if not finite:
                raise not_finite(f"frame {number}", precision)

    def _wait(self) -> None:
        if self.arrived is not None:
            self.arrived.synchronize()


@torch.inference_mode()
def download_chroma(Ls: Sequence[Tensor], abs_: Sequence[Tensor], fmt: PlaneFormat) -> ChromaPlanes:
    """Lightness [1, H, W] and ab [2, H, W] of each frame to chroma planes on the CPU; does not wait for the device."""
    return download([chroma_planes(L, ab, fmt) for L, ab in zip(Ls, abs_, strict=True)], abs_)


@torch.inference_mode()
def download(planes: Sequence[tuple[Tensor, ...]], abs_: Sequence[Tensor]) -> ChromaPlanes:
    """Planes of each frame, made from its ab, to the CPU; does not wait for the device."""
    finite = torch.stack([ab.isfinite().all() for ab in abs_])
    device = finite.device
    if device.type != "cuda":
        return ChromaPlanes([tuple(plane.cpu() for plane in frame) for frame in planes], finite.cpu())
    arrived: Any = torch.cuda.Event(blocking=True)  # else the waiting thread takes a core that the encoder needs
    copies, finite = [tuple(map(_copy, frame)) for frame in planes], _copy(finite)
    arrived.record(torch.cuda.current_stream(device))
    return ChromaPlanes(copies, finite, arrived)


def to_cpu(values: Tensor) -> Tensor:
    """A copy on the CPU that is complete with the next `ChromaPlanes`; it does not wait for the device."""
    return _copy(values) if values.device.type == "cuda" else values.cpu()


def _copy(plane: Tensor) -> Tensor:
    """A copy in pinned memory, made asynchronously."""
    return torch.empty(plane.shape, dtype=plane.dtype, pin_memory=True).copy_(plane, non_blocking=True)


def _unsigned(plane: Tensor) -> NDArray[Any]:
    array = plane.numpy()
    return array if array.dtype == np.uint8 else array.astype(np.uint16)
