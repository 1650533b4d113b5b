# ruff: noqa: F811
"""`colormnet colorize` and `frames` from the outside: what they write, say and print."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import av
import cv2
import pytest

from colormnet_cli.files import file_sha256
from colormnet_cli.networks.weight_file import save_network
from support.commands import command, run, world  # noqa: F401 - fixtures
from support.films import make_film
from support.networks import make_small_deep_exemplar

HOW = ["--ref", "photo.jpg", "--model", "small.pt", "--device", "cpu"]


def frames_in(path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_film_comes_out_in_color_and_the_last_line_reports_it(command, tmp_path):
    """The command of the README's first lines."""
    code, out, err = command("colorize", "old.mp4", "-o", "out.mp4", *HOW)
    assert (code, out) == (0, "")
    assert frames_in("out.mp4") == 6
    note = err.rstrip().splitlines()[-1].partition(" Notes: The references show little")
    assert re.fullmatch(
        r"Wrote out\.mp4: 6 frames in 0:\d\d \([\d.]+ fps\), peak memory [\d,.]+ [MG]B, on cpu in fp32\.", note[0]
    )


def test_without_o_the_result_lies_beside_the_film(command):
    """And a container that cannot be written becomes Matroska, a lossless one too."""
    os.link(os.path.realpath("old.mp4"), "tape.mpg")
    assert command("colorize", "two.mp4", *HOW)[0] == 0
    assert frames_in("two-color.mp4") == 3
    assert command("colorize", "tape.mpg", *HOW, "--duration", "f2", "--archive")[0] == 0
    assert frames_in("tape-color.mkv") == 2


def test_json_is_the_receipt_and_its_hashes_are_right(command):
    """A receipt must let somebody else check years later what was made from what."""
    code, out, _ = command("colorize", "old.mp4", "-o", "out.mp4", *HOW, "--json", "--gamma", "3", "--size", "32")
    assert code == 0
    receipt = json.loads(out)
    for record in (*receipt["inputs"], *receipt["references"], receipt["output"]):
        assert record["sha256"] == file_sha256(Path(record["path"]))
    assert receipt["weights"]["name"] == "small.pt"
    assert receipt["weights"]["file_sha256"] == file_sha256(Path("small.pt"))
    assert (receipt["frames"], receipt["memory"]["gamma"], receipt["settings"]["size"]) == (6, 3, 32)
    assert {"colormnet", "torch", "av"} <= set(receipt["versions"])


def test_several_films_load_the_network_once(command, monkeypatch):
    """Half a gigabyte loaded for each of twenty films would be felt."""
    from colormnet_cli import weights

    loads = []
    real = weights.network_from_file
    monkeypatch.setattr(weights, "network_from_file", lambda path: (loads.append(path), real(path))[1])
    code, out, err = command("colorize", "old.mp4", "two.mp4", "-o", "color", *HOW, "--json")
    assert code == 0
    assert len(loads) == 1
    assert [receipt["frames"] for receipt in json.loads(out)] == [6, 3]
    assert len(re.findall("^Wrote color/", err, re.MULTILINE)) == 2


@pytest.mark.slow
def test_another_network(command):
    """Fails where Deep Exemplar needs other commands or options than ColorMNet."""
    save_network(make_small_deep_exemplar(), "other.pt")
    how = [*HOW[:2], "--model", "other.pt", *HOW[4:]]
    code, out, err = command("colorize", "old.mp4", "-o", "out.mp4", *how, "--json")
    assert code == 0, err
    receipt = json.loads(out)
    assert (receipt["frames"], receipt["settings"]["size"]) == (6, 216)
    assert command("frames", "scans", *how)[0] == 0
    code, out, err = command("colorize", "old.mp4", "-o", "new.mp4", *how, "--dry-run", "--json", "--size", "43")
    assert code == 0, err
    plan = json.loads(out)
    assert (plan["working_height"], plan["working_width"]) == (40, 64)  # multiples of 8
    assert plan["estimate"]["weights"] == "other.pt"
    code, out, err = command("bench", "--film", "none", "--frames", "5", *how[2:], "--size", "64x32")
    assert code == 0, err
    assert "Memory full" not in out


def test_a_part_of_the_film(command):
    """Times as people write them."""
    line = ["--start", "f2", "--end", "0.16"]
    assert command("colorize", "old.mp4", "-o", "out.mkv", *HOW, *line)[0] == 0
    assert frames_in("out.mkv") == 2


@pytest.mark.slow
def test_quiet_prints_nothing_and_verbose_prints_more(command):
    """In a script's log only errors count; who asks for more gets it."""
    assert command("colorize", "two.mp4", "-o", "a.mp4", *HOW, "-q") == (0, "", "")
    _, _, usual = command("colorize", "two.mp4", "-o", "b.mp4", *HOW)
    _, _, more = command("colorize", "two.mp4", "-o", "c.mp4", *HOW, "-v")
    assert "Loading the weights small.pt." in more
    assert "Loading" not in usual


@pytest.mark.slow
def test_the_device_that_auto_chooses_is_reported(command):
    """Nobody should wonder after an hour whether the GPU was used."""
    arguments = ["colorize", "two.mp4", "-o", "out.mp4", "--ref", "photo.jpg", "--model", "small.pt", "--dry-run"]
    assert re.search(r"on (cpu|cuda:0|mps).* in fp\d\d", command(*arguments)[1])
    _, _, err = command(*arguments[:-1])
    assert re.search(r"^Running on (cpu|cuda:0|mps).*, in fp\d\d\.$", err, re.MULTILINE)


def test_progress_as_json_lines(command):
    """Another program draws the bar: every line on stderr is an object, and the frames arrive at the total."""
    code, _, err = command("colorize", "old.mp4", "-o", "out.mp4", *HOW, "--progress", "json")
    assert code == 0
    events = [json.loads(line) for line in err.splitlines()]
    colored = [event for event in events if event["event"] == "progress" and event["phase"] == "color"]
    assert colored[-1]["done"] == colored[-1]["total"] == 6
    assert events[-1]["event"] == "note"
    assert events[-1]["text"].startswith("Wrote out.mp4")


@pytest.mark.slow
def test_one_frame_is_no_frames(command):
    """One picture of a film is a good first try, and its lines are read closely."""
    code, _, err = command("colorize", "old.mp4", "-o", "out.mp4", *HOW, "--end", "f1")
    assert code == 0
    assert "Wrote out.mp4: 1 frame in" in err
    assert "old.mp4: 1/1 frame, " in err
    assert "1 frames" not in err
    assert (
        "  film      1 frame of" in command("colorize", "old.mp4", "-o", "b.mp4", *HOW, "--end", "f1", "--dry-run")[1]
    )


def test_a_warning_is_shown_and_repeated_in_the_last_line(command):
    """A film that has color already: its colors go, and that must not be missed."""
    assert command("colorize", "old.mp4", "-o", "color.mp4", *HOW)[0] == 0
    code, _, err = command("colorize", "color.mp4", "-o", "again.mp4", *HOW)
    assert code == 0
    warned = [line for line in err.splitlines() if line.startswith("Warning: ")]
    assert any("already has color" in line for line in warned)
    assert "Notes: The film already has color" in err.rstrip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [False, True])
def test_a_dry_run_shows_the_plan_and_writes_nothing(command, tmp_path, as_json):
    """Before a night's run: frames, sizes, codec, streams, cost; nothing is written, not even a folder."""
    before = sorted(tmp_path.rglob("*"))
    arguments = ["colorize", "old.mp4", "-o", "new/deep", *HOW, "--dry-run", "--size", "32", "--codec", "hevc"]
    code, out, _ = command(*arguments, *(["--json"] if as_json else []))
    assert code == 0
    if as_json:
        plan = json.loads(out)
        assert (plan["frames"], plan["working_height"], plan["codec"]) == (6, 32, "libx265")
        assert plan["estimate"]["memory"] > 1e6
        assert plan["estimate"]["seconds"] > 0
    else:
        assert re.search(r"old\.mp4 → new/deep/old\.mp4", out)
        assert "6 frames of 96×64 at 25 fps, h264 yuv420p" in out
        assert "at 48×32, weights small.pt" in out
        assert re.search(r"libx265 yuv420p .*crf 18 preset medium.*in mp4", out)
        assert re.search(r"about [\d.]+ [MG]B of memory on cpu.* in fp32, about [\d.e-]+ s per frame, 0:00 in", out)
    assert [path for path in sorted(tmp_path.rglob("*")) if "cache" not in path.parts] == before


def test_a_folder_is_made_for_films_alone(command):
    """A slip in the names must not leave an empty folder."""
    code, _, err = command("colorize", "gone.mp4", "text.mp4", "-o", "new/deep", *HOW)
    assert (code, os.path.exists("new")) == (1, False)
    assert "2 of 2 films" in err
    assert command("colorize", "two.mp4", "-o", "new/deep", *HOW)[0] == 0
    assert os.listdir("new/deep") == ["two.mp4"]


@pytest.mark.parametrize(
    "line",
    [
        "colorize two.mp4 -o new/deep/out.mp4",
        "frames scans -o new/deep/out",
        "compare two.mp4 -i two.mp4 -o new/deep/out.mp4",
    ],
)
def test_missing_folders_are_created(command, line):
    """Some commands asked for the folder to be created first."""
    how = [] if line.startswith("compare") else HOW
    assert command(*line.split(), *how)[0] == 0
    assert [name for name in os.listdir("new/deep") if not name.startswith(".")] == [os.path.basename(line)]


@pytest.mark.slow
def test_a_dry_run_shows_what_would_be_downloaded(command):
    """On a slow connection, half a gigabyte is part of the plan."""
    code, out, _ = command("colorize", "old.mp4", "--ref", "photo.jpg", "--dry-run", "--size", "32", "--device", "cpu")
    assert code == 0
    assert "weights 495 MB would be downloaded" in out


def test_frames_colors_a_folder(command):
    """The second command of the README: natural order, PNG out, beside the folder unless said."""
    code, out, err = command("frames", "scans", *HOW, "--json", "-o", "color")
    assert code == 0
    assert sorted(os.listdir("color")) == ["1.png", "10.png", "2.png"]
    assert cv2.imread("color/1.png").std(axis=2).max() > 0
    receipt = json.loads(out)
    assert receipt["frames"] == 3
    assert receipt["weights"]["name"] == "small.pt"
    assert re.search(r"^Wrote .*color: 3 images in 0:\d\d \([\d.]+ fps\)", err, re.MULTILINE)


def test_a_folder_may_begin_with_a_damaged_picture(command):
    """The first of a thousand scans ended the command; any other was left out, and said so."""
    os.mkdir("in")
    Path("in/0.png").write_text("damaged")
    Path("in/1.png").write_bytes(Path("scans/1.png").read_bytes())
    code, _, err = command("frames", "in", *HOW)
    assert code == 0
    assert os.listdir("in-color") == ["1.png"]
    assert re.search(r"^Wrote .*in-color: 1 image in .*in/0\.png is not an image", err, re.MULTILINE)


@pytest.mark.slow
def test_frames_dry_run(command):
    """The same promise as for films."""
    code, out, _ = command("frames", "scans", *HOW, "--dry-run", "-o", "color")
    assert code == 0
    assert "3, from 1.png to 10.png" in out
    assert not os.path.exists("color")
    code, out, _ = command("frames", "scans", *HOW, "--dry-run", "--json", "-o", "color")
    plan = json.loads(out)
    assert (plan["pictures"], plan["width"], plan["working_height"]) == (3, 64, 48)


@pytest.mark.slow
def test_names_that_are_not_utf8(world, tmp_path):
    """Files from other systems have such names; a UnicodeEncodeError came after all images were colorized."""
    folder, film = tmp_path / "scans", tmp_path / os.fsdecode(b"f\xff.mp4")
    shutil.copytree(world / "scans", folder)
    (folder / "2.png").rename(folder / os.fsdecode(b"2\xff.png"))
    shutil.copy(world / "two.mp4", film)
    rest = ["--ref", str(world / "photo.jpg"), "--model", str(world / "small.pt"), "--device", "cpu", "--json"]
    code, out, err = run(["frames", str(folder), *rest], tmp_path)
    assert code == 0, err
    listing = b"".join(
        hashlib.sha256(path.read_bytes()).hexdigest().encode() + b"  " + os.fsencode(path.name) + b"\n"
        for path in (folder / "1.png", folder / os.fsdecode(b"2\xff.png"), folder / "10.png")
    )
    assert json.loads(out)["inputs"][0]["sha256"] == hashlib.sha256(listing).hexdigest()
    assert (tmp_path / "scans-color" / os.fsdecode(b"2\xff.png")).exists()
    code, out, err = run(["colorize", film.name, *rest], tmp_path)
    assert code == 0, err
    assert json.loads(out)["inputs"][0]["path"] == film.name


@pytest.mark.slow
def test_tags_cannot_control_the_terminal(world, tmp_path):
    """The name of a tag is shown where a container does not store it; it may contain escape sequences."""
    make_film(tmp_path / "film.mkv", codec="libx264", metadata={"EVIL\x1b[31m": "x"})
    rest = ["--ref", str(world / "photo.jpg"), "--model", str(world / "small.pt"), "--device", "cpu"]
    for more in ([], ["--dry-run"]):
        code, out, err = run(["colorize", "film.mkv", "-o", "out.mp4", *rest, *more, "--overwrite"], tmp_path)
        assert code == 0, err
        assert r"EVIL\u001b[31M" in out + err  # Matroska has names in upper case
        assert "\x1b" not in out + err


@pytest.mark.slow
def test_image_libraries_write_nothing_to_the_terminal(world, tmp_path):
    """Lines of libpng and libjpeg came between ours, and broke the progress bar."""
    folder = tmp_path / "scans"
    shutil.copytree(world / "scans", folder)
    png = bytearray((folder / "2.png").read_bytes())
    png[-20] ^= 1
    (folder / "2.png").write_bytes(png)
    jpeg = cv2.imencode(".jpg", cv2.imread(str(folder / "1.png")))[1].tobytes()
    (folder / "3.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    rest = ["--ref", str(world / "photo.jpg"), "--model", str(world / "small.pt"), "--device", "cpu"]
    code, _, err = run(["frames", str(folder), *rest], tmp_path)
    assert code == 0, err
    assert not re.search("(?m)^libpng|^Corrupt JPEG", err)
    assert "Wrote" in err


def test_a_report_shows_where_to_look(command):
    """The list of what may be wrong would be in JSON only."""
    code, out, err = command("colorize", "old.mp4", "-o", "out.mp4", *HOW, "--report", "{stem}-report.html", "--json")
    assert code == 0, err
    findings = json.loads(out)["findings"]
    assert findings["frames"] == 6
    page = Path("old-report.html").read_text("utf-8")
    assert all(one["start"] in page for one in findings["passages"])
    code, _, err = command("colorize", "old.mp4", "two.mp4", "-o", "color", *HOW, "--report", "report.html")
    assert code == 2
    assert "{stem}" in err


@pytest.mark.parametrize("page", ["old.mp4", "photo.jpg", "gray.png", "out.mp4", "scans", "text.mp4/page.html"])
def test_a_report_replaces_nothing_that_the_film_needs(command, page):
    """A slip in the command line would replace the only copy of a film by a page, or be found after hours."""
    content = Path(page).read_bytes() if Path(page).is_file() else None
    code, _, err = command(
        "colorize", "old.mp4", "-o", "out.mp4", *HOW, "--protect", "gray.png", "--report", page, "--dry-run"
    )
    assert code == (1 if "/" in page else 2), err
    assert page.partition("/")[0] in err
    assert content is None or Path(page).read_bytes() == content


@pytest.mark.parametrize("colors", [["--auto"], ["--ref", "photo.jpg", "--fill", "auto"]])
@pytest.mark.parametrize("wrong", [["--start", "f2"], ["--protect", "scans/1.png"], ["--chroma-out", "old.mkv"]])
def test_mistakes_are_reported_before_shots_are_found_and_stills_colored(command, colors, wrong):
    """Hours of finding shots and coloring stills would end with a word about another option."""
    Path("old.mkv").symlink_to(Path("old.mp4").resolve())
    films = ["old.mkv", "-o", "out.mkv"] if "old.mkv" in wrong else ["old.mp4", "-o", "out.mp4"]
    how = ["--model", "small.pt", "--auto-model", "small.pt", "--device", "cpu"]
    code, _, err = command("colorize", *films, *colors, *how, *wrong)
    assert code in (1, 2), err
    assert "small.pt" not in err
    assert wrong[0] in err or wrong[1] in err
    assert not Path("old-plan").exists()


def test_automatic_stills_fill_in_folders_of_images(command):
    """What is checked of films before stills are colored would end this with an internal error."""
    how = ["--ref", "photo.jpg", "--model", "small.pt", "--device", "cpu"]
    code, _, err = command("frames", "scans", "-o", "color", *how, "--fill", "auto", "--auto-model", "small.pt")
    assert code == 2, err
    assert "small.pt colors only from reference images" in " ".join(err.split())


@pytest.mark.parametrize(
    "call",
    [
        ["colorize", "old.mp4", "-o", "out.mp4", *HOW, "--fill", "auto"],
        ["colorize", "old.mp4", "-o", "out.mp4", "--auto", "--model", "small.pt", "--dry-run"],
        ["stills", "old-plan"],
    ],
)
def test_a_mistyped_auto_model_is_reported_at_once(command, call):
    """It would go unnoticed until a still has to be colored, which may be in the middle of the night."""
    code, _, err = command(*call, "--auto-model", "ddcolour")
    assert code == 1, err
    assert "'ddcolour' is neither a model" in " ".join(err.split())
    assert "did you mean" in err.lower()
    assert not Path("out.mp4").exists()
