"""Pack the golden clips small enough to be committed: frames as lossless WebP, ab at every second pixel.

python tests/golden/pack.py FOLDER_OF_THE_ORIGINAL_NPZ_FILES
"""

import sys
from pathlib import Path

import cv2
import numpy as np

CLIPS = ("first_frame", "any_exemplar_padded", "eviction")


def pack(source: Path, target: Path) -> None:
    for name in CLIPS:
        clip = dict(np.load(source / f"{name}.npz"))
        lossless = [cv2.IMWRITE_WEBP_QUALITY, 101]
        pictures = [cv2.imencode(".webp", rgb[..., ::-1], lossless)[1] for rgb in clip.pop("frames")]
        clip["frames_webp"], clip["frames_length"] = np.concatenate(pictures), np.array([len(p) for p in pictures])
        clip["ab"] = clip["ab"][..., ::2, ::2]
        np.savez_compressed(target / f"{name}.npz", **clip)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(__file__).parent)
