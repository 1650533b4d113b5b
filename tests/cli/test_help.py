"""The help: quick, complete, with an example everywhere; completion and the versions."""

from __future__ import annotations

import re
import resource
import subprocess
import sys

import pytest
import typer

from colormnet_cli import __version__
from colormnet_cli.cli.app import app
from support.commands import environment, run


def commands() -> list[list[str]]:
    """Every command and every command below it."""
    found = []

    def walk(command, path):
        for name, below in getattr(command, "commands", {}).items():
            found.append([*path, name])
            walk(below, [*path, name])

    walk(typer.main.get_command(app), [])
    return found


def test_all_commands_exist():
    """What the README names must exist."""
    assert {"colorize", "frames", "weights", "doctor"} <= {path[0] for path in commands()}
    assert {("weights", name) for name in ("list", "fetch", "verify", "path")} <= {tuple(path) for path in commands()}


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_help_has_an_example(path, capsys, monkeypatch):
    """People copy the example first and read later; it must use the command that it stands with."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as end:
        typer.main.get_command(app)([*path, "--help"], prog_name="colormnet")
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert re.search(f"Examples?: +colormnet {path[0]}", out), out


@pytest.mark.parametrize("path", [[], *commands()], ids=" ".join)
def test_flags_have_no_type(path, capsys, monkeypatch):
    """`--overwrite <bool>` reads as if a value had to follow."""
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        typer.main.get_command(app)([*path, "--help"], prog_name="colormnet")
    out = capsys.readouterr().out
    assert "<bool>" not in out
    assert not re.search("--verbose.*<", out)


@pytest.mark.slow
def test_help_is_quick():
    """Half a second is the promise; a torch imported by mistake costs two. A ratio, for machines differ."""

    def seconds(*arguments: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # of a CPU, whatever else runs on it
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # In turns; 0.28 s where what every help needs takes 0.16 s
    calls = ("-m", "colormnet_cli", "--help"), ("-c", "import typer.rich_utils")
    ours, needed = zip(*([seconds(*call) for call in calls] for _ in range(7)), strict=True)
    assert min(ours) < 2.5 * min(needed)


def test_help_imports_nothing_heavy(tmp_path):
    """The reason for the ratio above, and exact."""
    program = (
        "import sys\nfrom colormnet_cli.cli import main\n"
        "try: main(['colorize', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'av', 'cv2', 'numpy', 'huggingface_hub') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], env=environment(tmp_path), capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_version_and_the_module(tmp_path):
    """`python -m colormnet_cli` is the same command, for those without it on their PATH."""
    ran = subprocess.run(
        [sys.executable, "-m", "colormnet_cli", "--version"], env=environment(tmp_path), capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (0, f"colormnet {__version__}\n")
    assert run(["--version"], tmp_path)[1] == f"colormnet {__version__}\n"


def test_no_arguments_show_the_help(tmp_path):
    """And that is wrong usage, as everywhere."""
    code, out, err = run([], tmp_path)
    assert code == 2
    assert "Usage: colormnet" in out + err


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(tmp_path, shell):
    """The shell completes commands and options without importing torch either."""
    script = subprocess.run(
        [sys.executable, "-c", "from colormnet_cli.cli import main; main()"],
        env=environment(tmp_path, _COLORMNET_COMPLETE=f"source_{shell}"), capture_output=True, text=True,
    )  # fmt: skip
    assert "_COLORMNET_COMPLETE" in script.stdout
    line = "colormnet colorize --arch"
    asked = {
        "COMP_WORDS": line,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    answer = subprocess.run(
        [sys.executable, "-c", "from colormnet_cli.cli import main; main()"],
        env=environment(tmp_path, _COLORMNET_COMPLETE=f"complete_{shell}", **asked), capture_output=True, text=True,
    )  # fmt: skip
    assert "--archive" in answer.stdout, answer


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--model p", "preview"),
        ("--codec h", "h264 hevc h264_nvenc hevc_nvenc"),
        ("--device cu", "cuda cuda:0 cuda:1"),
        ("--preset ultra", "ultrafast"),
        ("--precision b", "bf16"),
        ("--audio n", "none"),
    ],
)
def test_values_are_completed(tmp_path, line, expected):
    """Nobody knows by heart what the options take; and the shell must not wait for PyTorch."""
    line = f"colormnet colorize {line}"
    program = "import sys\nsys.modules['torch'] = None\nfrom colormnet_cli.cli import main; main()"
    asked = {"_COLORMNET_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "3"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment(tmp_path, **asked), capture_output=True, text=True
    )
    assert answer.stdout.split() == expected.split(), answer


def test_completion_installs(tmp_path):
    """`colormnet --install-completion` writes into the shell's own files."""
    line = f"{sys.executable} -c 'from colormnet_cli.cli import main; main()' --install-completion bash; exit $?"
    ran = subprocess.run(["bash", "-c", line], env=environment(tmp_path), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert any("colormnet" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())
