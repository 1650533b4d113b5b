"""Lists of shots from and for other programs."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from colormnet_cli.errors import MediaError, UsageError
from colormnet_cli.shots.interchange import edl_text, read_boundaries
from colormnet_cli.shots.shot import Shot, Transition

SCENES = """Timecode List:,00:00:01.667,00:00:03.000
Scene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame,End Timecode,End Time (seconds),Length (frames)
1,1,00:00:00.000,0.000,40,00:00:01.667,1.667,40
2,41,00:00:01.667,1.667,72,00:00:03.000,3.000,32
3,73,00:00:03.000,3.000,100,00:00:04.167,4.167,28
"""

SHOTS = [
    Shot(0, 40, 0, 1.6, Transition("start")),
    Shot(40, 90, 1.6, 3.6, Transition("cut")),
    Shot(90, 4000, 3.6, 160, Transition("dissolve", 80, 101)),
    Shot(4000, 4100, 160, 164, Transition("cut")),
]


def boundaries(path: Path, content: str, rate: Fraction = Fraction(24)) -> list[tuple[int, str]]:
    path.write_text(content)
    return [(boundary.frame, str(boundary.transition)) for boundary in read_boundaries(path, rate)]


def test_scene_list_of_pyscenedetect(tmp_path: Path) -> None:
    """Its frames count from 1, ours from 0; a list with and one without the line of timecodes."""
    wanted = [(0, "start"), (40, "cut"), (72, "cut")]
    assert boundaries(tmp_path / "a.csv", SCENES) == wanted
    assert boundaries(tmp_path / "b.csv", SCENES.split("\n", 1)[1].replace("\n", "\r\n")) == wanted


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30)]
)
def test_an_edl_comes_back_frame_for_frame(tmp_path: Path, rate: Fraction) -> None:
    """A frame too early or too late colors the end of one shot with the next one's colors."""
    found = boundaries(tmp_path / "film.edl", edl_text(SHOTS, rate, "film"), rate)
    assert found == [(0, "start"), (40, "cut"), (90, "dissolve 80-101"), (4000, "cut")]


def test_an_edl_from_an_editing_program(tmp_path: Path) -> None:
    """Record times begin at one hour; there are comments, and events of sound."""
    text = """TITLE: REEL 1
FCM: NON-DROP FRAME
001  AX       V     C        00:00:10:00 00:00:12:00 01:00:00:00 01:00:02:00
* FROM CLIP NAME: one.mov
002  AX       AA    C        00:00:10:00 00:00:12:00 01:00:01:00 01:00:02:00
003  AX       B     C        00:00:10:00 00:00:12:00 01:00:02:00 01:00:04:12
"""
    assert boundaries(tmp_path / "a.edl", text, Fraction(25)) == [(0, "start"), (50, "cut")]


def test_drop_frame_timecodes(tmp_path: Path) -> None:
    """At 29.97 frames a second two numbers are left out each minute but every tenth: 00:01:00;02 is frame 1800."""
    line = "{:03}  AX  V  C  00:00:00:00 00:00:01:00 {} {}\n"
    codes = ["00:00:00;00", "00:00:59;29", "00:01:00;02", "00:10:00;00", "00:10:01;00"]
    text = "FCM: DROP FRAME\n" + "".join(line.format(n, *pair) for n, pair in enumerate(pairwise(codes), 1))
    found = boundaries(tmp_path / "a.edl", text, Fraction(30000, 1001))
    assert [frame for frame, _ in found] == [0, 1799, 1800, 17982]
    with pytest.raises(MediaError, match=r"line 2: the timecode 00:01:00;00 does not exist: it is one that is dropped"):
        boundaries(tmp_path / "b.edl", "\n" + line.format(1, "00:01:00;00", "00:02:00;02"), Fraction(30000, 1001))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello", "is neither a scene list of PySceneDetect .* nor a CMX 3600 EDL"),
        ("Scene Number,Start Frame\n", "lists no scene"),
        ("Scene Number,Start Frame\n1,1\n2,x\n", "line 3: Start Frame is 'x': write a whole number"),
        ("Scene Number,Start Frame\n1,1\n2,50\n3,40\n", "the scene that starts at frame 40 comes after a later one"),
        (
            "001 AX V C 00:00:00:00 00:00:01:00 00:00:00:00 00:00:01:24\n",
            "line 1: the timecode 00:00:01:24 does not exist",
        ),
    ],
)
def test_lists_that_are_wrong(tmp_path: Path, content: str, message: str) -> None:
    """Each with what is wrong and where."""
    with pytest.raises(MediaError, match=message):
        boundaries(tmp_path / "a.csv", content)


def test_a_rate_without_timecode(tmp_path: Path) -> None:
    """At 18 frames a second, as silent films have it, an EDL means nothing."""
    with pytest.raises(UsageError, match=r"An EDL has no timecode for 18\.000 frames a second"):
        edl_text(SHOTS, Fraction(18), "film")
