"""`colormnet weights` and `doctor` in processes of their own, with the real huggingface_hub and a local Hub."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from colormnet_cli.cli.reporter import bytes_text
from support.commands import make_world, run
from support.local_hub import COMMIT, Hub


@pytest.fixture
def folder(tmp_path):
    return make_world(tmp_path)


@pytest.fixture
def hub(folder):
    server = Hub((folder / "small.pt").read_bytes())
    (folder / "weights.lock").write_text(
        f'[colormnet]\nfile = "w.pt"\nsize = {len(server.content)}\nsha256 = "{server.sha256}"\n'
        f'license = "CC BY-NC-SA 4.0"\ncredit = "by some people"\n'
        f'[[colormnet.sources]]\nhub = "someone/film"\ntype = "space"\ncommit = "{COMMIT}"\npath = "{server.path}"\n'
    )
    yield server
    server.close()


@pytest.fixture
def command(hub, folder):
    def execute(*arguments: str, **environment: str) -> tuple[int, str, str]:
        return run(list(arguments), folder, HF_ENDPOINT=hub.url, COLORMNET_LOCK="weights.lock", **environment)

    return execute


@pytest.mark.slow
def test_the_first_run_downloads_the_weights_and_the_second_makes_no_request(command, hub):
    """A first run shows license and progress; a second makes no request and needs no network."""
    line = ["colorize", "two.mp4", "--ref", "photo.jpg", "--device", "cpu", "-o"]
    code, _, err = command(*line, "a.mp4")
    assert code == 0, err
    assert re.search(
        r"Downloading the weights 'colormnet', \d MB, from the Hugging Face space.*CC BY-NC-SA 4\.0 \(by", err
    )
    assert re.search(r"^weights colormnet: .* MB, 100%", err, re.MULTILINE)
    assert all(hub.path in request or "/blobs/" in request for request in hub.requests)
    hub.requests.clear()
    code, _, err = command(*line, "b.mp4", HF_HUB_OFFLINE="1")
    assert code == 0, err
    assert "Downloading" not in err
    assert command("weights", "fetch")[0] == 0
    assert hub.requests == []


@pytest.mark.slow
def test_fetch_path_verify_and_list(command, hub, folder):
    """Scripts use what the subcommands print: a path alone, and an exit code."""
    assert command("weights", "verify")[:2] == (1, "colormnet: not on disk\n")
    code, out, err = command("weights", "fetch", "--progress", "json")
    assert code == 0, err
    path = Path(out.strip())
    assert path.read_bytes() == hub.content
    events = [json.loads(line) for line in err.splitlines()]
    assert events[-1]["event"] == "progress"
    assert events[-1]["done"] == events[-1]["total"] == len(hub.content)
    assert command("weights", "path") == (0, f"{path}\n", "")
    assert command("weights", "verify")[:2] == (0, f"colormnet: right, {path}\n")
    (listed,) = json.loads(command("weights", "list", "--json")[1])
    assert (listed["path"], listed["sha256"]) == (str(path), hub.sha256)
    assert "license: CC BY-NC-SA 4.0 (by some people)" in command("weights")[1]
    blob, stat = path.resolve(), path.stat()
    blob.write_bytes(bytes(len(hub.content)))
    os.utime(blob, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    code, out, err = command("weights", "verify")
    assert (code, out) == (1, f"colormnet: WRONG sha256, {path}\n")
    assert "weights fetch NAME" in err


def test_verify_does_not_miss_what_is_optional(command, folder):
    """Someone who never colors a still has no 912 MB of DDColor, and all is well; asked for by name, it is missing."""
    assert command("weights", "fetch")[0] == 0
    lock = folder / "weights.lock"
    lock.write_text(
        lock.read_text() + f'[other]\nfile = "o.pt"\nsize = 5\nsha256 = "{"0" * 64}"\nlicense = "Apache-2.0"\n'
        f'[[other.sources]]\nhub = "someone/film"\ncommit = "{COMMIT}"\npath = "o.pt"\n'
    )
    code, out, _ = command("weights", "verify")
    assert (code, out.splitlines()[1]) == (0, "other: not on disk")
    assert command("weights", "verify", "other")[:2] == (1, "other: not on disk\n")


@pytest.mark.slow
def test_doctor(command, hub):
    """Exit 0 where colorize can run; 1 and the reason where it cannot."""
    code, out, err = command("doctor")
    size = bytes_text(len(hub.content))
    note = f"the first film downloads the weights 'colormnet', {size}, for which there is room"
    assert (code, err) == (0, f"Colorize can run here; {note}.\n")
    for what in (
        r"version +torch \d",
        r"device +cpu",
        r"codec +libx264: yes",
        r"h264_nvenc: ",
        r"cache +/",
        r"not on disk yet",
    ):
        assert re.search(what, out), what
    code, out, err = command("doctor", "--json", HF_HUB_OFFLINE="1")
    assert code == 1
    assert (
        err == "Error: Colorize cannot run here: the weights 'colormnet' are not on disk, and HF_HUB_OFFLINE is set.\n"
    )
    assert json.loads(out)["problems"] == ["the weights 'colormnet' are not on disk, and HF_HUB_OFFLINE is set"]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["room", "hub", "cache"])
def test_doctor_reports_that_the_weights_cannot_be_stored(command, folder, wrong):
    """Doctor would find no problem, and then half a gigabyte could not be stored."""
    (folder / "file").touch()
    more = {"room": {}, "hub": {"HF_HOME": str(folder / "file")}, "cache": {"XDG_CACHE_HOME": str(folder / "file")}}
    if wrong == "room":
        lock = folder / "weights.lock"
        lock.write_text(re.sub(r"size = \d+", f"size = {10**17}", lock.read_text()))
    code, out, err = command("doctor", "--json", **more[wrong])
    reason = "need 100,000,000,000 MB in " if wrong == "room" else f"{folder / 'file'} is not writable"
    assert code == 1
    assert reason in err
    assert reason in json.loads(out)["problems"][0]
    assert len(err.splitlines()) == 1


def test_verify_needs_on_disk_only_what_is_named(command, folder):
    """Someone who uses one of the models would be asked to download them all."""
    assert command("weights", "add", "small.pt", "--name", "mine")[0] == 0
    code, out, _ = command("weights", "verify")
    assert (code, out) == (0, f"mine: right, {folder / 'small.pt'}\ncolormnet: not on disk\n")
    assert command("weights", "verify", "colormnet")[:2] == (1, "colormnet: not on disk\n")


@pytest.mark.slow
def test_a_file_with_a_name_is_used_by_it(command, folder):
    """A model of one's own would be typed as a path each time, and nobody would notice that its file had changed."""
    lock = folder / "weights.lock"
    code, out, err = command("weights", "add", "small.pt")
    assert (code, out) == (0, "")
    assert re.match(rf"`--model small` is {folder}/small\.pt, sha256 [0-9a-f]+; recorded in .*weights\.lock", err)
    assert command("weights", "path", "small")[1] == f"{folder / 'small.pt'}\n"
    line = ["colorize", "two.mp4", "--ref", "photo.jpg", "--device", "cpu", "-o", "a.mp4"]
    assert command(*line, "--model", "small")[0] == 0
    before = lock.read_text()
    with (folder / "small.pt").open("ab") as file:
        file.write(b"x")
    code, _, err = command("weights", "fetch", "small")
    assert code == 1
    assert "small.pt is missing, or another file than it was: add it again under the name 'small'" in err
    code, _, err = command("weights", "add", "small.pt")
    assert code == 1
    assert "choose another name, or replace that one" in err
    assert lock.read_text() == before
    assert command("weights", "add", "small.pt", "--overwrite")[0] == 0
    assert command("weights", "path", "small")[0] == 0


def test_an_unknown_file_is_trusted_and_reported(command, folder):
    """Fails where any file may stand for the authors' weights, without a word that nobody has verified it."""
    with (folder / "weights.lock").open("a") as lock:
        lock.write('\n[unverified]\nfile = "small.pt"\n[[unverified.sources]]\nurl = "http://127.0.0.1:1/small.pt"\n')
    code, _, err = command("weights", "add", "small.pt", "--name", "unverified")
    assert code == 0
    assert "Nobody has verified the weights 'unverified' yet: from now on no other file is accepted" in err
    assert "Nobody has verified" not in command("weights", "add", "small.pt", "--name", "unverified")[2]


def test_without_a_subcommand_it_lists_the_models(command):
    """What works with `weights list` is tried without `list` first."""
    code, out, err = command("weights", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)[0]["name"] == "colormnet"


def test_a_closed_pipe_is_not_a_traceback(command, folder):
    """`colormnet doctor | head -1` must not end in a traceback."""
    import subprocess
    import sys

    from support.commands import environment

    program = "from colormnet_cli.cli import main; main()"
    shell = f'{sys.executable} -c "{program}" weights list | true; echo ${{PIPESTATUS[0]}}'
    ran = subprocess.run(["bash", "-c", shell], cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
