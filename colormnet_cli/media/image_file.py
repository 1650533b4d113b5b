"""Reading images and writing PNG: through OpenCV.

Where OpenCV cannot be loaded, PNG, JPEG and WebP are read through torchvision, with the same pixels.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InstallationError, MediaError
from ..files import cannot_write, write_whole
from ..opencv import cv2, opencv_problem
from .image_header import has_alpha_and_pages

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["encode_png", "read_image", "read_opacity", "to_pixels", "to_rgb", "write_picture", "write_png"]


class _NativeStderr:
    """Keeps what libpng and libjpeg write to file descriptor 2 off the terminal while images are decoded.

    Nothing is done where Python's own stderr is descriptor 2: lines of other threads would be lost.
    """

    def __init__(self) -> None:
        self._lock, self._users, self._kept = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1 and self._kept < 0 and _own_stderr():
                self._kept = os.dup(2)
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 2)
                os.close(null)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._kept >= 0:
                os.dup2(self._kept, 2)
                os.close(self._kept)
                self._kept = -1


def _own_stderr() -> bool:
    """Whether Python's stderr is another descriptor than 2, as in the command."""
    try:
        return sys.stderr.fileno() != 2
    except (AttributeError, OSError, ValueError):  # replaced by an object without one, or closed
        return False


_NATIVE_STDERR = _NativeStderr()
_PNG_RGB = 2  # a color type without alpha
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


def read_image(path: str | Path) -> NDArray[Any]:
    """Read a picture: [H,W,3] RGB, uint8 or uint16, turned as its EXIF says, alpha dropped, gray as R = G = B.

    Raises:
        MediaError: it is missing, unreadable, cut off, no picture, or of another depth than 8 or 16 bit.
    """
    path = Path(path)
    data = _bytes_of(path)
    if opencv_problem():
        return _read_by_torchvision(path, data)
    # A broken picture is reported by our own sentence; OpenCV's lines would break the progress bar.
    silence = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel  # OpenCV 4, OpenCV 5
    silence(0)
    try:
        with _NATIVE_STDERR:
            bgr = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if data.size else None
    except cv2.error as error:
        raise MediaError(f"The picture {path} cannot be decoded ({error.err}).") from error
    if bgr is None:
        raise MediaError(
            f"The file {path} is not an image that OpenCV can read, or it is damaged; save it as PNG, TIFF or JPEG."
        )
    if bgr.dtype not in (np.uint8, np.uint16):
        raise MediaError(f"The picture {path} holds {bgr.dtype} samples; save it with 8 or 16 bit a channel.")
    pixels: NDArray[Any] = np.ascontiguousarray(bgr[..., ::-1])
    return pixels


def read_opacity(path: str | Path) -> NDArray[Any] | None:
    """The alpha channel of a picture [H, W], float32 in 0..1; None where it is opaque, or has none.

    Raises:
        MediaError: it cannot be read.
    """
    path = Path(path)
    data = _bytes_of(path)
    pixels: NDArray[Any] | None
    if problem := opencv_problem():
        if not has_alpha_and_pages(path)[0]:
            return None
        if data[:8].tobytes() == _PNG and data[25] == _PNG_RGB:  # one color of it is transparent
            raise InstallationError(f"{path} has a transparent color, for which OpenCV is needed. {problem}")
        pixels = _read_by_torchvision(path, data, opacity=True)
    else:
        try:
            with _NATIVE_STDERR:
                pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        except cv2.error as error:
            raise MediaError(f"The picture {path} cannot be decoded ({error.err}).") from error
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4:
        return None
    alpha: NDArray[Any] = pixels[..., 3].astype(np.float32) / (255 if pixels.dtype == np.uint8 else 65535)
    return None if alpha.min() == 1 else alpha


def _bytes_of(path: Path) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(path.read_bytes(), np.uint8)  # not cv2.imread: that takes no other alphabets on Windows
    except OSError as error:
        raise MediaError(f"The picture {path} cannot be read ({error.strerror or error}).") from error


def _read_by_torchvision(path: Path, data: NDArray[np.uint8], opacity: bool = False) -> NDArray[Any]:
    """A PNG, JPEG or WebP as [H,W,3] RGB, turned as its EXIF says; `opacity`: as [H,W,4] RGBA, not turned.

    Raises:
        InstallationError: it is another kind of image, for which OpenCV is needed.
        MediaError: it is damaged, or of a variant that torchvision does not read.
    """
    begin = data[:12].tobytes()
    if not begin.startswith((_PNG, _JPEG)) and begin[8:] != b"WEBP":
        raise InstallationError(f"{path} is no PNG, JPEG or WebP image, and others need OpenCV. {opencv_problem()}")
    import torch

    try:
        from torchvision.io import ImageReadMode, decode_image
    except ImportError as error:  # deprecated since torchvision 0.29
        raise InstallationError(f"This torchvision reads no images. {opencv_problem()}") from error
    mode = ImageReadMode.RGB_ALPHA if opacity else ImageReadMode.RGB
    try:
        with _NATIVE_STDERR:
            planes = decode_image(torch.tensor(data), mode, apply_exif_orientation=not opacity)
    except RuntimeError as error:
        raise MediaError(
            f"The picture {path} is damaged, or cannot be read without OpenCV; save it again as PNG."
        ) from error
    pixels: NDArray[Any] = planes.permute(1, 2, 0).contiguous().numpy()
    return pixels


def to_rgb(pixels: NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
    """[H,W,3] uint8 or uint16 → float32 [3,H,W] in 0…1, on the device."""
    import torch  # not to be waited for where a film is only planned

    signed = pixels if pixels.dtype == np.uint8 else pixels.view(np.int16)  # not every device knows uint16
    codes = torch.from_numpy(np.ascontiguousarray(signed)).to(device)
    if pixels.dtype != np.uint8:
        codes = codes.to(torch.int32) & 0xFFFF
    return (codes.permute(2, 0, 1).to(torch.float32) / np.iinfo(pixels.dtype).max).contiguous()


def to_pixels(rgb: Tensor, bits: int) -> NDArray[Any]:
    """Float [3,H,W] in 0…1 on any device → [H,W,3] uint8 or uint16, rounded."""
    import torch

    top = 2**bits - 1
    codes = (rgb.clamp(0, 1) * top).round().to(torch.uint8 if bits == 8 else torch.int32).permute(1, 2, 0)
    pixels: NDArray[Any] = codes.cpu().numpy().astype(np.uint8 if bits == 8 else np.uint16, copy=False)
    return pixels


def write_png(path: str | Path, pixels: NDArray[Any]) -> None:
    """Write [H,W,3] RGB, uint8 or uint16, as `write_picture` does."""
    write_picture(Path(path), encode_png(pixels))


def encode_png(pixels: NDArray[Any]) -> bytes:
    """[H,W,3] RGB, uint8 or uint16, as a PNG file."""
    _, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    return data.tobytes()


def write_picture(path: Path, data: bytes) -> None:
    """Write an encoded picture: whole under its name, or not at all.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        raise cannot_write(path, error) from error
