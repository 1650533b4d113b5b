"""Measure how much flicker `colormnet steady` removes from real clips, and what it changes in steady ones.

    python tools/measure_steady.py walk.mp4 parkour.mp4 [--frames 80] [--radius 3] [--blend 0.85] [--preview]
        [--network weights.pt]

Each clip, which must be 8-bit 4:2:0, gives films with the same luma: two whose chroma is turned (hue) and multiplied
(saturation) at random in each frame, normally distributed, twice as much in the strong one, and one with the same
change in all frames. With --preview, two more have the colors of the preview network, whose reference is the clip's
first frame: applied to each frame alone without memory, and as in use. All are made steady, losslessly; the clip itself
is the truth. Warp errors are those of `metrics/temporal.py`, times 10⁴: of RGB, which the luma is part of, and of color
alone (flicker). With --network, they are also made steady by weights that `colormnet train --config steady` wrote.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F

sys.path[:0] = [str(Path(__file__).parents[1])]

import colormnet_cli as cm  # noqa: E402
from colormnet_cli.film.grading import steadier  # noqa: E402
from colormnet_cli.film.grading.steady_film import plan_steady, steady_film  # noqa: E402
from colormnet_cli.metrics.fidelity import psnr_from_mse  # noqa: E402
from colormnet_cli.metrics.temporal import color_only, dis_flow, downscale_for_flow, flow_luma, warp_errors  # noqa: E402
from colormnet_cli.networks.blind_consistency import ColorSteadier  # noqa: E402
from colormnet_cli.settings import ColorizeSettings  # noqa: E402
from colormnet_cli.video.rgb import RgbFilm, rgb_to_planes  # noqa: E402

HUE, SATURATION = 0.25, 0.2  # standard deviations: radians, share

Change = Callable[[], tuple[float, float]]  # the next frame's angle and factor


def changed(clip: Path, path: Path, frames: int, change: Change) -> Path:
    """The clip's first frames with other chroma, as FFV1."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        video = source.streams.video[0]
        stream = out.add_stream("ffv1", rate=video.average_rate)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        for number, frame in enumerate(islice(source.decode(video), frames)):
            planes, height = frame.to_ndarray(format="yuv420p"), frame.height
            chroma = planes[height:].reshape(2, -1).astype(np.float32) - 128
            angle, factor = change()
            turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            planes[height:] = (turn @ chroma + 128).round().clip(0, 255).reshape(planes[height:].shape)
            written = av.VideoFrame.from_ndarray(planes, "yuv420p")
            written.pts = number
            out.mux(stream.encode(written))
        out.mux(stream.encode(None))
    return path


def by_preview(clip: Path, path: Path, frames: int, forgets: bool) -> Path:
    """The clip's first frames in the colors of the preview network; where it forgets, after each frame."""
    model = cm.load_model("preview")
    colorizer = None
    chroma = []
    for rgb in islice(RgbFilm(clip), frames):
        lab = cm.rgb_to_lab(torch.from_numpy(rgb).movedim(-1, 0) / 255)
        if colorizer is None:
            exemplar = cm.Exemplar(lab)
        if colorizer is None or forgets:
            colorizer = cm.FrameColorizer(cm.Colorizer(model), [exemplar])
        chroma.append(planes_of(lab[:1], colorizer.step(lab[:1])))
    return with_chroma(clip, path, chroma)


@torch.inference_mode()
def by_network(weights: Path, film: Path, path: Path) -> Path:
    """The film as a trained network steadies it, at half its size; luma is kept."""
    steadier = ColorSteadier(cm.load_model(weights).eval())
    chroma = []
    for rgb in RgbFilm(film):
        lab = cm.rgb_to_lab(torch.from_numpy(rgb).movedim(-1, 0) / 255)
        small = F.avg_pool2d(lab[None], 2)
        correction = steadier.step(small[:, :1], small[:, 1:]) - small[:, 1:]
        chroma.append(planes_of(lab[:1], lab[1:] + F.interpolate(correction, size=lab.shape[1:], mode="bilinear")[0]))
    return with_chroma(film, path, chroma)


def planes_of(L: torch.Tensor, ab: torch.Tensor) -> list[np.ndarray]:
    """Cb and Cr of Lab."""
    colored = cm.lab_to_rgb(torch.cat((L, ab))).clamp(0, 1).mul(255).round().to(torch.uint8)
    return rgb_to_planes(colored.movedim(0, -1).numpy(), "yuv420p", "bt601", False)[1:]


def with_chroma(clip: Path, path: Path, chroma: list[list[np.ndarray]]) -> Path:
    """The clip's first frames with other chroma, as FFV1."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        video = source.streams.video[0]
        stream = out.add_stream("ffv1", rate=video.average_rate)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        for number, (frame, planes) in enumerate(zip(source.decode(video), chroma, strict=False)):
            whole = frame.to_ndarray(format="yuv420p")
            whole[frame.height :] = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, frame.width)
            written = av.VideoFrame.from_ndarray(whole, "yuv420p")
            written.pts = number
            out.mux(stream.encode(written))
        out.mux(stream.encode(None))
    return path


def measured(film: Path, truth: Path) -> tuple[float, float, float]:
    """Mean warp error times 10⁴, that of color alone, and PSNR of all frames together, dB."""
    errors, squares, last = [], [], None
    for result, true in zip(RgbFilm(film), RgbFilm(truth), strict=True):
        squares.append(np.square(result.astype(np.float64) - true).mean())
        small = downscale_for_flow(torch.from_numpy(result).movedim(-1, 0)[None])
        small = torch.cat((small, color_only(small)), 1)
        luma = flow_luma(true)
        if last is not None:
            past, future = dis_flow(luma, last[1])[None], dis_flow(last[1], luma)[None]
            errors.append(warp_errors(last[0], small, past, future)[0])
        last = small, luma
    error, color = 1e4 * torch.stack(errors).mean(0)
    return float(error), float(color), float(psnr_from_mse(torch.tensor(np.mean(squares)), 255))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=80)
    parser.add_argument("--radius", type=int, default=3)
    parser.add_argument("--blend", type=float, default=steadier.BLEND)
    parser.add_argument("--preview", action="store_true")
    parser.add_argument("--network", type=Path)
    options = parser.parse_args()
    steadier.BLEND = options.blend
    random = np.random.default_rng(0)
    kinds: dict[str, Change | None] = {
        "flicker": lambda: (random.normal(0, HUE), max(0.2, 1 + random.normal(0, SATURATION))),
        "strong flicker": lambda: (random.normal(0, 2 * HUE), max(0.2, 1 + random.normal(0, 2 * SATURATION))),
        "steady": lambda: (0.3, 0.8),
        "truth": lambda: (0.0, 1.0),
        **({"preview, forgetting": None, "preview": None} if options.preview else {}),
    }
    for clip in options.clips:
        with tempfile.TemporaryDirectory() as folder:
            truth = changed(clip, Path(folder) / "true.mkv", options.frames, lambda: (0.0, 1.0))
            for kind, change in kinds.items():
                film = Path(folder) / f"{kind}.mkv"
                if change is None:
                    by_preview(truth, film, options.frames, forgets=kind != "preview")
                else:
                    changed(truth, film, options.frames, change)
                out = Path(folder) / f"{kind}-out.mkv"
                settings = ColorizeSettings(archive=True)
                plan = plan_steady(truth, film, out, radius=options.radius, settings=settings)
                began = time.process_time()
                receipt = steady_film(plan)
                seconds = time.process_time() - began
                (error, color, psnr), (after, color_after, psnr_after) = measured(film, truth), measured(out, truth)
                print(
                    f"{clip.stem} {kind}: warp error {error:.2f} -> {after:.2f}, of color {color:.3f} -> "
                    f"{color_after:.3f}, PSNR {psnr:.2f} -> {psnr_after:.2f} dB; {receipt.fps:.1f} frames/s, "
                    f"{1000 * seconds / receipt.frames:.0f} ms of CPU time a frame",
                    flush=True,
                )
                if options.network is not None:
                    after, color_after, psnr_after = measured(by_network(options.network, film, out), truth)
                    print(f"    network: {after:.2f}, of color {color_after:.3f}, PSNR {psnr_after:.2f} dB", flush=True)


if __name__ == "__main__":
    main()
