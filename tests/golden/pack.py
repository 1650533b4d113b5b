"""Pack the golden files small enough to be committed: frames as lossless WebP, answers at every second or third pixel.

python tests/golden/pack.py FOLDER_OF_THE_ORIGINAL_NPZ_FILES
"""

import sys
from pathlib import Path

import cv2
import numpy as np

CLIPS = ("first_frame", "any_exemplar_padded", "eviction")
LISTS = ("automatic", "deep_exemplar", "consistency")


def pack_clips(source: Path, target: Path) -> None:
    for name in CLIPS:
        clip = dict(np.load(source / f"{name}.npz"))
        pack_frames(clip, "frames", clip.pop("frames"))
        clip["ab"] = clip["ab"][..., ::2, ::2]
        np.savez_compressed(target / f"{name}.npz", **clip)


def pack_frames(packed: dict[str, np.ndarray], name: str, frames: np.ndarray) -> None:
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101]
    pictures = [cv2.imencode(".webp", rgb[..., ::-1], lossless)[1] for rgb in frames]
    packed[f"{name}_webp"], packed[f"{name}_length"] = np.concatenate(pictures), np.array([len(p) for p in pictures])


def pack_networks(source: Path, target: Path) -> None:
    """Every third pixel: all places within an upsampled block of two or four occur."""
    automatic = dict(np.load(source / "automatic.npz"))
    for name in automatic:
        if name.endswith("_ab"):
            automatic[name] = automatic[name][..., ::3, ::3]
    np.savez_compressed(target / "automatic.npz", **automatic)

    deep = dict(np.load(source / "deep_exemplar.npz"))
    for case in ("even", "padded"):  # all but the last frame's answers are what the next frame is given
        deep[f"{case}_hard_ab_end"] = deep[f"{case}_hard_ab"][-1, :, ::3, ::3]
        deep[f"{case}_hard_ab"] = deep[f"{case}_hard_ab"][:-1]
        pack_frames(deep, f"{case}_frames", deep.pop(f"{case}_frames"))
    np.savez_compressed(target / "deep_exemplar.npz", **deep)

    steady = dict(np.load(source / "consistency.npz"))
    steady["output"] = steady["output"][..., ::3, ::3]
    for name in ("input", "processed"):
        pack_frames(steady, name, steady.pop(name))
    np.savez_compressed(target / "consistency.npz", **steady)


if __name__ == "__main__":
    pack_clips(Path(sys.argv[1]), Path(__file__).parent)
    pack_networks(Path(sys.argv[1]), Path(__file__).parent)
