"""Moving pictures, as folders and films, to test evaluation with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np


def picture(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth colored picture; content moves left with `number`."""
    noise = np.random.default_rng(7).integers(0, 256, (height, width + 96, 3), dtype=np.uint8)
    wide = cv2.GaussianBlur(noise, (0, 0), 4)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)
    return np.ascontiguousarray(wide[:, number : number + width])


def faded(rgb: np.ndarray, share: float = 0.5) -> np.ndarray:
    gray = rgb.mean(-1, keepdims=True)
    return (share * rgb + (1 - share) * gray).round().astype(np.uint8)


def write_frames(
    folder: Path,
    count: int,
    change: Callable[[np.ndarray], np.ndarray] = lambda x: x,
    size: tuple[int, int] = (48, 64),
) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), change(picture(number, *size))[..., ::-1])
    return folder


def write_film(path: Path, frames: list[np.ndarray], pix_fmt: str = "bgr0") -> Path:
    """Lossless, in RGB."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=24)
        video.height, video.width, video.pix_fmt = *frames[0].shape[:2], pix_fmt
        for rgb in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)))
        out.mux(video.encode(None))
    return path


def two_clips(root: Path) -> tuple[Path, Path]:
    """Result and reference: two clips each, of different lengths; the second result is better."""
    for name, count, share in (("one", 6, 0.3), ("two", 12, 0.8)):
        write_frames(root / "truth" / name, count)
        write_frames(root / "result" / name, count, lambda x, share=share: faded(x, share))  # type: ignore[misc]
    return root / "result", root / "truth"
