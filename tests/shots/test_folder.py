"""The plan folder: what is written, what is kept, and what is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from colormnet_cli.errors import MediaError, OutputError
from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.folder import Plan, default_folder, read_plan
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from colormnet_cli.video.probe import probe
from colormnet_cli.video.reader import Reader
from support.shot_films import Part, camera_scene, join, write_film

SIZE = (72, 96)
STARTS = [0, 30, 55, 90]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """old.mp4, four shots, and old-plan/."""
    folder = tmp_path_factory.mktemp("plan")
    lengths = [30, 25, 35, 30]
    frames, _ = join([Part(camera_scene(seed, SIZE), length) for seed, length in enumerate(lengths)])
    make_plan(write_film(folder / "old.mp4", frames))
    return folder


@pytest.fixture
def film(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "old.mp4"


def color(folder: Path, name: str, size: tuple[int, int] = SIZE, tone: int = 90) -> Path:
    path = folder / "colored" / name
    picture = np.full((*size, 3), tone, np.uint8)
    picture[..., 0] = 200
    assert cv2.imwrite(str(path), picture)
    return path


def names(plan: Plan) -> dict[int, list[str]]:
    return {number: [reference.path.name for reference in group] for number, group in plan.references.items()}


def test_what_is_in_the_folder(film: Path) -> None:
    """One row and one still a shot, numbered alike; the still is the film's frame, at its size, in full range."""
    folder = default_folder(film)
    plan = read_plan(folder, film)
    assert [row.shot.start_frame for row in plan.shots] == STARTS
    assert sorted(path.name for path in (folder / "stills").iterdir()) == [f"000{n}.png" for n in (1, 2, 3, 4)]
    still = cv2.imread(str(folder / "stills" / "0002.png"))
    luma = next(frame.luma for frame in Reader(probe(film)).frames() if frame.number == plan.stills[2])
    assert still.shape == (*SIZE, 3)
    assert abs(still[..., 0] - (luma.astype(float) - 16) / 219 * 255).max() <= 1
    assert plan.missing == [1, 2, 3, 4]


def test_colored_pictures_are_found_by_name(film: Path) -> None:
    """Someone who saves a colored still under its own name has nothing else to do."""
    folder = default_folder(film)
    for name in ("0002.jpg", "0003.png", "0003_f00060.png", "0003_f00088.png"):
        color(folder, name)
    plan = read_plan(folder)
    third = sorted([(plan.stills[3], "0003.png"), (60, "0003_f00060.png"), (88, "0003_f00088.png")])
    assert names(plan) == {1: [], 2: ["0002.jpg"], 3: [name for _, name in third], 4: []}
    assert [reference.frame for reference in plan.references[3]] == [frame for frame, _ in third]
    assert plan.missing == [1, 4]


def test_a_picture_named_in_the_table(film: Path) -> None:
    """A photograph of the place, from wherever, can color a shot."""
    folder = default_folder(film)
    color(folder, "../place.png", (50, 200))
    edit(folder, 4, references="place.png", note="harbor")
    plan = read_plan(folder)
    assert names(plan)[4] == ["place.png"]
    assert plan.references[4][0].frame is None
    assert plan.shots[3].note == "harbor"


def edit(folder: Path, shot: int, **cells: str) -> None:
    """Change cells of a row, as in a spreadsheet."""
    table = folder / "shots.csv"
    head, *rows = [line.split(",") for line in table.read_text().splitlines()]
    for row in rows:
        if row[0] == str(shot):
            row[:] = [cells.get(name, cell) for name, cell in zip(head, row, strict=True)]
    table.write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n")


def test_a_second_run_keeps_what_a_person_wrote(film: Path) -> None:
    """Edits and pictures are hours of work."""
    folder = default_folder(film)
    edit(folder, 2, note="night")
    picture = color(folder, "0002.png").read_bytes()
    table = (folder / "shots.csv").read_bytes()
    plan = make_plan(film)
    assert plan.kept
    assert (folder / "shots.csv").read_bytes() == table
    assert (folder / "colored" / "0002.png").read_bytes() == picture
    with pytest.raises(OutputError, match=r"shots\.csv exists: name another folder, or allow"):
        make_plan(film, boundaries=lambda rate: [Boundary(0, Transition("start"))])


def test_shots_that_were_split_by_hand_get_stills(film: Path) -> None:
    """After an edit the same command brings the pictures up to date, and changes nothing else."""
    folder = default_folder(film)
    before = {path.name: path.read_bytes() for path in (folder / "stills").iterdir()}
    table = folder / "shots.csv"
    text = re.sub(r"^4,90,120,.*$", "4,90,105\n5,105,120", table.read_text(), flags=re.M)
    table.write_text(text)
    (folder / "stills" / "0001.png").unlink()
    plan = make_plan(film)
    assert table.read_text() == text
    assert 105 <= plan.stills[5] < 120
    assert (folder / "stills" / "0005.png").exists()
    after = {name: (folder / "stills" / name).read_bytes() for name in before}
    assert all(after[name] == before[name] for name in ("0001.png", "0002.png", "0003.png"))


def test_colored_pictures_follow_their_frames(film: Path) -> None:
    """When the shots get other numbers, a picture that took a day to color stays with the frame that it shows."""
    folder = default_folder(film)
    color(folder, "0003.png")
    shown = read_plan(folder).stills[3]
    begins = [Boundary(0, Transition("start")), Boundary(shown - 5, Transition("cut"))]
    plan = make_plan(film, boundaries=lambda rate: begins, overwrite=True)
    assert names(plan) == {1: [], 2: ["0003.png"]}
    assert names(read_plan(folder)) == {1: [], 2: ["0003.png"]}
    assert sorted(path.name for path in (folder / "stills").iterdir()) == ["0001.png", "0002.png"]
    color(folder, "0003.png", tone=91)
    with pytest.raises(MediaError, match=r"0003\.png: there is no still of a shot 3"):
        read_plan(folder)


def test_pictures_that_do_not_fit(film: Path) -> None:
    """A cropped picture, or one of a shot that is not there, would color the wrong things."""
    folder = default_folder(film)
    color(folder, "0002.png", (144, 192))  # larger, but of the same shape
    assert names(read_plan(folder))[2] == ["0002.png"]
    color(folder, "0002.png", (72, 72))
    with pytest.raises(MediaError, match=r"0002\.png is 72×72, but the stills are 96×72: color the still without crop"):
        read_plan(folder)
    (folder / "colored" / "0002.png").unlink()
    path = color(folder, "0009.png")
    with pytest.raises(MediaError, match=r"0009\.png: there is no still of a shot 9"):
        read_plan(folder)
    path.rename(path.with_name("sunset.png"))
    with pytest.raises(MediaError, match=r"sunset\.png has no shot's name"):
        read_plan(folder)
    (folder / "colored" / "sunset.png").rename(folder / "colored" / "0001_f00500.png")
    with pytest.raises(MediaError, match="belongs to frame 500, which the film does not have"):
        read_plan(folder)


def test_masks_of_shots(film: Path) -> None:
    """A person would not see which parts stay neutral, or that a mask is of no shot."""
    folder = default_folder(film)
    (folder / "masks").mkdir()
    cv2.imwrite(str(folder / "masks" / "0002.png"), np.full(SIZE, 255, np.uint8))
    assert read_plan(folder, film).masks == {2: folder / "masks" / "0002.png"}
    assert make_plan(film).to_dict()["shots"][1]["mask"] == str(folder / "masks" / "0002.png")
    assert (folder / "index.html").read_text().count('alt="Mask: white stays neutral"') == 1
    cv2.imwrite(str(folder / "masks" / "0002.tif"), np.full(SIZE, 255, np.uint8))
    with pytest.raises(MediaError, match=r"0002\.png and .*0002\.tif are masks of one shot: remove one"):
        read_plan(folder, film)
    (folder / "masks" / "0002.tif").rename(folder / "masks" / "title.tif")
    with pytest.raises(MediaError, match=r"title\.tif has no shot's name: call it like the still of the shot"):
        make_plan(film)


def test_a_film_that_changed(film: Path) -> None:
    """Frame numbers of another version would put every color into the wrong scene."""
    with film.open("ab") as file:
        file.write(b"more")
    with pytest.raises(MediaError, match=r"old\.mp4 is not the film of .*old-plan, or has changed since"):
        read_plan(default_folder(film), film)
    with pytest.raises(MediaError, match="or has changed since"):
        make_plan(film)


def test_a_folder_that_is_no_plan(film: Path, tmp_path: Path) -> None:
    """Each says how to make one."""
    with pytest.raises(MediaError, match="is not a plan folder: make one with `colormnet shots FILM`"):
        read_plan(tmp_path / "gone")
    (default_folder(film) / "plan.toml").unlink()
    with pytest.raises(MediaError, match=r"has no plan\.toml"):
        read_plan(default_folder(film))
    assert make_plan(film).kept  # made anew from the table
    assert read_plan(default_folder(film), film).stills.keys() == {1, 2, 3, 4}


def test_the_page_shows_every_shot(film: Path) -> None:
    """It needs nothing beside it, so that it can be sent to whoever colors."""
    folder = default_folder(film)
    color(folder, "0002.png")
    edit(folder, 3, borrowed_from="2", note="a < b & c")
    make_plan(film)
    page = (folder / "index.html").read_text()
    assert page.count("<section") == 4
    assert page.count('class="missing"') == 3
    assert page.count("data:image/jpeg;base64,") == 5
    assert "1 of 4 have a colored picture" in page
    assert "borrows from 2" in page
    assert "a &lt; b &amp; c" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
