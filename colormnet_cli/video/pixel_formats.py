"""Pixel formats: from any decoded frame to its luma plane, and from planes to a frame for an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..color.planes import LUMA_WEIGHTS, PlaneFormat

__all__ = [
    "PixelLayout",
    "build_frame",
    "chroma_offset",
    "convert_luma",
    "luma_plane",
    "pixel_format",
    "pixel_layout",
    "samples_of",
]

Plane = NDArray[Any]  # uint8 at 8 bits, uint16 above


@dataclass(frozen=True)
class PixelLayout:
    """What a decoder's pixel format holds, and how its luma plane is extracted."""

    kind: str  # "yuv", "gray" or "rgb"
    bits: int  # of the luma plane that comes out
    subsampling: tuple[int, int]  # luma samples per chroma sample, across and down; (1, 1) for gray and rgb
    unpack: str | None  # a planar format with the same samples to convert to first; None: it is planar already
    alpha: bool


@lru_cache
def pixel_layout(name: str) -> PixelLayout:
    """The layout of a pixel format by its FFmpeg name. ValueError for what is no picture (a hardware surface)."""
    fmt = av.VideoFormat(name, 64, 64)
    parts = fmt.components
    if not parts:
        raise ValueError(f"{name} frames lie on a device")
    depth = max(part.bits for part in parts)
    alpha = any(part.is_alpha for part in parts)
    if fmt.is_rgb or fmt.has_palette or fmt.is_bayer or name.startswith("xyz"):
        deep = depth > 8
        return PixelLayout("rgb", 16 if deep else 8, (1, 1), "rgb48le" if deep else "rgb24", alpha)
    if len(parts) <= 2:
        bits = depth if 8 <= depth <= 16 else 8 if depth < 8 else 16
        planar = len(parts) == 1 and depth == bits and not fmt.is_big_endian and not fmt.is_bit_stream
        return PixelLayout("gray", bits, (1, 1), None if planar else pixel_format(bits, None), alpha)
    sampling = (64 // fmt.chroma_width(64), 64 // fmt.chroma_height(64))
    own_plane = len({part.plane for part in parts}) == len(parts)
    unpack = None if own_plane and not fmt.is_big_endian else pixel_format(depth, sampling)
    return PixelLayout("yuv", depth, sampling, unpack, alpha)


def pixel_format(bits: int, subsampling: tuple[int, int] | None) -> str:
    """FFmpeg's name of planar YUV, or of gray where `subsampling` is None, little endian."""
    names = {None: "gray", (2, 2): "yuv420p", (2, 1): "yuv422p", (1, 1): "yuv444p", (1, 2): "yuv440p"}
    names |= {(4, 1): "yuv411p", (4, 4): "yuv410p"}
    return names[subsampling] + ("" if bits == 8 else f"{bits}le")


def luma_plane(frame: av.VideoFrame, layout: PixelLayout, matrix: str) -> Plane:
    """The frame's Y′, [H, W], bit-exact; computed from RGB by `matrix`, at full range."""
    if layout.kind == "rgb":
        return _luma_of_rgb(frame.reformat(format=layout.unpack), layout.bits, matrix)
    planar = frame if layout.unpack is None else frame.reformat(format=layout.unpack)
    return np.ascontiguousarray(samples_of(planar, 0, layout.bits))


def chroma_offset(frame: av.VideoFrame, layout: PixelLayout) -> float:
    """Mean distance of Cb and Cr from gray, in 8-bit codes, over a subsample of the pixels."""
    if layout.kind == "gray":
        return 0.0
    if layout.kind == "rgb":
        rgb = _rgb(frame.reformat(format=layout.unpack), layout.bits)[::4, ::4].astype(np.float32)
        return float((rgb.max(-1) - rgb.min(-1)).mean()) / 2.0 ** (layout.bits - 7)
    planar = frame if layout.unpack is None else frame.reformat(format=layout.unpack)
    middle = 1 << (layout.bits - 1)
    planes = [samples_of(planar, i, layout.bits)[::2, ::2].astype(np.int32) for i in (1, 2)]
    return max(float(np.abs(plane - middle).mean()) for plane in planes) / 2.0 ** (layout.bits - 8)


def convert_luma(luma: Plane, bits: tuple[int, int], full: tuple[bool, bool]) -> Plane:
    """The plane at another bit depth or range, rounded; the same array where neither changes. Pairs are (from, to)."""
    if bits[0] == bits[1] and full[0] == full[1]:
        return luma
    table = _luma_table(*bits, *full)
    converted: Plane = table[luma]
    return converted


@lru_cache(maxsize=8)
def _luma_table(bits_in: int, bits_out: int, full_in: bool, full_out: bool) -> Plane:
    source, target = PlaneFormat(bits_in, full_in), PlaneFormat(bits_out, full_out)
    codes = (np.arange(2**bits_in) - source.black) / source.luma_span * target.luma_span + target.black
    return np.floor(codes + 0.5).clip(0, 2**bits_out - 1).astype(np.uint8 if bits_out == 8 else np.uint16)


def build_frame(format_name: str, planes: tuple[Plane, Plane, Plane]) -> av.VideoFrame:
    """A planar YUV frame of (Y′, Cb, Cr)."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, format_name)
    for target, plane in zip(frame.planes, planes, strict=False):
        _rows(target, 8 if plane.dtype.itemsize == 1 else 16)[:, : plane.shape[1]] = plane
    return frame


def samples_of(frame: av.VideoFrame, index: int, bits: int) -> Plane:
    """The samples of one plane of a planar frame, [h, w], without a copy."""
    return _rows(frame.planes[index], bits)[:, : frame.planes[index].width]


def _rows(plane: Any, bits: int) -> Plane:
    """A plane's whole buffer [h, line], top row first, with the padding at the right."""
    rows: Plane = np.frombuffer(plane, dtype=np.uint8 if bits == 8 else np.uint16).reshape(plane.height, -1)
    return rows[::-1] if plane.line_size < 0 else rows  # bottom-up: the buffer begins at its lowest address


def _rgb(frame: av.VideoFrame, bits: int) -> Plane:
    """Packed RGB, [h, w, 3]."""
    width = frame.width
    return _rows(frame.planes[0], bits)[:, : width * 3].reshape(-1, width, 3)


def _luma_of_rgb(frame: av.VideoFrame, bits: int, matrix: str) -> Plane:
    kr, kb = LUMA_WEIGHTS[matrix]
    rgb = _rgb(frame, bits).astype(np.float32)
    luma: Plane = kr * rgb[..., 0] + (1 - kr - kb) * rgb[..., 1] + kb * rgb[..., 2]
    return (luma + 0.5).astype(np.uint8 if bits == 8 else np.uint16)
