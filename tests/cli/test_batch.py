# ruff: noqa: F811
"""Many films in one command: references by name, and a list with options of its own for each film."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from colormnet_cli.cli import films
from support.commands import command, environment, run, world  # noqa: F401 - fixtures
from support.films import frames_of, make_film

HOW = ["--model", "small.pt", "--device", "cpu", "--size", "32"]


def test_each_film_has_its_own_reference(command):
    """A season of films had to be started one by one."""
    os.mkdir("refs")
    for name in ("old", "two"):
        shutil.copy("photo.jpg", f"refs/{name}.jpg")
    code, out, _ = command("colorize", "old.mp4", "two.mp4", "--ref", "refs/{stem}.jpg", "-o", "color", *HOW, "--json")
    assert code == 0
    receipts = json.loads(out)
    assert [receipt["references"][0]["path"] for receipt in receipts] == ["refs/old.jpg", "refs/two.jpg"]
    assert sorted(os.listdir("color")) == ["old.mp4", "two.mp4"]


def test_films_without_a_reference_are_reported_before_anything_starts(command):
    """Half of the films would be done, and the other half be missing in the morning."""
    os.mkdir("refs")
    shutil.copy("photo.jpg", "refs/two.jpg")
    shutil.copy("old.mp4", "third.mp4")
    line = ["colorize", "old.mp4", "two.mp4", "third.mp4", "--ref", "refs/{stem}.jpg", "-o", "color"]
    code, out, err = command(*line, *HOW)
    assert (code, out) == (1, "")
    assert re.search(r"2 reference images do not exist: refs/old\.jpg \(for old\.mp4\), refs/third\.jpg", err)
    assert not os.path.exists("color")


def test_a_list_of_films(command, tmp_path):
    """Every film has its reference, its part and its options; empty cells are as on the command line."""
    (tmp_path / "lists").mkdir()
    for image in ("own.jpg", "other.jpg"):
        shutil.copy("photo.jpg", f"lists/{image}")
    for film in ("old.mp4", "two.mp4"):
        shutil.copy(film, f"lists/{film}")
    cv2.imwrite("lists/mask.png", np.full((64, 96), 255, np.uint8))
    Path("lists/films.csv").write_text(
        "film,references,output,start,end,archive,bilinear,encoder-option,ns,protect\n"
        "old.mp4,own.jpg;other.jpg,new/a.mkv,f1,f4,yes,yes,,4,mask.png\n"
        "two.mp4,,,,,,,threads=1;flags=+cgop,,\n"
        "\n"
        ",,,,,,,,,\n"
        f"{tmp_path}/old.mp4,,b.mp4,,f2,no,no,,,\n"
    )
    how = ["--ref", "photo.jpg", "--crf", "20", "--ne", "3", "--end", "f3"]
    code, out, err = command("colorize", "--batch", "lists/films.csv", *how, *HOW, "--dry-run", "--json")
    assert code == 2, out
    assert "line 2: `archive`" not in err
    assert "line 2: --archive means FFV1" in err
    how = [word for word in how if word not in ("--crf", "20")]
    code, out, err = command("colorize", "--batch", "lists/films.csv", *how, *HOW, "--json")
    assert code == 0, err
    first, second, third = json.loads(out)
    assert [receipt["output"]["path"] for receipt in (first, second, third)] == [
        "lists/new/a.mkv",
        "lists/two-color.mp4",
        "lists/b.mp4",
    ]
    assert [record["path"] for record in first["references"]] == ["lists/own.jpg", "lists/other.jpg"]
    assert (first["frames"], second["frames"], third["frames"]) == (3, 3, 2)
    assert (first["memory"]["n_s"], second["memory"]["n_s"], second["memory"]["n_e"]) == (4, 10, 3)
    assert (first["settings"]["guided"], second["settings"]["guided"], third["settings"]["guided"]) == (
        False,
        True,
        True,
    )
    assert first["settings"]["archive"] is True
    assert [[mask["path"] for mask in receipt["masks"]] for receipt in (first, second)] == [["lists/mask.png"], []]
    assert second["settings"]["encoder_options"] == [["threads", "1"], ["flags", "+cgop"]]
    assert second["references"][0]["path"] == "photo.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"films\.csv has no column 'film'"),
        ("film\n", r"films\.csv lists no film"),
        ("name,output\nold.mp4,a.mp4\n", "has no column 'film'"),
        (
            "film,referencs\nold.mp4,photo.jpg\n",
            r"line 2: the column 'referencs' is unknown; did you mean 'references'",
        ),
        ("film,model\nold.mp4,preview\n", "line 2: the column 'model' is unknown"),
        ("film,crf\nold.mp4,good\n", "line 2: crf: .*(number|float)"),
        ("film,crf\nold.mp4,64\n", "line 2: crf: .*63"),
        ("film,start\ntwo.mp4,\nold.mp4,noon\n", "line 3: start: 'noon' is not a time"),
        ("film,start,end\nold.mp4,2,1\n", r"line 2: the end \(1\) is not after the start"),
        ("film,archive\nold.mp4,perhaps\n", "line 2: archive is 'perhaps': give yes or no"),
        ("film,crf\nold.mp4,1,2\n", "line 2: there are more cells than columns"),
        ("film,output\nold.mp4,a.mp4\ntwo.mp4,a.mp4\n", r"old\.mp4 and two\.mp4: both would become a\.mp4"),
        ("film,output\nold.mp4,a.mp4\ntwo.mp4,here/a.mp4\n", r"both would become here/a\.mp4"),
        (
            "film,output\nold.mp4,linked.mp4\ntwo.mp4,b.mp4\n",
            r"linked\.mp4 is to be colorized itself: give the output of old\.mp4 another name",
        ),
        ("film,crf\n,1\n", "line 2: there is no film"),
        ("film\nold.mp4\ntwo.mp4\n", r"There is no reference image for old\.mp4, two\.mp4"),
    ],
)
def test_mistakes_in_a_list(world, tmp_path, monkeypatch, capsys, command, text, message):
    """They have to be found in a spreadsheet of a hundred lines, before the first film is started."""
    Path("films.csv").write_text(text)
    Path("linked.mp4").symlink_to("two.mp4")
    Path("here").symlink_to(".")
    reference = [] if "no reference" in message else ["--ref", "photo.jpg"]
    code, out, err = command("colorize", "--batch", "films.csv", *reference, *HOW)
    assert re.search(message, err, re.IGNORECASE), err
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")


@pytest.mark.slow
def test_a_film_that_is_replaced_while_another_is_colored_is_planned_again(command, monkeypatch):
    """It would end with an internal error hours later, or with the sound of another film."""
    shutil.copy("old.mp4", "new.mp4")  # six frames, no sound
    make_film("later.mp4", frames=5, codec="libx264", audio=[("aac", "deu")])
    color = films._colorize_one

    def color_and_replace(*given):
        receipt = color(*given)
        if Path("new.mp4").exists():
            os.replace("new.mp4", "later.mp4")
        return receipt

    monkeypatch.setattr(films, "_colorize_one", color_and_replace)
    code, _, err = command("colorize", "two.mp4", "later.mp4", *HOW, "--ref", "photo.jpg", "-o", "out")
    assert code == 0, err
    assert len(frames_of(Path("out/later.mp4"))) == 6


@pytest.mark.slow
def test_a_list_of_excel(command):
    """European versions separate by semicolons, and begin with a byte order mark."""
    shutil.copy("photo.jpg", "other.jpg")
    Path("films.csv").write_text('film;references;output\nold.mp4;"photo.jpg;other.jpg";a.mkv\n', encoding="utf-8-sig")
    code, out, err = command("colorize", "--batch", "films.csv", *HOW, "--dry-run", "--json")
    assert code == 0, err
    assert (json.loads(out)["references"], json.loads(out)["output"]) == (["photo.jpg", "other.jpg"], "a.mkv")
