"""The worst frames, as pictures inside the page."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import torch

from ...color.lab import lab_to_rgb, rgb_to_lab
from ...media.clips import Frame
from ...media.image_file import to_pixels, to_rgb
from ...metrics import ciede2000
from ..worst_frames import WorstFrame

__all__ = ["TOP_OF_SCALE", "data_uri", "scale_colors", "views"]

TOP_OF_SCALE = 30.0  # CIEDE2000 that the error map shows as its brightest; the same in all reports


def views(worst: WorstFrame) -> list[tuple[str, str]]:
    """(caption, data URI) of input, result, reference and error map."""
    result, reference = (rgb_to_lab(to_rgb(frame)) for frame in (worst.result, worst.reference))
    gray = torch.cat((reference[:1], torch.zeros_like(reference[1:])))
    error = ciede2000(result[None], reference[None], per_pixel=True)[0]
    return [
        ("Input", data_uri(to_pixels(lab_to_rgb(gray), 8))),
        ("Result", data_uri(worst.result)),
        ("Reference", data_uri(worst.reference)),
        ("Error (CIEDE2000)", data_uri(_heat((error / TOP_OF_SCALE).clamp(0, 1).numpy()))),
    ]


def data_uri(frame: Frame) -> str:
    """[H, W, 3] RGB → a JPEG inside a URI."""
    bgr = np.ascontiguousarray(frame[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def scale_colors(steps: int = 9) -> list[str]:
    """The error map's colors from none to most, for its key."""
    row = _heat(np.linspace(0, 1, steps)[None])[0]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in row]


def _heat(share: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Frame:
    """0..1 [H, W] → colors [H, W, 3] that a color-blind person can order."""
    bgr = cv2.applyColorMap((share * 255).round().astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)
