"""`colormnet shots`, as a person or a program gives it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.commands import run
from support.shot_films import Part, camera_scene, join, write_film


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    frames, _ = join([Part(camera_scene(seed, (72, 96)), 30) for seed in range(3)])
    write_film(folder / "old.mp4", frames)
    (folder / "scenes.csv").write_text("Scene Number,Start Frame\n1,1\n2,16\n")
    (folder / "text.csv").write_text("hello\n")
    return folder


@pytest.mark.slow
def test_from_a_film_to_a_plan(films: Path) -> None:
    """The table on disk, the summary on stderr, the same as JSON on stdout, and an EDL."""
    code, out, err = run(["shots", "old.mp4", "--edl", "old.edl", "--json", "--progress", "none"], films)
    assert code == 0, err
    assert err == "Wrote old-plan: 3 shots, 3 of them without a colored picture.\n"
    plan = json.loads(out)
    assert [shot["start_frame"] for shot in plan["shots"]] == [0, 30, 60]
    assert plan["shots"][1]["transition"] == "cut"
    assert (films / "old-plan" / "index.html").exists()
    assert (films / "old.edl").read_text().count(" V ") == 3
    code, _, err = run(["shots", "old.mp4", "--progress", "none"], films)
    assert code == 0
    assert err == "Kept old-plan/shots.csv: 3 shots, 3 of them without a colored picture.\n"


@pytest.mark.slow
def test_an_imported_list(films: Path) -> None:
    """Work that was done in another program is not done twice."""
    code, out, err = run(["shots", "old.mp4", "-o", "mine", "--import", "scenes.csv", "--json"], films)
    assert code == 0, err
    assert [shot["start_frame"] for shot in json.loads(out)["shots"]] == [0, 15]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("shots gone.mp4", 1, "gone.mp4 does not exist"),
        ("shots old.mp4 -o text.csv", 1, "text.csv is a file: name another folder for the plan."),
        ("shots old.mp4 -o new --import text.csv", 1, "text.csv is neither a scene list of PySceneDetect"),
        ("shots old.mp4 -o new --edl scenes.csv", 1, "scenes.csv exists: choose another name, or "),
        ("shots", 2, "Missing argument 'FILM'"),
    ],
)
def test_impossible_requests(films: Path, line: str, code: int, message: str) -> None:
    """One sentence, before the film is read; nothing is left behind."""
    got, out, err = run(line.split(), films)
    assert (got, out) == (code, "")
    assert message in err.replace("\n", " ")
    assert not (films / "new").exists()
