"""Automatic stills fill in where the exemplars show nothing similar, and nowhere else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.errors import Interrupted, MediaError, UsageError
from colormnet_cli.film import checkpoint
from colormnet_cli.film.automatic import color_fill_stills
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.inference.colorizer import Colorizer
from colormnet_cli.inference.exemplar import Exemplar
from colormnet_cli.inference.frame_colorizer import Resampler
from colormnet_cli.passes.filled_colorizer import FilledColorizer, filled_share
from colormnet_cli.passes.film_colorizer import FilmColorizer
from colormnet_cli.passes.schedule import Schedule, ScheduledShot, ShotReference
from colormnet_cli.settings import ColorSource
from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from support.networks import make_small_ddcolor, make_small_deep_exemplar, make_small_model
from support.shot_films import Part, camera_scene, canvas, join, write_film

SIZE, FRAMES, STILL = (160, 208), 13, 9
ROOM, OBJECT, GUESS = (-12.0, 24.0), (45.0, 30.0), (18.0, -20.0)  # ab; a guess that is wrong for the room
pytestmark = pytest.mark.usefixtures("one_thread")


class Entrance:
    """A room in which a ball enters at frame 4: lightness, true ab, and where the object is."""

    def __init__(self) -> None:
        self.room = 100 * torch.from_numpy(canvas(3, *SIZE, "room"))[None]
        grain = np.random.default_rng(0)
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        self.Ls, self.masks = [], []
        for number in range(FRAMES):
            left = -50 + 14 * (number - 4) if number >= 4 else -1000
            inside = ((columns - left - 24) / 24.0) ** 2 + ((rows - 70) / 40.0) ** 2 < 1
            ball = 95 - 60 * np.hypot((columns - left - 14) / 24.0, (rows - 50) / 40.0)
            L = np.where(inside, ball, self.room[0].numpy()) + grain.normal(0, 1.2, SIZE)
            self.Ls.append(torch.from_numpy(L.clip(0, 100).astype(np.float32))[None])
            self.masks.append(torch.from_numpy(inside))

    def ab(self, number: int, room: tuple[float, float]) -> Tensor:
        inside = self.masks[number].float()[None]
        own, other = (torch.tensor(color)[:, None, None] for color in (OBJECT, room))
        return inside * own + (1 - inside) * other

    def read(self, begin: int, end: int) -> Iterator[tuple[int, Tensor]]:
        return iter([(number, self.Ls[number]) for number in range(begin, min(end, FRAMES))])


@pytest.fixture(scope="module")
def entrance() -> Entrance:
    return Entrance()


class Colorizers:
    """By an exemplar of the empty room, by a still with the object, and by both."""

    def __init__(self, film: Entrance, folder: Path) -> None:
        empty = torch.cat([film.room, film.ab(0, ROOM)])
        still = torch.cat([film.Ls[STILL], film.ab(STILL, GUESS)])
        self.film, self.folder, self.network = film, folder, Colorizer(cm.load_model("preview"), device="cpu")
        self.pictures = {"room": Exemplar(empty, "room"), "still": Exemplar(still, "still")}

    def by(self, reference: ShotReference, name: str = "pass", matching: bool = True) -> FilmColorizer:
        schedule = Schedule([ScheduledShot(1, 0, None, (reference,))])
        return FilmColorizer(
            schedule, Resampler("source"), self.network.another(), self.pictures.__getitem__, self.film.read,
            self.folder, name=name, matching=matching,
        )  # fmt: skip

    def both(self) -> FilledColorizer:
        places = self.network.engine.match_limits
        assert places is not None
        still = self.by(ShotReference("still", STILL), "fill")
        return FilledColorizer(self.by(ShotReference("room")), still, places)

    def colors(self, colorizer: FilmColorizer | FilledColorizer, begin: int = 0, end: int = FRAMES) -> list[Tensor]:
        return [colorizer.steps([self.film.Ls[i]], [i])[0] for i in range(begin, end)]


@pytest.mark.slow
def test_an_object_that_the_exemplar_does_not_show_gets_the_automatic_color(
    entrance: Entrance, tmp_path: Path, record_property: Any
) -> None:
    """It would stay gray or take the room's color; or the guess would change the colors of everything else.

    Mean error of the object in ab units 57.7 → 24.1, change of the rest 0.24; the guess differs from it by 53.
    """
    colorizers = Colorizers(entrance, tmp_path)
    alone = colorizers.colors(colorizers.by(ShotReference("room"), matching=False))
    both = colorizers.colors(colorizers.both())
    before, after, rest = [], [], []
    for number in range(6, FRAMES):
        inside = entrance.masks[number]
        near = cv2.dilate(inside.numpy().astype(np.uint8), np.ones((9, 9), np.uint8))
        outside = torch.from_numpy(near == 0)
        truth = entrance.ab(number, ROOM)
        before.append((alone[number] - truth).norm(dim=0)[inside].mean())
        after.append((both[number] - truth).norm(dim=0)[inside].mean())
        rest.append((both[number] - alone[number]).norm(dim=0)[outside].mean())
    figures = [float(torch.stack(x).mean()) for x in (before, after, rest)]
    record_property("object before, after, rest", figures)
    assert figures[1] < 0.5 * figures[0]
    assert figures[2] < 0.5
    empty = [(both[i] - alone[i]).norm(dim=0).mean() for i in range(4)]
    assert max(empty) < 0.5


@pytest.mark.slow
def test_a_saved_state_continues_with_the_same_colors(entrance: Entrance, tmp_path: Path) -> None:
    """An interrupted film would end in other colors: the match of places is averaged over frames."""
    colorizers = Colorizers(entrance, tmp_path)
    first = colorizers.both()
    whole = colorizers.colors(first, end=5)
    state = first.state_dict()
    assert list(tmp_path.glob("fill-*.color"))
    whole += colorizers.colors(first, begin=5, end=8)
    second = colorizers.both()
    second.load_state_dict(state)
    for expected, ab in zip(whole[5:], colorizers.colors(second, 5, 8), strict=True):
        assert torch.equal(expected, ab)


def test_the_share_is_smooth_and_needs_a_better_match() -> None:
    """Spots of another color would stand out; or a still that shows as little would replace what the exemplar gave."""
    L = torch.full((1, 1, 60, 80), 50.0)
    own, automatic = torch.full_like(L, 0.97), torch.full_like(L, 0.98)
    own[..., 30:] = 0.5
    share = filled_share(own, automatic, L, (0.8, 0.9))
    assert float(share[..., :10].max()) < 1e-6
    assert float(share[..., 60:].min()) > 1 - 1e-6
    assert float(share.diff(dim=-1).abs().max()) < 0.3
    assert float(filled_share(own, own + 0.03, L, (0.8, 0.9)).max()) < 1e-6


class Guess(cm.Colorizer):
    """A network that colors each picture in one color: the first in that of the room, others in the object's."""

    colored = 0

    def steps(self, Ls: Tensor, batch: int = 1) -> Tensor:
        color, self.colored = ROOM if self.colored == 0 else OBJECT, self.colored + 1
        return torch.tensor(color).view(1, 2, 1, 1).expand(1, 2, *Ls.shape[-2:]).clone()


@pytest.mark.slow
def test_a_still_like_an_earlier_one_gets_its_own_colors_for_what_is_new(entrance: Entrance, tmp_path: Path) -> None:
    """Someone who enters a room that was colored before would stay gray in the still, and then in the film."""
    shots = [entrance.room[0].numpy() / 100] * 4 + [entrance.Ls[STILL][0].numpy() / 100] * 4
    film = write_film(tmp_path / "old.mp4", iter(shots))
    make_plan(film, boundaries=lambda _: [Boundary(0, Transition("start")), Boundary(4, Transition("cut"))])
    automatic, colorizer = Guess(make_small_ddcolor(), device="cpu"), cm.Colorizer(cm.load_model("preview"))
    monitor = colorizer.likeness(*(colorizer.compared(L) for L in (entrance.Ls[STILL], entrance.room)))
    assert monitor >= colorizer.engine.alike  # the test is about pictures that are alike
    assert color_fill_stills(tmp_path / "old-plan", automatic, colorizer) == [1, 2]
    picture = cv2.imread(str(tmp_path / "old-plan/automatic/0002.png"))[..., ::-1].copy()
    ab = cm.rgb_to_lab(torch.from_numpy(picture).permute(2, 0, 1) / 255)[1:]
    inside = entrance.masks[STILL] & (entrance.Ls[STILL][0].clamp(30, 75) == entrance.Ls[STILL][0])  # colors fit there
    room = ~entrance.masks[STILL] & (entrance.Ls[STILL][0].clamp(30, 75) == entrance.Ls[STILL][0])
    assert float((ab - torch.tensor(OBJECT)[:, None, None]).norm(dim=0)[inside].median()) < 12
    assert float((ab - torch.tensor(ROOM)[:, None, None]).norm(dim=0)[room].median()) < 12


# Whole runs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of three shots, a plan folder with a colored picture of each, and automatic stills."""
    folder = tmp_path_factory.mktemp("film")
    frames, known = join([Part(camera_scene(seed, (48, 64), pan=(0.01, 0)), 8) for seed in range(3)])
    film = write_film(folder / "old.mp4", frames)
    cuts = [Boundary(0, Transition("start")), *(Boundary(b.frame, Transition("cut")) for b in known)]
    make_plan(film, boundaries=lambda _: cuts)
    plan = folder / "old-plan"
    for number in (1, 2, 3):
        still = cv2.imread(str(plan / "stills" / f"000{number}.png")).astype(int)
        cv2.imwrite(
            str(plan / "colored" / f"000{number}.png"), np.clip(still + np.array([0, 20, 70]), 0, 255).astype(np.uint8)
        )
    return folder


class Workplace:
    """Runs that can be stopped, and the frames that they colored."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.film, self.plan = folder, folder / "old.mp4", folder / "old-plan"
        self.model, self.automatic = make_small_model(preview=True, detail_dim=8), make_small_ddcolor()
        self.stop_at, self.colored = 1000, list[int]()
        colorize = FilmRun._colorize

        def counting(run: FilmRun, colorizer: Any, batch: Any) -> Any:
            if batch[0].number >= self.stop_at:
                raise KeyboardInterrupt
            self.colored += [frame.number for frame in batch]
            return colorize(run, colorizer, batch)

        monkeypatch.setattr(FilmRun, "_colorize", counting)
        monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
        monkeypatch.setitem(checkpoint.SEGMENT_FRAMES, "cpu", 3)

    def prepare(self) -> None:
        cm.prepare_fill(self.film, automatic=self.automatic, model=self.model, device="cpu")

    def run(self, colors: ColorSource, output: str = "out.mp4", stop_at: int = 1000) -> Any:
        self.colored, self.stop_at = [], stop_at
        settings = cm.ColorizeSettings(size=32, preset="ultrafast", overwrite=True)
        return cm.colorize_video(
            self.film, colors, self.folder / output, model=self.model, settings=settings, device="cpu"
        )


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Workplace(tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plan", "references", "references_at"])
def test_runs_are_resumed_frame_for_frame(work: Workplace, kind: str) -> None:
    """A film that was interrupted would end in other colors, in any way of giving references."""
    picture = str(work.plan / "colored/0001.png")
    for number in (2, 3):  # these shots take the picture of another one
        (work.plan / "colored" / f"000{number}.png").unlink()
    ways = {
        "plan": {"plan": work.plan}, "references": {"references": (picture,)},
        "references_at": {"references_at": (("f5", picture),)},
    }  # fmt: skip
    colors = ColorSource(**ways[kind], fill="auto")  # type: ignore[arg-type]
    with pytest.raises(MediaError, match=r"no automatic picture of shot 1.*`prepare_fill`"):
        work.run(colors)
    work.prepare()
    receipt = work.run(colors, "whole.mp4")
    assert [Path(record.path).name for record in receipt.automatic] == ["0001.png", "0002.png", "0003.png"]
    shutil.rmtree(work.plan / "segments", ignore_errors=True)
    for stop in (5, 12):
        with pytest.raises(Interrupted):
            work.run(colors, stop_at=stop)
    work.run(colors)
    assert (work.folder / "out.mp4").read_bytes() == (work.folder / "whole.mp4").read_bytes()
    plain = work.run(ColorSource(**ways[kind]), "plain.mp4")  # type: ignore[arg-type]
    assert plain.automatic == ()
    assert (work.folder / "plain.mp4").read_bytes() != (work.folder / "whole.mp4").read_bytes()
    assert work.colored == list(range(24))  # nothing that was filled is taken for it


@pytest.mark.slow
def test_a_corrected_automatic_still_costs_its_shot(work: Workplace) -> None:
    """The whole film would be colored again; or what a person corrected would be ignored, or made again."""
    work.prepare()
    colors = ColorSource(plan=work.plan, fill="auto")
    work.run(colors)
    corrected = work.plan / "automatic" / "0002.png"
    cv2.imwrite(str(corrected), np.full((48, 64, 3), (20, 90, 200), np.uint8))
    before = corrected.read_bytes()
    work.prepare()
    assert corrected.read_bytes() == before
    receipt = work.run(colors)
    assert work.colored == list(range(8, 16))
    assert receipt.findings["frames"] == 24  # also of the shots that were kept


@pytest.mark.slow
def test_stills_that_changed_are_colored_again(work: Workplace) -> None:
    """Shots that were found anew would be filled with colors of others."""
    work.prepare()
    pictures = {path.name: path.stat().st_mtime_ns for path in (work.plan / "automatic").glob("*.png")}
    shutil.copy(work.plan / "stills/0001.png", work.plan / "stills/0003.png")
    with pytest.raises(MediaError, match="no automatic picture of shot 3"):
        work.run(ColorSource(plan=work.plan, fill="auto"))
    work.prepare()
    changed = {path.name for path in (work.plan / "automatic").glob("*.png")
               if path.stat().st_mtime_ns != pictures[path.name]}  # fmt: skip
    assert changed == {"0003.png"}
    work.automatic = make_small_ddcolor(seed=5)
    work.prepare()
    record = json.loads((work.plan / "automatic" / "automatic.json").read_text())
    assert len({weights for _, _, weights in record.values()}) == 1


def test_what_fill_does_not_go_with_is_refused(work: Workplace) -> None:
    """Hours would pass before it is found that nothing was filled in."""
    with pytest.raises(UsageError, match="all colors are automatic"):
        ColorSource(auto=True, fill="auto")
    with pytest.raises(UsageError, match="no exemplar"):
        work.run(ColorSource(fill="auto"))
    with pytest.raises(UsageError, match="leave `start`"):
        cm.plan_video(
            work.film, ColorSource(("a.png",), fill="auto"), work.folder / "x.mp4",
            settings=cm.ColorizeSettings(start="0.1"),
        )  # fmt: skip
    with pytest.raises(UsageError, match="`fill` needs a network"):
        cm.prepare_fill(work.film, automatic=work.automatic, model=make_small_deep_exemplar(), device="cpu")
    assert not (work.plan / "automatic").exists()
