"""Passes over frames: each shot for itself, backward from a later exemplar, mixed where two passes or shots meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from colormnet_cli.inference.colorizer import Colorizer
from colormnet_cli.inference.exemplar import Exemplar
from colormnet_cli.inference.frame_colorizer import FrameColorizer, Resampler
from colormnet_cli.passes.film_colorizer import FilmColorizer
from colormnet_cli.passes.schedule import Schedule, ScheduledShot, ShotReference
from colormnet_cli.shots.shot import Transition
from support.networks import make_small_model

SIZE, FRAMES = (32, 48), 16
pytestmark = pytest.mark.usefixtures("one_thread")


def frames_of(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ground = 100 * torch.rand(1, *SIZE, generator=generator)
    return [(ground.roll(i, -1) * 0.9 + 5).clamp(0, 100) for i in range(FRAMES)]


def exemplar(frame: Tensor, a: float, b: float, name: str) -> Exemplar:
    flat = torch.ones_like(frame)
    return Exemplar(torch.cat([frame, a * flat, b * flat]), name)


class Film:
    """Two shots of random textures, and exemplars of different tint for their frames."""

    def __init__(self, model: Any, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.Ls = frames_of(1) + frames_of(2)
        self.exemplars: dict[str, Exemplar] = {}
        self.reads: list[int] = []

    def reference(self, frame: int, a: float, b: float) -> ShotReference:
        name = f"{frame}-{a}-{b}"
        self.exemplars[name] = exemplar(self.Ls[frame], a, b, name)
        return ShotReference(name, frame)

    def colorizer(self, *shots: ScheduledShot, **more: Any) -> FilmColorizer:
        colorizer = Colorizer(self.model, device="cpu", precision="fp32")
        resampler = Resampler(32, guided=False)
        schedule = Schedule(shots, **more)
        return FilmColorizer(schedule, resampler, colorizer, self.exemplars.__getitem__, self.read, self.folder)

    def read(self, begin: int, end: int) -> Iterator[tuple[int, Tensor]]:
        for number in range(begin, min(end, len(self.Ls))):
            self.reads.append(number)
            yield number, self.Ls[number]

    def colors(self, colorizer: FilmColorizer, begin: int = 0, end: int = 2 * FRAMES) -> list[Tensor]:
        return [colorizer.steps([self.Ls[i]], [i])[0] for i in range(begin, end)]


@pytest.fixture
def film(small_model: Any, tmp_path: Path) -> Film:
    return Film(small_model, tmp_path)


def test_a_shot_of_a_film_is_colored_as_if_it_were_alone(film: Film) -> None:
    """Colors of the scene before would stain the next one."""
    one, other = film.reference(0, 40, 20), film.reference(FRAMES, -30, 50)
    whole = film.colors(film.colorizer(ScheduledShot(1, 0, FRAMES, (one,)), ScheduledShot(2, FRAMES, None, (other,))))
    alone = FrameColorizer(
        Colorizer(film.model, device="cpu"), [film.exemplars[other.source]], size=32, guided=False, ref_is_first=True
    )
    for i in range(FRAMES):
        assert torch.equal(whole[FRAMES + i], alone.step(film.Ls[FRAMES + i]))


def test_a_backward_pass_is_a_forward_pass_over_the_reversed_frames(film: Film) -> None:
    """Frames before the exemplar would get other colors than those behind it."""
    last = film.reference(FRAMES - 1, 40, 20)
    colors = film.colors(film.colorizer(ScheduledShot(1, 0, FRAMES, (last,))), end=FRAMES)
    backward = FrameColorizer(
        Colorizer(film.model, device="cpu"), [film.exemplars[last.source]], size=32, guided=False, ref_is_first=True
    )
    for i in reversed(range(FRAMES)):
        expected = backward.step(film.Ls[i])
        assert (colors[i] - expected).abs().max() < (0.05 if i < FRAMES - 1 else 1e-6)  # kept in half precision


def test_expected_errors_are_kept_with_the_color_of_a_backward_pass(tmp_path: Path) -> None:
    """Frames before an exemplar would have the errors of other frames, or none, and the report would not name them."""
    film = Film(make_small_model(preview=True, guided=True), tmp_path)
    middle = film.reference(8, 40, 20)
    colorizer = film.colorizer(ScheduledShot(1, 0, FRAMES, (middle,)))
    errors = [colorizer.working_steps([film.Ls[i]], [i])[1][0, 2:] for i in range(FRAMES)]
    frames = FrameColorizer(
        Colorizer(film.model, device="cpu"), [film.exemplars[middle.source]], size=32, guided=False, ref_is_first=True
    )
    for i in range(8, -1, -1):
        frames.step(film.Ls[i])
        assert torch.allclose(errors[i], frames.colorizer.expected_error()[0], rtol=0.01)
    assert float(errors[8].max()) == 0
    assert min(float(error.min()) for error in errors[:8] + errors[9:]) > 0


def test_an_exemplar_is_met_exactly_at_its_frame(film: Film) -> None:
    """The picture that someone painted for a frame would not be seen in it."""
    middle = film.reference(5, 40, 20)
    colors = film.colors(film.colorizer(ScheduledShot(1, 0, FRAMES, (middle,))), end=FRAMES)
    assert (colors[5] - film.exemplars[middle.source].lab[1:]).abs().max() < 1e-4


def test_color_passes_over_smoothly_between_two_exemplars(film: Film) -> None:
    """The color of a shot would pulse where its second exemplar begins to count."""
    one, other = film.reference(2, 40, 20), film.reference(12, -20, -40)
    colors = film.colors(film.colorizer(ScheduledShot(1, 0, FRAMES, (one, other))), end=FRAMES)
    assert (colors[2] - film.exemplars[one.source].lab[1:]).abs().max() < 1e-4
    assert (colors[12] - film.exemplars[other.source].lab[1:]).abs().max() < 1e-4
    means = torch.stack([ab.mean((1, 2)) for ab in colors])
    changes = means.diff(dim=0).norm(dim=1)  # changes[i]: from frame i to i + 1
    elsewhere = torch.cat([changes[:11], changes[13:]])
    assert changes[11:13].max() <= 1.5 * elsewhere.max()


@pytest.mark.slow
def test_shots_mix_in_a_dissolve(film: Film) -> None:
    """A dissolve would jump from the colors of one shot to those of the other."""
    way = Transition("dissolve", FRAMES - 4, FRAMES + 4)
    one, other = film.reference(0, 40, 20), film.reference(2 * FRAMES - 1, -30, 50)
    before = ScheduledShot(1, 0, FRAMES + 4, (one,))
    after = ScheduledShot(2, FRAMES - 4, 2 * FRAMES, (other,), way)
    mixed = film.colors(film.colorizer(before, after))
    alone = film.colors(film.colorizer(before), end=FRAMES + 4)
    late = film.colors(film.colorizer(after), begin=FRAMES - 4)
    for frame in range(FRAMES - 4, FRAMES + 4):
        share = way.weight(frame)
        expected = (1 - share) * alone[frame] + share * late[frame - FRAMES + 4]
        assert torch.allclose(mixed[frame], expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 9, 14, 20])
def test_a_saved_state_continues_in_every_place(film: Film, small_model: Any, tmp_path: Path, stop: int) -> None:
    """A film that was interrupted within a backward pass, a dissolve or a later shot would end in other colors."""
    shots = (
        ScheduledShot(1, 0, FRAMES, (film.reference(6, 40, 20), film.reference(13, 10, 60))),
        ScheduledShot(2, FRAMES - 3, 2 * FRAMES, (film.reference(25, -30, 50),), Transition("dissolve", 13, 16)),
    )
    whole = film.colors(film.colorizer(*shots))
    first = film.colorizer(*shots)
    film.colors(first, end=stop)
    state = first.state_dict()
    second = Film(small_model, tmp_path / "elsewhere")
    second.folder.mkdir()
    second.exemplars = film.exemplars
    resumed = second.colorizer(*shots)
    resumed.load_state_dict(state)
    for expected, ab in zip(whole[stop:], second.colors(resumed, begin=stop), strict=True):
        assert torch.equal(expected, ab)
    assert min(second.reads, default=stop) >= stop


def test_a_backward_pass_that_was_done_before_an_interruption_is_mixed_as_without_it(film: Film) -> None:
    """Between two references, the resumed film would have other colors than one that was not interrupted."""
    # Frame 12 is compared with both exemplars: it shows the second one.
    film.Ls[FRAMES - 4] = film.Ls[FRAMES + 9]
    shot = ScheduledShot(1, 0, 2 * FRAMES, (film.reference(6, 40, 20), film.reference(FRAMES + 9, 10, 60)))
    whole = film.colors(film.colorizer(shot))
    first = film.colorizer(shot)
    film.colors(first, end=6)
    state = first.state_dict()
    film.colors(first, begin=6, end=10)  # the second backward pass is done, and nothing saved since
    assert len(list(film.folder.glob("*.color"))) == 1
    resumed = film.colorizer(shot)
    resumed.load_state_dict(state)
    for expected, ab in zip(whole[6:], film.colors(resumed, begin=6), strict=True):
        assert torch.equal(expected, ab)


def test_few_frames_are_in_memory_or_on_disk_at_once(film: Film) -> None:
    """The disk would fill up with the colors of shots that are done."""
    shots = (
        ScheduledShot(1, 0, FRAMES, (film.reference(8, 40, 20),)),
        ScheduledShot(2, FRAMES, 2 * FRAMES, (film.reference(FRAMES + 8, -30, 50),)),
    )
    colorizer = film.colorizer(*shots)
    film.colors(colorizer, end=4)
    assert len(list(film.folder.glob("*.color"))) == 1
    film.colors(colorizer, begin=4, end=12)
    assert list(film.folder.iterdir()) == []
    film.colors(colorizer, begin=12)
    assert len(film.reads) == 9 + 9


def test_vividness_is_that_of_the_whole_film(film: Film) -> None:
    """Frames of an exemplar, or of a backward pass, would be paler than the others."""
    shot = ScheduledShot(1, 0, FRAMES, (film.reference(6, 20, 10),))
    plain = film.colors(film.colorizer(shot), end=FRAMES)
    pale = film.colorizer(shot)
    pale.resampler.vividness = 0.5
    for one, other in zip(plain, film.colors(pale, end=FRAMES), strict=True):
        assert torch.allclose(0.5 * one, other, atol=1e-4)


def test_an_exemplar_is_encoded_once_and_freed(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that many shots share would be computed again for each; or those of a whole film kept in memory."""
    from colormnet_cli.inference.colormnet_engine import ColorMNetEngine

    calls, encode = [], ColorMNetEngine.encode
    monkeypatch.setattr(ColorMNetEngine, "encode", lambda *a: (calls.append(a[1].shape), encode(*a))[1])
    shared = ShotReference(film.reference(3, 40, 20).source)
    other = ShotReference(film.reference(FRAMES + 5, -30, 50).source)
    shots = (
        ScheduledShot(1, 0, 8, (shared,)),
        ScheduledShot(2, 8, FRAMES, (shared,)),
        ScheduledShot(3, FRAMES, 2 * FRAMES, (other,)),
    )
    colorizer = film.colorizer(*shots)
    film.colors(colorizer, end=FRAMES)
    assert len(calls) == 1
    assert [source for source, _ in colorizer._encoded] == [shared.source]
    film.colors(colorizer, begin=FRAMES)
    assert len(calls) == 2
    assert [source for source, _ in colorizer._encoded] == [other.source]
