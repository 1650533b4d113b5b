"""A time that is misread colors the wrong part of the film, or takes the wrong frame as the exemplar."""

from __future__ import annotations

from fractions import Fraction

import pytest

from colormnet_cli.errors import UsageError
from colormnet_cli.timecode import Timecode, format_time, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12.5", Fraction(25, 2)),
        ("0", Fraction(0)),
        (".5", Fraction(1, 2)),
        ("90", Fraction(90)),
        (12.5, Fraction(25, 2)),
        (3, Fraction(3)),
        ("1:02.5", Fraction(125, 2)),
        ("75:00", Fraction(4500)),
        ("00:01:02.5", Fraction(125, 2)),
        ("10:00:00", Fraction(36000)),
        (" 0.1 ", Fraction(1, 10)),
    ],
)
def test_seconds_and_clocks_are_read_exactly(text: str | float, seconds: Fraction) -> None:
    """0.1 as a binary float lies a hair beside 0.1 and picks the frame before."""
    assert parse_time(text) == Timecode(seconds=seconds)


def test_a_frame_number_is_not_seconds() -> None:
    """f1500 taken for 1500 s is past the end of most films."""
    assert parse_time("f1500") == Timecode(frame=1500)
    assert parse_time("f0").frame == 0


@pytest.mark.parametrize("text", ["", "f", "f-1", "-1", "1:2:3:4", "0:60", "1:60:00", "abc", "1e3", "12,5", "nan", "٣"])
def test_what_is_no_time_is_refused_in_one_sentence(text: str) -> None:
    """A typing error must not color from 0."""
    with pytest.raises(UsageError, match="is not a time"):
        parse_time(text)


def test_a_time_is_seconds_or_a_frame_and_not_negative() -> None:
    """A caller of the API that gives both, or neither, learns it at once."""
    for wrong in [{}, {"seconds": Fraction(1), "frame": 1}, {"frame": -1}, {"seconds": Fraction(-1)}]:
        with pytest.raises(ValueError, match="a time"):
            Timecode(**wrong)  # type: ignore[arg-type]


def test_reached_compares_like_with_like() -> None:
    """A start at f10 is reached by the eleventh frame, whatever its time."""
    assert not Timecode(frame=10).reached(9, Fraction(99))
    assert Timecode(frame=10).reached(10, Fraction(0))
    assert not Timecode(seconds=Fraction(1)).reached(99, Fraction(999, 1000))
    assert Timecode(seconds=Fraction(1)).reached(0, Fraction(1))


def test_written_times_are_read_back() -> None:
    """Receipts name the time as the user would type it."""
    for text in ["12.5", "f1500", "0", "5025.125"]:
        assert str(parse_time(text)) == text


def test_times_are_written_as_they_are_read() -> None:
    """A time copied from the report would not be accepted by --start."""
    for seconds, text in (
        (0, "0:00:00.000"),
        (62.5, "0:01:02.500"),
        (3599.9996, "1:00:00.000"),
        (36_000, "10:00:00.000"),
    ):
        assert format_time(seconds) == text
        assert parse_time(text).seconds == round(Fraction(seconds), 3)
    assert format_time(59.7, digits=0) == "0:01:00"
    assert [format_time(seconds) for seconds in (-1.5, -0.0001)] == ["-0:00:01.500", "0:00:00.000"]
