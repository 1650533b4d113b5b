"""Where to look: known faults are found where they are, and clean films give no alarm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.errors import Interrupted
from colormnet_cli.film import checkpoint
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.film.findings import MOST, UNCERTAIN, Finding, find
from colormnet_cli.film.frame_notes import FrameNotes, SegmentNotes, notes_path, read_notes
from colormnet_cli.film.segment_table import SegmentTable
from colormnet_cli.passes.schedule import ScheduledShot, Unit
from support.shot_films import Age, Part, aged, camera_scene, join, write_film

SIZE, FRAMES, SEGMENT = (72, 96), 32, 8
pytestmark = pytest.mark.usefixtures("one_thread")
Clip = tuple[list[Tensor], list[Tensor], float]  # lightness, colors of the preview, chroma of the exemplar
CLIPS = ("pan", "still", "aged", "fast")


def colored(name: str, seed: int) -> Clip:
    """A generated clip in the preview's colors, from an exemplar whose hue depends on lightness."""
    scene = camera_scene(seed, SIZE, pan={"pan": (0.004, 0.0), "fast": (0.02, 0.0)}.get(name, (0.0, 0.0)))
    frames = (scene(number) for number in range(FRAMES))
    if name == "aged":
        frames = aged(frames, Age(grain=0.03, flicker=0.03, dirt=2, shake=0.3), seed)
    Ls = [100 * torch.from_numpy(frame)[None] for frame in frames]
    share = Ls[0] / 100
    exemplar = torch.cat([Ls[0], 35 * share - 10 * (1 - share), 30 * (1 - share) - 15 * share])
    colorizer = cm.Colorizer(cm.load_model("preview"), device="cpu")
    colorizer.set_exemplar(exemplar, first_frame=True)
    return Ls, [colorizer.step(L) for L in Ls], float(exemplar[1:].norm(dim=0).mean())


@pytest.fixture(scope="module")
def clips() -> dict[str, Clip]:
    return {name: colored(name, seed) for seed, name in enumerate(CLIPS)}


def noted(folder: Path, clip: Clip, *, match: float = 0.95, batch: int = 1) -> list[SegmentNotes]:
    Ls, abs_, expected = clip
    folder.mkdir(exist_ok=True)
    notes = FrameNotes(folder, SegmentTable([Unit(0, None, (ScheduledShot(1, 0, None, ()),))], SEGMENT))
    for begin in range(0, len(Ls), batch):
        numbers = range(begin, min(begin + batch, len(Ls)))
        working, ab = (torch.stack([values[n] for n in numbers]) for values in (Ls, abs_))
        notes.submit(numbers, [n / 24 for n in numbers], working, ab, expected, match)
        notes.note(numbers)
    notes.finish()
    return list(read_notes(folder, -(-len(Ls) // SEGMENT)))


def found(folder: Path, clip: Clip, **more: Any) -> list[Finding]:
    return list(find(noted(folder, clip, **more), 0.79, 24).found)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_clean_clips_give_no_alarm(clips: dict[str, Clip], tmp_path: Path, name: str) -> None:
    """Nobody reads a list of hundreds of frames in which nothing is wrong."""
    assert found(tmp_path, clips[name]) == []


def turned(ab: Tensor) -> Tensor:
    return torch.stack([0.5 * ab[0] - 0.87 * ab[1], 0.87 * ab[0] + 0.5 * ab[1]])


def gray_part(ab: Tensor) -> Tensor:
    return torch.cat([ab[..., : SIZE[1] * 3 // 4], 0 * ab[..., SIZE[1] * 3 // 4 :]], dim=-1)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [range(11, 12), range(16, 19)], ids=["one", "at a segment's beginning"])
@pytest.mark.parametrize("fault", [turned, gray_part], ids=["hue", "part"])
def test_a_sudden_change_is_found(
    clips: dict[str, Clip], tmp_path: Path, fault: Callable[[Tensor], Tensor], frames: range
) -> None:
    """A flash of another color, or a part that turns gray, would not be listed."""
    for name in CLIPS:
        Ls, abs_, expected = clips[name]
        broken = [fault(ab) if number in frames else ab for number, ab in enumerate(abs_)]
        passages = [one for one in found(tmp_path / name, (Ls, broken, expected)) if one.kind == "sudden change"]
        assert [(one.first, one.last) for one in passages] == [(frames[0], frames[-1] + 1)], name


@pytest.mark.slow
def test_pale_frames_are_found(clips: dict[str, Clip], tmp_path: Path) -> None:
    """Colors that fade slowly change nowhere suddenly."""
    for name in CLIPS:
        Ls, abs_, expected = clips[name]
        fading = [ab * max(0.2, 1 - number / 25) for number, ab in enumerate(abs_)]
        (pale,) = found(tmp_path / name, (Ls, fading, expected))
        assert (pale.kind, pale.last) == ("pale", FRAMES - 1), name
        assert 14 <= pale.first <= 22
    black = [0.1 * L for L in clips["still"][0]]
    assert found(tmp_path / "black", (black, [0 * ab for ab in clips["still"][1]], clips["still"][2])) == []


def test_a_poor_match_is_one_passage(tmp_path: Path) -> None:
    """A scene that no reference shows would fill the list with its frames."""
    Ls, abs_ = [torch.full((1, 20, 30), 50.0)] * FRAMES, [torch.full((2, 20, 30), 10.0)] * FRAMES
    (unlike,) = found(tmp_path, (Ls, abs_, 14.0), match=0.7)
    assert (unlike.kind, unlike.first, unlike.last) == ("unlike", 0, FRAMES - 1)
    assert found(tmp_path, (Ls, abs_, 14.0), match=0.8) == []


def test_uncertain_frames_are_one_passage(tmp_path: Path) -> None:
    """The network says where it guesses, and nobody would hear of it."""
    Ls, ab = [torch.full((1, 20, 30), 50.0)] * FRAMES, torch.full((2, 20, 30), 10.0)
    errors = [UNCERTAIN + (2 if number == 7 else 1 if 4 <= number < 9 else -1) for number in range(FRAMES)]
    colors = [torch.cat((ab, torch.full((1, 20, 30), error))) for error in errors]
    findings = find(noted(tmp_path, (Ls, colors, 14.0)), 0.79, 24)
    (uncertain,) = findings.found
    assert (uncertain.kind, uncertain.first, uncertain.last, uncertain.worst) == ("uncertain", 4, 8, 7)
    assert findings.expected_error() == pytest.approx(np.mean(errors), abs=0.01)
    assert findings.expected_error(4, 7) == pytest.approx(UNCERTAIN + 1, abs=0.01)
    assert find(noted(tmp_path, (Ls, [ab] * FRAMES, 14.0)), 0.79, 24).expected_error() is None


def test_cuts_are_no_sudden_changes(tmp_path: Path) -> None:
    """Every cut would be listed."""
    noise = torch.Generator().manual_seed(0)
    scenes = [(100 * torch.rand(1, 20, 30, generator=noise), 40 * torch.randn(2, 20, 30, generator=noise))] * 2
    scenes[1] = (scenes[1][0].flip(-1), -scenes[1][1])
    Ls, abs_ = zip(*[scene for scene in scenes for _ in range(12)], strict=True)
    assert found(tmp_path, (list(Ls), list(abs_), 14.0)) == []


def test_the_list_is_bounded_and_keeps_the_worst() -> None:
    """The receipt of a film that flickers everywhere would have as many lines as the film has frames."""

    def part(begin: int) -> SegmentNotes:
        numbers = np.arange(begin, begin + 20.0)
        change = np.where(numbers % 20 == 10, 10 + numbers / 100, 0.5)
        same = np.full(20, 50.0)
        nothing = np.zeros((3, 2, 2), np.float32)
        unknown = np.full(20, np.nan)
        return SegmentNotes(numbers, numbers / 24, same, same, same, change, unknown, unknown, nothing, nothing)

    findings = find((part(20 * k) for k in range(5 * MOST)), 0.79, 24)
    assert (len(findings.found), findings.left_out, findings.frames) == (MOST, 4 * MOST, 100 * MOST)
    assert findings.found[0].first == 20 * 4 * MOST + 10
    assert all(one.first < other.first for one, other in pairwise(findings.found))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-200], lambda data: data.replace(b"NUMPY", b"NUMPX"), lambda _: b""]
)
def test_damaged_notes_are_left_out(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A film that is colored would end in a traceback, for a list of where to look."""
    clip = [torch.full((1, 8, 8), 50.0)] * 16, [torch.zeros(2, 8, 8)] * 16, 20.0
    assert len(noted(tmp_path, clip)) == 2
    path = notes_path(tmp_path, 0)
    path.write_bytes(damage(path.read_bytes()))
    assert [notes.numbers[0] for notes in read_notes(tmp_path, 2)] == [8]


def test_batches_give_the_same_notes(tmp_path: Path) -> None:
    """Films would have other findings on a GPU."""
    noise = torch.Generator().manual_seed(0)
    Ls = [100 * torch.rand(1, 40, 60, generator=noise) for _ in range(12)]
    abs_ = [20 * torch.randn(2, 40, 60, generator=noise) for _ in range(12)]
    one, four = (noted(tmp_path / str(batch), (Ls, abs_, 14.0), batch=batch) for batch in (1, 4))
    for a, b in zip(one, four, strict=True):
        for name in ("numbers", "lightness", "chroma", "change", "first", "last"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-6)


# Whole runs


@pytest.mark.slow
def test_an_interrupted_run_has_the_same_findings(
    tmp_path: Path, small_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run colored would never be looked at."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setitem(checkpoint.SEGMENT_FRAMES, "cpu", 5)
    parts = [Part(camera_scene(seed, (48, 64)), 12) for seed in range(2)]
    film = write_film(tmp_path / "old.mp4", join(parts)[0])
    gray = next(iter(join(parts)[0])) * 255
    cv2.imwrite(str(tmp_path / "ref.png"), np.clip(np.stack([gray, gray, gray + 90], -1), 0, 255).astype(np.uint8))
    stop, colorize = [1000], FilmRun._colorize

    def stopping(run: FilmRun, colorizer: Any, batch: Any) -> Any:
        if batch[0].number >= stop[0]:
            raise KeyboardInterrupt
        return colorize(run, colorizer, batch)

    monkeypatch.setattr(FilmRun, "_colorize", stopping)

    def run(output: str) -> cm.Receipt:
        settings = cm.ColorizeSettings(size=32, preset="ultrafast", overwrite=True)
        return cm.colorize_video(
            film, str(tmp_path / "ref.png"), tmp_path / output, model=small_model, settings=settings, device="cpu"
        )

    whole = run("whole.mp4")
    for stop[0] in (7, 18):
        with pytest.raises(Interrupted):
            run("out.mp4")
    stop[0] = 1000
    resumed = run("out.mp4")
    assert resumed.resumed_at > 0
    assert whole.findings is not None
    assert whole.findings["frames"] == 24
    assert whole.findings["passages"]
    assert resumed.findings == whole.findings
    assert resumed.match == whole.match
    assert cm.Receipt.from_dict(json.loads(resumed.to_json())).findings == whole.findings
    shutil.rmtree(tmp_path / "out.mp4.colormnet-part", ignore_errors=True)
