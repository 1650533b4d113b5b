"""The worst frames of an evaluation: which they are, and how they look."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
import torch

from ..color.lab import lab_to_rgb, rgb_to_lab
from ..media.clips import Frame
from ..media.image_file import to_pixels, to_rgb
from ..metrics import ciede2000
from ..opencv import cv2
from .tables import Metric

__all__ = [
    "ERROR_MAP_MAXIMUM",
    "SPACING",
    "WorstFrame",
    "WorstFrames",
    "data_uri",
    "error_colors",
    "thumbnail",
    "views",
]

SPACING = 12  # frames: closer ones look the same
WIDTH = 480  # pixels: frames are kept no wider
ERROR_MAP_MAXIMUM = 30.0  # CIEDE2000 of the brightest color of an error map, the same in all reports


@dataclass(frozen=True)
class WorstFrame:
    clip: str
    frame: int
    value: float  # of the metric by which frames are chosen
    result: bytes  # JPEG, at most WIDTH wide
    reference: bytes


class WorstFrames:
    """The `keep` worst frames of a stream by one metric: the worst one, then the worst of those that are not closer to
    it than SPACING in the same clip, and so on.

    What is kept in between is bounded, and enough to be exact. A frame is dropped once `keep` worse ones are known that
    are all 2·SPACING apart: each of them is either chosen or close to a worse one that is, and to no two the same, so
    that `keep` worse frames than the dropped one are chosen in any case.
    """

    def __init__(self, keep: int, metric: Metric) -> None:
        self._keep, self._metric = keep, metric
        self._candidates: list[WorstFrame] = []  # worst first, the earlier one where two are equal
        self._limit = float("-inf")

    def offer(self, clip: str, frame: int, value: float, result: Frame, reference: Frame) -> None:
        """The next frame [H, W, 3] of a clip; left out if its value is nan, or the PSNR of an identical frame."""
        if not self._metric.badness(value) > self._limit or not self._keep:
            return
        self._candidates.append(WorstFrame(clip, frame, value, thumbnail(result), thumbnail(reference)))
        self._candidates.sort(key=lambda candidate: -self._metric.badness(candidate.value))
        far_apart = self._spaced(2 * SPACING)
        if len(far_apart) == self._keep:
            self._limit = self._metric.badness(far_apart[-1].value)
            del self._candidates[self._candidates.index(far_apart[-1]) + 1 :]

    def frames(self) -> tuple[WorstFrame, ...]:
        """Worst first."""
        return tuple(self._spaced(SPACING))

    def _spaced(self, distance: int) -> list[WorstFrame]:
        chosen: list[WorstFrame] = []
        for one in self._candidates:
            if len(chosen) < self._keep and not any(
                one.clip == other.clip and abs(one.frame - other.frame) < distance for other in chosen
            ):
                chosen.append(one)
        return chosen


def thumbnail(frame: Frame) -> bytes:
    """RGB [H, W, 3] → JPEG at most WIDTH wide."""
    height, width = frame.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    return _jpeg(frame)


def _jpeg(frame: Frame) -> bytes:
    """RGB [H, W, 3] → JPEG with chroma at full resolution."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), options)[1].tobytes()


def views(worst: WorstFrame) -> list[tuple[str, str]]:
    """(caption, data URI of a JPEG) of input, result, reference and error map."""
    result, reference = (rgb_to_lab(to_rgb(_decoded(jpeg))) for jpeg in (worst.result, worst.reference))
    gray = torch.cat((reference[:1], torch.zeros_like(reference[1:])))
    error = ciede2000(result[None], reference[None], per_pixel=True)[0] / ERROR_MAP_MAXIMUM
    pictures = {
        "Input": _jpeg(to_pixels(lab_to_rgb(gray), 8)),
        "Result": worst.result,
        "Reference": worst.reference,
        "Error (CIEDE2000)": _jpeg(_inferno(error.clamp(0, 1).numpy())),
    }
    return [(name, data_uri(data)) for name, data in pictures.items()]


def data_uri(jpeg: bytes) -> str:
    """For the `src` of an image in HTML."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _decoded(jpeg: bytes) -> Frame:
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(bgr, np.uint8)[..., ::-1])


def error_colors() -> list[str]:
    """Nine colors of an error map from no error to ERROR_MAP_MAXIMUM, in CSS notation."""
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in _inferno(np.linspace(0, 1, 9)[None])[0]]


def _inferno(share: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Frame:
    """0..1 [H, W] → RGB [H, W, 3], in a color map that color-blind people can order."""
    bgr = cv2.applyColorMap((share * 255).round().astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(bgr, np.uint8)[..., ::-1]
