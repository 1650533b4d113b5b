"""`colormnet recolor`, as a person or a program gives it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.commands import command, world  # noqa: F401 - fixtures

NETWORK = ["--model", "small.pt", "--device", "cpu", "--size", "48", "--progress", "none"]


@pytest.fixture
def out(command, tmp_path: Path) -> Path:  # noqa: F811
    """A colored film in the current folder, with its receipt."""
    code, receipt, err = command("colorize", "old.mp4", "--ref", "photo.jpg", "-o", "out.mp4", "--json", *NETWORK)
    assert code == 0, err
    (tmp_path / "out.mp4.json").write_text(receipt)
    return tmp_path / "out.mp4"


@pytest.mark.slow
def test_a_passage(command, out: Path) -> None:  # noqa: F811
    """Someone who gives only what has to be said, beside a receipt, would have to say more."""
    before = out.read_bytes()
    line = "recolor out.mp4 --from 0:00:00.08 --to f4 --ref photo.jpg --vividness 2 --json"
    code, receipt, err = command(*line.split(), *NETWORK)
    assert code == 0, err
    assert err.startswith(
        "Colored 6 frames of out.mp4 again (0:00:00.000 to 0:00:00.240), of 6 that were encoded again"
    )
    assert "The luma of the passage is that of old.mp4, which the receipt names" in " ".join(err.split())
    assert out.read_bytes() != before
    change = json.loads(receipt)["changes"][-1]
    assert (change["frames"], change["encoded_frames"], change["settings"]["vividness"]) == ([0, 6], [0, 6], 2)
    assert json.loads(receipt) == json.loads((out.parent / "out.mp4.json").read_text())
    code, _, err = command("verify", "old.mp4", "out.mp4", "--receipt", "out.mp4.json", "--progress", "none")
    assert code == 0, err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("recolor out.mp4 --from 1 --ref photo.jpg", 2, "Missing option '--to'"),
        ("recolor out.mp4 --from x --to 2 --ref photo.jpg", 2, "'x' is not a time"),
        ("recolor out.mp4 --from f4 --to f2 --ref photo.jpg", 2, "out.mp4 has no frame from f4 up to f2"),
        ("recolor out.mp4 --from f1 --to f2", 2, "There is no reference image: give at least one (--ref)."),
        ("recolor out.mp4 --from f1 --to f2 --ref gone.png", 1, "gone.png does not exist"),
        ("recolor gone.mp4 --from f1 --to f2 --ref photo.jpg", 1, "gone.mp4 does not exist"),
        ("recolor out.mp4 --from f1 --to f2 --ref photo.jpg --receipt old.mp4", 1, "old.mp4 is no receipt"),
        ("recolor two.mp4 --from f1 --to f2 --ref photo.jpg", 2, "give the film that was colored (--source), or '-'"),
        ("recolor out.mp4 --from f1 --to f2 --ref photo.jpg --codec hevc", 1, "(codec h264, not hevc): give the"),
    ],
)
def test_impossible_requests(command, out: Path, line: str, code: int, message: str) -> None:  # noqa: F811
    """One sentence says what is wrong, and the film is as it was."""
    before = out.read_bytes()
    got, _, err = command(*line.split(), *NETWORK)
    assert (got, message in " ".join(err.split())) == (code, True), err
    assert out.read_bytes() == before
    assert not list(out.parent.glob("*.colormnet-part"))
