"""`colormnet steady`, as a person or a program gives it."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from colormnet_cli.video.rgb import RgbFilm
from support.commands import make_film, run
from support.shot_films import Part, camera_scene, join, write_film

CUT = 20


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """old.mkv with a cut; new.mkv, the same in a color of its own in each shot; other.mp4."""
    folder = tmp_path_factory.mktemp("films")
    frames, _ = join([Part(camera_scene(seed, (72, 96)), CUT) for seed in range(2)])
    write_film(folder / "old.mkv", frames)
    with av.open(str(folder / "old.mkv")) as source, av.open(str(folder / "new.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            planes = frame.to_ndarray(format="yuv420p")
            planes[72:90], planes[90:] = (150, 110) if number < CUT else (110, 150)
            colored = av.VideoFrame.from_ndarray(planes, "yuv420p")
            colored.pts = number
            out.mux(stream.encode(colored))
        out.mux(stream.encode(None))
    make_film(folder / "other.mp4")
    return folder


def chroma(path: Path) -> np.ndarray:
    """Cb and Cr of all frames, [N, 2, h, w]."""
    return np.array(list(RgbFilm(path).chroma("yuv420p", "bt601", False)))


def test_no_color_crosses_a_cut_that_is_found(films: Path) -> None:
    """Steady colors of two shots must come out as they went in, up to the cut and from it on."""
    line = "steady old.mkv new.mkv -o out.mkv --archive --json --progress none"
    code, out, err = run(line.split(), films)
    assert code == 0, err
    receipt = json.loads(out)
    assert receipt["frames"] == 2 * CUT
    assert [Path(record["path"]).name for record in receipt["inputs"]] == ["old.mkv", "new.mkv"]
    assert err.startswith("Wrote out.mkv: 40 frames in ")
    assert np.array_equal(chroma(films / "out.mkv"), chroma(films / "new.mkv"))
    code, _, err = run(["verify", "old.mkv", "out.mkv", "--progress", "none"], films)
    assert code == 0, err


def test_with_a_plan_and_without_the_original(films: Path) -> None:
    """Shots that a person has corrected count, and a colored film alone can be repaired."""
    code, _, err = run(["shots", "new.mkv", "--progress", "none"], films)
    assert code == 0, err
    line = "steady - new.mkv -o own.mkv --plan new-plan --archive --radius 2 --progress none"
    code, out, err = run(line.split(), films)
    assert (code, out) == (0, ""), err
    assert np.array_equal(chroma(films / "own.mkv"), chroma(films / "new.mkv"))


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("steady gone.mkv new.mkv -o x.mkv", 1, "gone.mkv does not exist"),
        ("steady old.mkv other.mp4 -o x.mkv", 1, "old.mkv is 96×72, other.mp4 is 96×64: give two films of the same"),
        ("steady old.mkv new.mkv -o old.mkv", 2, "old.mkv is the input itself"),
        ("steady old.mkv new.mkv -o x.mkv --plan gone", 1, "gone is not a plan folder"),
        ("steady old.mkv new.mkv -o x.mkv --radius 0", 2, "--radius"),
        ("steady old.mkv new.mkv", 2, "Missing option '--output'"),
    ],
)
def test_impossible_requests(films: Path, line: str, code: int, message: str) -> None:
    """One sentence, and nothing is left behind."""
    got, out, err = run(line.split(), films)
    assert (got, out) == (code, "")
    assert message in " ".join(err.split())
    assert not list(films.glob("x.mkv*"))
