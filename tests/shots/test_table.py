"""shots.csv as programs, people and spreadsheets write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from colormnet_cli.errors import MediaError
from colormnet_cli.shots.shot import Shot, Transition
from colormnet_cli.shots.table import PlannedShot, read_table, table_text

HEAD = "shot,start_frame,end_frame,start,end,transition,references,borrowed_from,note\n"
SHOTS = [
    PlannedShot(1, Shot(0, 40, 0.0, 1.6, Transition("start"))),
    PlannedShot(
        2, Shot(40, 90, 1.6, 3.6, Transition("dissolve", 30, 50)), ("colored/0002.png", "a b.png"), "", "Küche, „Tag“"
    ),
    PlannedShot(3, Shot(90, 100, 3.6, 4.0, Transition("fade", 85, 97)), (), "2"),
]  # fmt: skip

WRONG = [
    ("", "is empty: run `colormnet shots` again"),
    (HEAD, "has no shot: run"),
    ("shot,start_frame\n1,0\n", "has no column end_frame"),
    (HEAD + "1,0,40\n2,x,90\n", r"row 3: start_frame is 'x': write a whole number"),
    (HEAD + "1,0,40\n2,,90\n", r"row 3: start_frame is empty"),
    (HEAD + "1,0,40\n2,40.5,90\n", r"row 3: start_frame is '40.5': write a whole number"),
    (HEAD + "1,0,-4\n", r"row 2: end_frame is '-4'"),
    (HEAD + '1,0,40,,,,,"a note\n2,40,90\n', r"row 2: a quotation mark is not closed"),
    (HEAD + "1,0,40\n2,40,40\n", r"row 3: end_frame 40 is not after start_frame 40"),
    (HEAD + "1,0,40\n2,35,90\n", r"row 3: shot 2 begins at frame 35, but shot 1 ends at 40: they overlap"),
    (HEAD + "1,0,40\n2,45,90\n", r"row 3: the frames 40 to 44 belong to no shot: set start_frame to 40"),
    (HEAD + "2,0,40\n1,90,100\n3,40,90\n", r"row 3: the frames 40 to 89 belong to no shot|row 4: .* sort the rows"),
    (HEAD + "1,0,40\n3,40,90\n2,20,30\n", r"row 4: shot 2 begins before the one above it: sort the rows"),
    (HEAD + "1,5,40\n", r"row 2: the first shot begins at frame 5: write 0"),
    (HEAD + "1,0,40\n1,40,100\n", r"row 3: shot 1 is in row 2 already"),
    (HEAD + "1,0,40\n2,40,120\n", r"row 3: shot 2 ends at frame 120, but the film has 100 frames: set end_frame"),
    (HEAD + "1,0,40\n2,40,90\n", r"row 3: shot 2 ends at frame 90, but the film has 100 frames"),
    (HEAD + "1,0,40\n2,40,100,,,wipe\n", r"row 3: 'wipe' is no transition: write start, cut, dissolve 100-124"),
    (HEAD + "1,0,40\n2,40,100,,,dissolve 50-60\n", r"row 3: the dissolve 50-60 does not include start_frame 40"),
    (HEAD + "1,0,40\n2,40,100,,,dissolve 60-50\n", r"row 3: a dissolve lasts from a first frame to a later one"),
    (HEAD + "1,0,40\n2,40,100,,,dissolve 30-101\n", r"row 3: the dissolve 30-101 is longer than the two shots"),
    (HEAD + "1,0,40\n2,40,100,,,start\n", r"row 3: only the first shot has the transition start: write cut"),
    (HEAD + "1,0,100,,,fade 0-20\n", r"row 2: the film begins with shot 1: write start as its transition"),
    (HEAD + "1,0,100,,,,colored/gone.png\n", r"row 2: the reference colored/gone.png is not there: put the picture"),
]  # fmt: skip


def read(folder: Path, content: str | bytes) -> list[PlannedShot]:
    path = folder / "shots.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, frames=100)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Notes with commas, quotes and umlauts, and several references, survive."""
    (tmp_path / "colored").mkdir()
    for name in ("colored/0002.png", "a b.png"):
        (tmp_path / name).touch()
    assert read(tmp_path, table_text(SHOTS)) == SHOTS


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_spreadsheets_write_it_their_way(tmp_path: Path, delimiter: str) -> None:
    """A byte order mark, other delimiters, CRLF, quotes, empty lines at the end, columns that are gone or moved."""
    rows = [
        ["Start Frame", "end_frame", "shot", "note"],
        ["0", "40", "1", '"a, b; c"'],
        ["40", "100", "2", ""],
        [""] * 4,
    ]
    text = "\ufeff" + "".join(delimiter.join(row) + "\r\n" for row in rows)
    shots = read(tmp_path, text)
    assert [(row.number, row.shot.start_frame, row.shot.end_frame) for row in shots] == [(1, 0, 40), (2, 40, 100)]
    assert shots[0].note == "a, b; c"
    assert [row.shot.transition.kind for row in shots] == ["start", "cut"]


def test_a_dissolve_by_hand_needs_no_frames(tmp_path: Path) -> None:
    """Someone who adds a dissolve by hand need not count its frames; it lies around the boundary."""
    shots = read(tmp_path, HEAD + "1,0,40\n2,40,100,,,Dissolve\n")
    assert shots[1].shot.transition == Transition("dissolve", 28, 52)
    shots = read(tmp_path, HEAD + "1,0,40\n2,40,45,,,fade\n3,45,100\n")
    assert shots[1].shot.transition == Transition("fade", 28, 45)


@pytest.mark.parametrize(("content", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_every_mistake_is_reported_with_its_row(tmp_path: Path, content: str, message: str) -> None:
    """A plan that is read wrongly colors the film wrongly, hours later."""
    with pytest.raises(MediaError, match=message):
        read(tmp_path, content)


def test_another_encoding(tmp_path: Path) -> None:
    """Old spreadsheets write Latin-1."""
    with pytest.raises(MediaError, match="is not UTF-8 text: save it again"):
        read(tmp_path, (HEAD + "1,0,100,,,,,,Küche\n").encode("latin-1"))


def test_weights_of_a_dissolve() -> None:
    """The colors of both shots are mixed by the film's own mixture."""
    way = Transition("dissolve", 10, 13)
    assert [way.weight(frame) for frame in (5, 9, 10, 11, 12, 13, 20)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    with pytest.raises(ValueError, match="a cut mixes nothing"):
        Transition("cut").weight(3)
