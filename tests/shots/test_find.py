"""Shots of generated and real films, whatever time and bad copies did to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from colormnet_cli.shots.find import FilmShots, find_shots, read_shots
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader
from support.shot_films import (
    Age,
    Boundary,
    Part,
    aged,
    camera_scene,
    clip_scene,
    flash_frames,
    join,
    story,
    title_scene,
    write_film,
)

SIZE = (96, 160)
CLIPS = Path(os.environ.get("COLORMNET_CLIPS", Path(__file__).parents[2] / ".." / "shared" / "clips"))


@dataclass
class Score:
    """How many boundaries were found, over some films."""

    found: int = 0
    missed: int = 0
    false: int = 0
    dissolves: int = 0
    dissolves_near: int = 0  # their middle within four frames

    def add(self, true: Sequence[Boundary], shots: FilmShots) -> None:
        left = list(shots.shots[1:])
        for boundary in true:
            low, high = (boundary.first - 4, boundary.last + 4) if boundary.kind != "cut" else (boundary.frame,) * 2
            match = next((shot for shot in left if low <= shot.start_frame <= high), None)
            self.dissolves += boundary.kind == "dissolve"
            if match is None:
                self.missed += 1
                continue
            left.remove(match)
            self.found += 1
            if boundary.kind == "dissolve" and match.transition.kind == "dissolve":
                self.dissolves_near += abs(match.start_frame - boundary.frame) <= 4
        self.false += len(left)

    @property
    def f1(self) -> float:
        return 2 * self.found / (2 * self.found + self.missed + self.false)


def starts(shots: FilmShots) -> list[tuple[int, str]]:
    return [(shot.start_frame, shot.transition.kind) for shot in shots.shots]


@pytest.mark.slow
def test_shots_of_generated_films(tmp_path: Path) -> None:
    """Cuts that are missed stain later scenes with old colors; false ones cost a picture to color each."""
    score = Score()
    for seed in range(4):
        parts = story(seed)
        frames, true = join(parts)
        age = Age(grain=0.01, flashes=flash_frames(parts, seed))
        score.add(true, find_shots(write_film(tmp_path / f"{seed}.mp4", aged(frames, age, seed))))
    assert score.f1 >= 0.95, score
    assert score.dissolves_near >= 0.8 * score.dissolves, score


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4])
def test_an_old_copy_has_the_same_shots(tmp_path: Path, seed: int) -> None:
    """Flicker, grain, dirt, black bars and strong compression are no cuts."""
    parts = story(seed)
    frames, true = join(parts)
    age = Age(grain=0.03, flicker=0.06, letterbox=0.2, dirt=1, shake=0.5, flashes=flash_frames(parts, seed))
    score = Score()
    score.add(true, find_shots(write_film(tmp_path / "old.mp4", aged(frames, age, seed), crf=30)))
    assert score.f1 >= 0.9, score


def test_a_flash_and_a_fast_pan_are_no_cuts(tmp_path: Path) -> None:
    """The two that most detectors take for cuts."""
    scene = camera_scene(5, SIZE, pan=(0.1, 0), actors=0)
    frames, _ = join([Part(scene, 90)])
    flashes = [(20, 1, 0.8), (45, 3, 0.5), (70, 2, -0.5)]
    found = find_shots(write_film(tmp_path / "pan.mp4", aged(frames, Age(flashes=flashes, grain=0.01))))
    assert starts(found) == [(0, "start")]


def test_variable_frame_rate(tmp_path: Path) -> None:
    """Times of a film whose frames come at no constant rate are those of its frames, not multiples of a mean."""
    parts = [Part(camera_scene(seed, SIZE), 40) for seed in (1, 2, 3)]
    frames, _ = join(parts)
    steps = np.random.default_rng(0).choice([20, 33, 50, 100], 120)
    pts = [0, *np.cumsum(steps).tolist()]
    found = find_shots(write_film(tmp_path / "vfr.mkv", frames, pts=pts))
    assert starts(found) == [(0, "start"), (40, "cut"), (80, "cut")]
    assert [shot.start for shot in found.shots] == pytest.approx([0, pts[40] / 1000, pts[80] / 1000])
    assert found.shots[1].end == found.shots[2].start


def test_cuts_to_black_and_the_ends_of_the_film(tmp_path: Path) -> None:
    """Black at the beginning or the end is no shot to color, nor is black between two scenes one of its own."""
    scenes = [camera_scene(seed, SIZE) for seed in (7, 8)]
    black = title_scene([], SIZE)
    frames, _ = join([Part(black, 12), Part(scenes[0], 40), Part(black, 10), Part(scenes[1], 40), Part(black, 12)])
    assert starts(find_shots(write_film(tmp_path / "black.mp4", frames))) == [(0, "start"), (62, "cut")]


@pytest.mark.slow
def test_stills_show_the_shot(tmp_path: Path) -> None:
    """A still inside a dissolve, or of a flash, cannot be colored for its shot."""
    parts = story(2)
    frames, true = join(parts)
    flashes = flash_frames(parts, 2)
    found = find_shots(write_film(tmp_path / "film.mp4", aged(frames, Age(flashes=flashes))))
    for shot, still in zip(found.shots, found.stills, strict=True):
        assert shot.start_frame <= still < shot.end_frame
        assert not any(boundary.first <= still < boundary.last for boundary in true)
        assert not any(first <= still < first + length for first, length, _ in flashes)


@pytest.mark.slow
def test_long_films_are_read_in_blocks(tmp_path: Path) -> None:
    """Memory that grows with the film would end with two hours of it; boundaries between blocks must lose no shot."""
    scenes = [camera_scene(seed, (48, 80)) for seed in range(30)]
    frames, true = join([Part(scene, 43) for scene in scenes])
    found = find_shots(write_film(tmp_path / "long.mp4", frames, sound=False))
    assert [start for start, _ in starts(found)] == [0, *(boundary.frame for boundary in true)]


def test_known_boundaries_that_lie_behind_the_end(tmp_path: Path) -> None:
    """A list of scenes of another film is refused, not cut to fit."""
    from colormnet_cli.errors import MediaError
    from colormnet_cli.shots.detect import Boundary as Begin
    from colormnet_cli.shots.shot import Transition

    film = write_film(tmp_path / "film.mp4", join([Part(camera_scene(1, SIZE), 30)])[0])
    begins = [Begin(0, Transition("start")), Begin(20, Transition("cut")), Begin(30, Transition("cut"))]
    assert len(read_shots(film, begins[:2]).shots) == 2
    with pytest.raises(MediaError, match="has 30 frames, but a shot begins at frame 30"):
        read_shots(film, begins)


@pytest.mark.slow
@pytest.mark.skipif(not (CLIPS / "walk.mp4").exists(), reason="the real clips are not beside this checkout")
def test_real_clips_among_generated_ones(tmp_path: Path) -> None:
    """The same boundaries in a clean film, in a strongly compressed one, and with grain, flicker and flashes."""
    size = (120, 208)
    real = {
        name: [frame.luma for frame in Reader(probe(CLIPS / name)).frames()] for name in ("walk.mp4", "parkour.mp4")
    }
    parts = [
        Part(camera_scene(11, size), 40),
        Part(clip_scene(real["walk.mp4"], size), 70),
        Part(camera_scene(12, size, pan=(0.004, 0)), 40, "dissolve", 24),
        Part(clip_scene(real["parkour.mp4"], size), 70),
        Part(title_scene(["The end"], size), 40),
        Part(clip_scene(real["walk.mp4"], size, 40), 40, "fade", 24, 4),
    ]
    kinds = ["cut", "dissolve", "cut", "cut", "fade"]
    age = Age(grain=0.03, flicker=0.06, flashes=[(80, 2, 0.5), (230, 1, 0.6)])
    films = {"clean": (Age(), 18), "compressed": (Age(), 30), "old": (age, 23)}
    for name, (wear, crf) in films.items():
        frames, true = join(parts)
        found = find_shots(write_film(tmp_path / f"{name}.mp4", aged(frames, wear), crf=crf))
        assert [kind for _, kind in starts(found)[1:]] == kinds, name
        for boundary, (start, _) in zip(true, starts(found)[1:], strict=True):
            assert abs(start - boundary.frame) <= (0 if boundary.kind == "cut" else 4), (name, boundary, start)


def test_plain_frames_are_distinguished_by_their_brightness(tmp_path: Path) -> None:
    """Title backgrounds, fog and cartoons have frames of one tone, in which there is nothing to compare."""
    tones = [Part(lambda number, tone=tone: np.full(SIZE, tone, np.float32), 30) for tone in (0.5, 0.8, 0.3)]  # type: ignore[misc]
    frames, true = join(tones)
    found = find_shots(write_film(tmp_path / "tones.mp4", aged(frames, Age(grain=0.01))))
    assert starts(found) == [(0, "start"), *((boundary.frame, "cut") for boundary in true)]


def test_very_short_films(tmp_path: Path) -> None:
    """One frame is a film of one shot."""
    for count in (1, 2, 7):
        frames, _ = join([Part(camera_scene(1, SIZE), count)])
        found = find_shots(write_film(tmp_path / f"{count}.mp4", frames, sound=False))
        assert starts(found) == [(0, "start")]
        assert (found.shots[0].end_frame, found.shots[0].end) == (count, pytest.approx(count / 24))
        assert 0 <= found.stills[0] < count
