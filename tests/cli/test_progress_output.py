"""Progress in its forms, and the words of the session: what people and programs read while they wait."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from colormnet_cli.cli import reporter as p
from colormnet_cli.cli.session import Session, sentence
from colormnet_cli.settings import Progress
from colormnet_cli.weights import FetchProgress


def at(frame: int, total: int | None = 1200, phase: str = "color") -> Progress:
    remaining = None if total is None else 215.0
    return Progress(phase, frame, total, 4.21, 61.0, remaining, 3_210_000_000)


@pytest.fixture
def now(monkeypatch):
    """A clock that is moved by hand."""
    clock = [100.0]
    monkeypatch.setattr(p.time, "monotonic", lambda: clock[0])
    return clock


def test_a_plain_line_has_everything(capsys, now):
    """A log file must tell: frame, total, per cent, rate, elapsed, remaining, memory."""
    reporter = p.Reporter(Session(), "plain")
    reporter.film("old.mp4", at(300))
    reporter.film("old.mp4", at(301))  # at once: not again
    now[0] += 6
    reporter.film("old.mp4", at(320))
    reporter.film("old.mp4", at(1200))  # the end always
    reporter.film("old.mp4", at(1, phase="join"))  # and where something new begins
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "old.mp4: 300/1,200 frames, 25%, 4.21 fps, 1:01 elapsed, 3:35 left, 3.21 GB"
    assert [line.split(" frames")[0] for line in lines] == [
        "old.mp4: 300/1,200", "old.mp4: 320/1,200", "old.mp4: 1,200/1,200", "old.mp4, writing: 1/1,200",
    ]  # fmt: skip


def test_an_unknown_total_is_not_invented(capsys):
    """Some containers do not say how many frames they have."""
    p.Reporter(Session(), "plain").film("old.mp4", at(300, total=None))
    assert capsys.readouterr().err == "old.mp4: 300 frames, 4.21 fps, 1:01 elapsed, 3.21 GB\n"


def test_names_cannot_control_the_terminal(capsys, now):
    """A file's name or tag with escape sequences could recolor the screen, or show another message than ours."""
    name = "a\x1b[31m\x9b\u202e\udcff.mp4"  # the last: a byte that is not UTF-8
    escaped = r"a\u001b[31m\u009b\u202e\udcff.mp4"
    for session in (Session(), Session(as_json=True)):
        session.say(f"{name} is gone", "error")
        session.say(f"{name} is gone")
        session.result(json.dumps({"name": name}, ensure_ascii=False))
        p.Reporter(session, "json" if session.as_json else "plain").film(name, at(300))
        out, err = capsys.readouterr()
        assert json.loads(out) == {"name": name}
        lines = err.splitlines()
        assert all(escaped in line for line in lines)
        if session.as_json:
            assert json.loads(lines[0]) == {"event": "error", "text": f"{name} is gone."}
            assert json.loads(lines[2])["name"] == name


def test_a_long_error_is_wrapped_between_words():
    """The label was not counted, so that terminals broke lines within words."""
    session, screen = Session(), io.StringIO()
    session.__dict__["console"] = Console(file=screen, width=40, highlight=False)
    session.say(f"{'word ' * 20}end", "error")
    lines = screen.getvalue().splitlines()
    assert lines[0].startswith("Error: word ")
    assert all(len(line) <= 40 and set(line.split()) <= {"Error:", "word", "end."} for line in lines)


def test_json_lines(capsys, now):
    """One object a line, for programs."""
    reporter = p.Reporter(Session(as_json=True), "json")
    reporter.step("Loading")
    reporter.film("old.mp4", at(300))
    step, event = map(json.loads, capsys.readouterr().err.splitlines())
    assert step == {"event": "step", "text": "Loading"}
    assert (event["event"], event["phase"], event["done"], event["total"]) == ("progress", "color", 300, 1200)
    assert (event["rate"], event["remaining"], event["memory"]) == (4.21, 215.0, 3_210_000_000)


def test_none_and_quiet_show_nothing(capsys):
    """`--progress none`, and `-q` where no form was asked for."""
    for reporter in (p.Reporter(Session(), "none"), p.Reporter(Session(verbosity=-1), "auto")):
        reporter.step("Loading")
        reporter.film("old.mp4", at(300))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("columns", [80, 120])
def test_the_bar_fits_the_terminal(columns):
    """On a narrow terminal the figures stay, the name gives way; nothing wraps."""
    session = Session()
    screen = io.StringIO()
    session.console = Console(file=screen, width=columns, force_terminal=True, color_system=None)
    with p.Reporter(session, "bar") as reporter:
        reporter.film("a film with quite a long name, restored.mp4", at(300))
        reporter._bar.refresh()
    drawn = [line for line in screen.getvalue().replace("\r", "\n").splitlines() if "300/1,200" in line]
    assert drawn
    for line in drawn:
        assert "300/1,200  25%  4.21 fps  1:01  3:35 left  3.21 GB" in line
        assert "━" in line
        assert len(line.split("\x1b[2K")[-1]) <= columns


@pytest.mark.parametrize(
    ("terminal", "term", "form"), [(True, "xterm", "bar"), (True, "dumb", "plain"), (False, "xterm", "plain")]
)
def test_auto_is_a_bar_on_a_terminal(monkeypatch, terminal, term, form):
    """No escape codes in log files."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("TERM", term)
    assert p.Reporter(Session(), "auto").form == form


def test_a_download_is_in_bytes(capsys, now):
    """With its own clock: rate and remaining time come from the bytes."""
    reporter = p.Reporter(Session(), "plain")
    reporter.fetch(FetchProgress("colormnet", "the Hub", 0, 494_884_817))
    now[0] += 10
    reporter.fetch(FetchProgress("colormnet", "the Hub", 98_977_000, 494_884_817))
    first, second = capsys.readouterr().err.splitlines()
    assert first == "weights colormnet: 0 B of 495 MB, 0%, 0:00 elapsed"
    assert second == "weights colormnet: 99 MB of 495 MB, 20%, 9.9 MB/s, 0:10 elapsed, 0:40 left"


def test_clock_and_bytes():
    """As people read them."""
    assert [p.clock(s) for s in (0, 7.4, 754, 3723)] == ["0:00", "0:07", "12:34", "1:02:03"]
    assert [p.bytes_text(n) for n in (12, 5_300, 494_884_817, 1.2e12)] == ["12 B", "5.3 kB", "495 MB", "1,200 GB"]


def test_sentences():
    """Errors come from many modules; they look alike, and what they name keeps its case."""
    assert sentence("There is no device") == "There is no device."
    assert sentence("old film.mp4 is gone.") == "old film.mp4 is gone."


def test_messages_with_brackets_stay_whole(capsys):
    """rich reads [words] as styles: a file name with brackets, or a shape, must not vanish."""
    Session().say("film [restored].mp4 is [3, 4]", "error")
    assert capsys.readouterr().err == "Error: film [restored].mp4 is [3, 4].\n"
