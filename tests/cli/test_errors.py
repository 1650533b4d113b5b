# ruff: noqa: F811
"""Every error that a person can make the command run into: its exit code and its sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from support.commands import command, environment, run, world  # noqa: F401 - fixtures

COLORIZE = "colorize old.mp4 --ref photo.jpg --model small.pt --device cpu"
FRAMES = "frames scans --ref photo.jpg --model small.pt --device cpu"

WRONG_USAGE = [
    ("nonsense", "No such command 'nonsense'"),
    ("colorise", r"No such command 'colorise'\. Did you mean 'colorize', 'recolor'\? See `colormnet --help`"),
    ("colorize", "Give films, or a list of films with --batch"),
    ("colorize old.mp4 --batch films.csv", "Give films, or a list of films with --batch, not both"),
    ("colorize old.mp4", "there is no reference image: give one with --ref IMAGE"),
    ("frames scans", "there is no reference image: give one with --ref IMAGE"),
    (f"{COLORIZE} --sise 480", r"No such option: --sise.*--size"),
    (
        f"{COLORIZE} --size huge",
        "'--size': 'huge' is no size: give the shorter side in pixels",
    ),
    (f"{COLORIZE} --size 8", "'8' is no size"),
    (f"{COLORIZE} --device gpu", "'--device'.* 'gpu' is unknown: give auto, cuda, cuda:N, mps or cpu"),
    (f"{COLORIZE} --device cpu:1", "'--device'.* 'cpu:1' is unknown"),
    (f"{COLORIZE} --precision fp8", "'--precision'.*fp8"),
    (f"{COLORIZE} --progress loud", "'--progress'.*loud"),
    (f"{COLORIZE} --start noon", "'noon' is not a time; write seconds"),
    (f"{COLORIZE} --end 1 --duration 2", "Give --end or --duration, not both"),
    (f"{COLORIZE} --start 1 --end 0.5", r"the end \(0\.5\) is not after the start \(1\)"),
    (f"{COLORIZE} --start f3 --end f3", r"the end \(f3\) is not after the start \(f3\)"),
    (f"{COLORIZE} --end f0", r"the end \(f0\) is not after the start \(f0\)"),
    (f"{COLORIZE} --duration 0", "a duration of 0 contains no frame"),
    (f"{COLORIZE} --crf 5 --encoder-option crf=3", "--crf and the encoder option crf=3 set the same: give one"),
    (f"{COLORIZE} --preset fast --encoder-option preset=slow", "--preset and .* preset=slow set the same"),
    (f"{COLORIZE} --archive --crf 3", "--archive means FFV1"),
    (f"{COLORIZE} --archive -o out.mp4", "--archive writes FFV1 in Matroska: name the output out.mkv"),
    (f"{COLORIZE} --crf 99", "'--crf'"),
    (f"{COLORIZE} --codec nonsense", "no encoder 'nonsense'"),
    (f"{COLORIZE} --codec prores --crf 3", "prores_ks has no --crf"),
    (f"{COLORIZE} --encoder-option fast", "'--encoder-option': 'fast' is not of the form KEY=VALUE"),
    (f"{COLORIZE} --encoder-option fastness=1", "no option fastness"),
    (f"{COLORIZE} -o out.avi", r"out\.avi.*extensions"),
    (f"{COLORIZE} -o old.mp4", r"old\.mp4 is the input itself"),
    (f"{COLORIZE} -q -v", "--quiet and --verbose contradict"),
    (f"{COLORIZE} --gamma 0", "'--gamma'"),
    (f"{COLORIZE} --ns 4 --ne 4", r"--ne \(4\) must be less than --ns \(4\)"),
    (f"{FRAMES} --ns 1", "--ns is 1: give at least 2, an exemplar and a recent frame"),
    (f"{COLORIZE} --m 200 --long-term 100", r"--m \(200\) prototypes do not fit into --long-term \(100\)"),
    ("colorize old.mp4 two.mp4 --ref photo.jpg -o out.mp4", r"Several films cannot all become out\.mp4: name a folder"),
    ("colorize old.mp4 scans/../old.mp4 --ref photo.jpg -o out", r"old\.mp4: both would become out/old\.mp4"),
    (
        "colorize old.mp4 two.mp4 old.mp4 --ref photo.jpg",
        r"old\.mp4 is given twice: both would become old-color\.mp4",
    ),
    ("colorize photo.jpg --ref photo.jpg", r"photo\.jpg is an image, not a film: give it with --ref if"),
    (f"{COLORIZE} -o -", "'--output'.*stdin and stdout are not supported: give the name of a file"),
    ("colorize old.mp4 --ref two.mp4@noon", "'noon' is not a time"),
    (f"{FRAMES} -o scans", "scans is the input itself"),
    (f"{FRAMES} --codec h264", "No such option: --codec"),
    ("weights --json fetch", "--json goes with the list alone"),
    ("weights path nonsense", "weights.lock has no model 'nonsense', but colormnet"),
    ("weights path prevew", r"did you mean 'preview'\?"),
]

EMPTY = {
    "colorize old.mp4 --model small.pt --ref": "--ref",
    "colorize old.mp4 --ref photo.jpg --model": "--model",
    "colorize old.mp4 --ref photo.jpg --model small.pt -o": "--output",
    "colorize --ref photo.jpg --model small.pt": "FILM",
    "frames --ref photo.jpg --model small.pt": "FOLDER",
    "frames scans --ref photo.jpg --model small.pt -o": "--output",
    "compare old.mp4 -o out.mp4 --input": "--input",
    "evaluate old.mp4": "REFERENCE",
    "train --out": "--out",
}

FAILED = [
    ("colorize gone.mp4 --ref photo.jpg", r"gone\.mp4"),
    ("colorize text.mp4 --ref photo.jpg", r"text\.mp4"),
    ("colorize scans --ref photo.jpg -o out.mp4", "scans"),
    ("colorize old.mp4 --ref gone.jpg", r"gone\.jpg does not exist: check its name"),
    ("colorize old.mp4 --ref photo.jpeg", r"photo\.jpeg does not exist; did you mean 'photo\.jpg'\?"),
    ("colorize olf.mp4 --ref photo.jpg", r"olf\.mp4 does not exist; did you mean 'old\.mp4'\?"),
    ("colorize gone/old.mp4 --ref photo.jpg", r"gone/old\.mp4 does not exist: there is no folder gone"),
    ("colorize old.mp4 --ref gray.png", r"gray\.png is gray: it has no colors to give"),
    ("colorize old.mp4 --ref text.mp4", r"text\.mp4"),
    ("colorize old.mp4 --ref scans", "scans is a folder"),
    ("colorize old.mp4 --ref two.mp4@99", r"two\.mp4 has no frame at 99: it ends after 0\.12 s"),
    (f"{COLORIZE} -o two.mp4", r"two\.mp4 exists: choose another name, or .*--overwrite"),
    (f"{COLORIZE} -o photo.jpg/out.mp4", r"photo\.jpg is a file, not a folder"),
    ("colorize old.mp4 --ref photo.jpg --start 1:00", r"no frame at or after 60: it says that it lasts 0\.24 s"),
    ("colorize old.mp4 --ref photo.jpg --start f6", r"no frame at or after f6: it says that it lasts 0\.24 s"),
    ("colorize old.mp4 --ref photo.jpg --start f5 --end 0.2", r"no frame.* from f5 up to 0\.2; give a later end"),
    ("colorize old.mp4 --ref photo.jpg --start 0.1 --end f3", r"no frame.* from 0\.1 up to f3"),  # no weights yet
    (f"{COLORIZE} --codec prores -o out.webm", "prores.*webm|webm.*prores"),
    ("colorize old.mp4 --ref photo.jpg --model gone.pt", "'gone.pt' is neither a model"),
    ("colorize old.mp4 --ref photo.jpg --model scans", "scans is a folder: give a weight file"),
    ("colorize old.mp4 --ref photo.jpg --model photo.jpg", r"photo\.jpg is not a file of PyTorch weights"),
    ("frames gone --ref photo.jpg", "gone does not exist: check its name"),
    ("frames old.mp4 --ref photo.jpg", r"old\.mp4.*for a film there is `colormnet colorize`"),
    ("frames empty --ref photo.jpg", "empty holds no picture"),
    ("frames scans --ref gray.png", r"gray\.png is gray"),
    ("frames mixed --ref photo.jpg", r"2\.png is 64×40, but 1\.png is 64×48"),
    (
        "colorize old.mp4 --ref photo.jpg",
        r"'colormnet' could not be downloaded.*HF_HUB_OFFLINE.*\(--model preview\).*\(--model PATH\)",
    ),
    ("weights path", "the weights 'colormnet' are not on disk: `colormnet weights fetch colormnet`"),
]


@pytest.mark.parametrize(("line", "expected"), WRONG_USAGE, ids=[line for line, _ in WRONG_USAGE])
def test_wrong_usage_ends_with_2_and_a_sentence(command, line, expected):
    """A typing error costs a second and gets a hint, before anything heavy begins."""
    code, out, err = command(*line.split())
    assert_error(err, expected)
    assert (code, out) == (2, "")


@pytest.mark.slow
def test_wrong_usage_does_not_wait_for_torch(world):
    """A typo should cost a moment, not the seconds that PyTorch takes to be imported."""
    lines = [line.split() for line, _ in WRONG_USAGE if line.startswith(("colorize", "frames"))]
    program = (
        "import sys\nsys.modules['torch'] = None\nfrom colormnet_cli.cli import main\n"
        f"for line in {lines}:\n    try: main(line)\n    except SystemExit as end: print(end.code)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=world, env=environment(world), capture_output=True, text=True
    )
    assert len(lines) > 30
    assert ran.stdout.split() == ["2"] * len(lines), ran.stderr


@pytest.mark.parametrize("line", EMPTY)
def test_an_empty_value_is_not_the_folder_one_is_in(command, tmp_path, line):
    """`--ref "$PHOTO"` where the shell has no PHOTO would name a folder as the mistake, or write films into one."""
    before = set(os.listdir())
    code, out, err = command(*line.split(), "")
    assert_error(err, f"{EMPTY[line]}.*it is empty")
    assert (code, out) == (2, "")
    assert set(os.listdir()) == before


@pytest.mark.slow
def test_encoder_messages_are_not_printed(world):
    """`x264 [error]: …` between the JSON lines ends the program that reads them."""
    line = f"{COLORIZE} -o o.mp4 --preset nonsense --progress json"
    code, out, err = run(line.split(), world)
    events = [json.loads(text) for text in err.splitlines()]
    assert (code, out) == (1, "")
    assert [event["event"] for event in events] == ["step", "error"]
    assert "libx264 does not open for 96×64 yuv420p with the options crf=16 preset=nonsense" in events[-1]["text"]


@pytest.mark.parametrize(("line", "expected"), FAILED, ids=[line for line, _ in FAILED])
def test_a_failure_ends_with_1_and_a_sentence(command, line, expected):
    """What, where, what to do; no traceback, nothing on stdout, no file left."""
    before = set(os.listdir())
    code, out, err = command(*line.split())
    assert_error(err, expected)
    assert (code, out) == (1, "")
    assert {name for name in os.listdir() if name.endswith((".mp4", ".mkv", ".webm"))} <= before


def assert_error(err: str, expected: str) -> None:
    """The last line is the error: one line that starts with a capital or a path, and ends like a sentence."""
    last = err.rstrip("\n").splitlines()[-1]
    assert last.startswith("Error: ")
    assert re.search(expected, last, re.IGNORECASE), err
    assert last.endswith((".", "?"))
    assert "Traceback" not in err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("device", ["cuda", "cuda:3", "mps"])
def test_a_device_that_is_not_there_is_no_silent_cpu_run(command, device):
    """An hour's job started on the wrong device would be a day's job."""
    code, _, err = command(*COLORIZE.replace("--device cpu", f"--device {device}").split())
    assert code == 1
    assert_error(err, f"there is no device {device[:4].rstrip(':')} here .*--device (cpu|auto)")


def test_debug_shows_where(command):
    """Someone who reports a bug needs the traceback; nobody else does."""
    code, _, err = command(*["colorize", "gone.mp4", "--ref", "photo.jpg", "--debug"])
    assert code == 1
    assert "Traceback" in err
    assert err.rstrip().splitlines()[-1].startswith("Error: ")


def test_internal_errors_are_reported_in_one_sentence(command, monkeypatch):
    """A bug of ours ends in a sentence as well, which says how to see more."""
    from colormnet_cli.film import plan

    monkeypatch.setattr(plan, "plan_video", lambda *_, **__: 1 / 0)
    code, _, err = command(*COLORIZE.split())
    assert code == 1
    assert_error(err, "Internal error: ZeroDivisionError: division by zero .*--debug")


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), MemoryError(),
     RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
     RuntimeError("could not create a primitive")],
)  # fmt: skip
def test_too_little_memory_suggests_a_size_that_fits(command, monkeypatch, error):
    """The figure must be below what was tried, and be a size that the option takes."""
    from colormnet_cli.film import colorize

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(colorize, "colorize", fails)
    code, _, err = command(*f"{COLORIZE} --size source".split())
    assert code == 1
    assert_error(err, r"cpu has too little memory for a working size of 96×64: (--size \d+ should fit|no smaller)")


def test_too_little_memory_elsewhere(command, monkeypatch):
    """To measure, to compare and to train take memory too, and have no size of a film to advise on."""
    from colormnet_cli.evaluation import evaluate

    def fails(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(evaluate, "evaluate", fails)
    code, _, err = command("evaluate", "old.mp4", "old.mp4")
    assert code == 1
    assert_error(err, "out of memory: .*smaller --size")


def test_an_unwritable_folder(command, tmp_path, monkeypatch):
    """Known before the first frame."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    code, _, err = command(*f"{COLORIZE} -o out.mp4".split())
    assert code == 1
    assert_error(err, "is not writable")


def test_of_several_films_one_that_fails_does_not_stop_the_others(command, tmp_path):
    """Twenty films overnight, the third of them damaged: nineteen are done in the morning, and it is said."""
    line = "colorize text.mp4 old.mp4 gone.mp4 two.mp4 --ref photo.jpg --model small.pt --device cpu -o color"
    code, out, err = command(*line.split(), "--json")
    assert code == 1
    assert sorted(path.name for path in (tmp_path / "color").iterdir()) == ["old.mp4", "two.mp4"]
    assert_error(err, "2 of 4 films could not be colorized, see above")
    assert len(re.findall(r"Error: .*(text|gone)\.mp4", err)) == 2
    assert [os.path.basename(receipt["output"]["path"]) for receipt in json.loads(out)] == ["old.mp4", "two.mp4"]


def test_nothing_at_all_shows_the_help_and_no_error(command):
    """What everybody types first."""
    code, out, err = command()
    assert (code, err) == (2, "")
    assert "Usage: colormnet" in out


@pytest.mark.parametrize(("streams", "said"), [(">&- 2>&-", ""), ("2>&-", "colormnet"), ("<&- >&-", "")])
def test_closed_streams(streams, said, tmp_path):
    """As cron and some daemons start programs: what nobody can read is no reason to fail."""
    line = f'exec "$0" -m colormnet_cli weights list {streams}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(said)
    assert bool(done.stdout) == bool(said)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_a_full_disk_behind_stdout(tmp_path):
    """A receipt that could not be written must not look written; no number of an error, its words."""
    line = 'exec "$0" -m colormnet_cli weights list >/dev/full'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "Error: No space left on device.\n")
