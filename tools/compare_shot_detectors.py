"""Compare the shot detector with those of PySceneDetect on synthetic films.

    pip install scenedetect
    python tools/compare_shot_detectors.py [--films 20] [--first-seed 100]

Every film has ten shots: cuts, two dissolves, a fade through black, a fast pan, flashes, an intertitle and a scene that
returns. Each is tried as it is, strongly compressed (crf 30), and old: grain, flicker, dirt, black bars. A cut counts
as found within one frame, a dissolve or fade within its span and four frames around it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

from support.shot_films import Age, Boundary, aged, flash_frames, join, story, write_film  # noqa: E402

Detector = Callable[[Path], list[int]]


@dataclass
class Tally:
    """What one detector did on some films."""

    found: int = 0
    missed: int = 0
    false: int = 0
    exact: int = 0  # cuts
    cuts: int = 0
    near: int = 0  # dissolves whose middle is within four frames
    dissolves: int = 0
    frames: int = 0
    seconds: float = 0.0

    def add(self, true: list[Boundary], frames: list[int]) -> None:
        left = list(frames)
        for boundary in true:
            margin = 1 if boundary.kind == "cut" else 4
            inside = [f for f in left if boundary.first - margin <= f <= boundary.last + margin]
            best = min(inside, key=lambda f: abs(f - boundary.frame), default=None)
            self.cuts += boundary.kind == "cut"
            self.dissolves += boundary.kind == "dissolve"
            if best is None:
                self.missed += 1
                continue
            left.remove(best)
            self.found += 1
            self.exact += boundary.kind == "cut" and best == boundary.frame
            self.near += boundary.kind == "dissolve" and abs(best - boundary.frame) <= 4
        self.false += len(left)

    def row(self) -> str:
        precision = self.found / max(1, self.found + self.false)
        recall = self.found / max(1, self.found + self.missed)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        return (
            f"{f1:6.3f} {precision:10.3f} {recall:7.3f} {self.exact:7}/{self.cuts:<4} {self.near:6}/{self.dissolves:<4}"
            f"{self.frames / self.seconds:8.0f}"
        )


def ours(film: Path) -> list[int]:
    """The detector of `colormnet shots`."""
    from colormnet_cli.shots.find import find_shots

    return [shot.start_frame for shot in find_shots(film).shots[1:]]


def of_pyscenedetect(name: str, **settings: object) -> Detector:
    """One of its detectors, with its usual threshold."""

    def detect(film: Path) -> list[int]:
        import scenedetect

        scenes = scenedetect.detect(str(film), getattr(scenedetect, name)(**settings))
        return [int(start.frame_num) for start, _ in scenes[1:]]

    return detect


DETECTORS: dict[str, Detector] = {
    "colormnet": ours,
    "AdaptiveDetector(luma_only)": of_pyscenedetect("AdaptiveDetector", luma_only=True),
    "ContentDetector": of_pyscenedetect("ContentDetector"),
    "ContentDetector(luma_only)": of_pyscenedetect("ContentDetector", luma_only=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    options = parser.parse_args()
    kinds = {
        "clean": (Age(), 18),
        "crf 30": (Age(), 30),
        "old": (Age(grain=0.03, flicker=0.06, dirt=1, letterbox=0.2, shake=0.5), 23),
    }
    tallies = {(kind, name): Tally() for kind in kinds for name in DETECTORS}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.first_seed, options.first_seed + options.films):
            parts = story(seed)
            for kind, (age, crf) in kinds.items():
                frames, true = join(parts)
                flashes = Age(**{**age.__dict__, "flashes": flash_frames(parts, seed)})
                film = write_film(Path(folder) / "film.mp4", aged(frames, flashes, seed), crf=crf)
                for name, detector in DETECTORS.items():
                    began = time.perf_counter()
                    found = detector(film)
                    tally = tallies[kind, name]
                    tally.seconds += time.perf_counter() - began
                    tally.frames += true[-1].last + parts[-1].length
                    tally.add(true, found)
    heads = f"{'F1':>6} {'precision':>10} {'recall':>7} {'exact cuts':>12} {'dissolves ±4':>11} {'fps':>6}"
    print(f"{'films':8}{'detector':28}{heads}")
    for (kind, name), tally in tallies.items():
        print(f"{kind:8}{name:28}{tally.row()}")


if __name__ == "__main__":
    main()
