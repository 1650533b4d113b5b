"""`python -m tests.gpu`: what it reports of steps, without a GPU, and all of its steps in miniature on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gpu import __main__ as command
from gpu.plan import PARTS, make_steps
from gpu.runner import PART_SECONDS, ROOT, Report, Step, run_steps

GOOD = "import json, os; print(json.dumps({'fps': 61.25, 'label': os.environ['LABEL']}))"


def script(name: str, code: str, seconds: float = 30, **more: Any) -> Step:
    return Step("part", name, ("-c", code), seconds, **more)


def test_no_step_stops_the_others(tmp_path: Path) -> None:
    """The hour on a GPU would end with the first step that fails, crashes or hangs."""
    labeled = {"LABEL": "x"}
    slow = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    steps = [
        script("good", GOOD, environment=labeled),
        script("raises", "raise RuntimeError('no kernel image')"),
        script("dies", "import os; os.abort()"),
        script("hangs", f"import sys; print('begun', file=sys.stderr, flush=True); {slow}", seconds=0.5),
        script("silent", "pass"),
        script("judges", "print('{\"mean\": 9, \"failed\": \"it is above 1\"}')"),
        script("cannot", "print('{\"skipped\": \"no encoder\"}')"),
        script("skipped", "1 / 0", skip="no device"),
        script("last", "print('{\"size\": {\"width\": 3}}')", show=("size.width",)),
    ]  # fmt: skip
    report, began = Report(tmp_path, {"device": "none"}, steps), time.monotonic()
    for outcome in run_steps(steps, tmp_path / "logs"):
        report.add(outcome)
        assert json.loads((tmp_path / "figures.json").read_text())["steps"][-1]["name"] == outcome.name
    assert time.monotonic() - began < 30  # what a step started ends with it
    found = json.loads((tmp_path / "figures.json").read_text())
    by_name = {outcome["name"]: outcome for outcome in found["steps"]}
    statuses = [outcome["status"] for outcome in found["steps"]]
    assert statuses == ["passed", "failed", "failed", "timed out", "failed", "failed", "skipped", "skipped", "passed"]
    assert found["summary"] == {"passed": 2, "failed": 4, "timed out": 1, "skipped": 2, "left": 0}
    assert by_name["good"]["figures"] == {"fps": 61.25, "label": "x"}
    assert by_name["raises"]["output"][-1] == "RuntimeError: no kernel image"
    assert by_name["dies"]["reason"] == "ended by signal SIGABRT"
    assert by_name["hangs"]["output"] == ["begun"]
    assert by_name["silent"]["reason"] == "it wrote no figures"
    assert by_name["judges"]["figures"]["mean"] == 9
    text = (tmp_path / "report.txt").read_text()
    for line in ("part: good", "fps 61.25", "    | RuntimeError: no kernel image", "size.width 3", "no encoder"):
        assert line in text


def test_a_part_has_a_limit_of_its_own(tmp_path: Path) -> None:
    """Steps that each take a little too long would together take the time that the parts after them need."""
    steps = [script(str(i), "import time; time.sleep(30)") for i in range(2)]
    outcomes = list(run_steps([*steps, Step("next", "one", ("-c", "print(1)"))], tmp_path, part_seconds=0.3))
    assert [outcome.status for outcome in outcomes[:2]] == ["timed out", "timed out"]
    assert "not started" in outcomes[1].reason
    assert outcomes[2].part == "next"
    assert "not started" not in outcomes[2].reason


def test_every_part_ends_in_eight_minutes() -> None:
    """A step could be planned that its part has no time for."""
    assert PART_SECONDS <= 8 * 60
    steps = make_steps(list(PARTS), "cuda", Path("work"))
    assert all(step.seconds <= PART_SECONDS for step in steps)
    assert len({(step.part, step.name) for step in steps}) == len(steps)
    assert {step.part for step in steps} == set(PARTS)


def test_parts_are_chosen_and_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped part would be left out in silence."""
    monkeypatch.setattr(command, "_probe", lambda device: pytest.fail("asked for a device"))
    assert command.main(["--list", "--parts", "training,resume"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"training", "resume"}
    for wrong in (["out", "--parts", "collors"], ["out", "--device", "cpu"], []):
        with pytest.raises(SystemExit) as end:
            command.main(wrong)
        assert end.value.code == 2


def test_a_machine_without_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It must end at once, with exit code 0, and say of each part that it was skipped and why."""
    monkeypatch.setattr(command, "_probe", lambda device: ("", "There is no device cuda here"))
    without_doctor = [part for part in PARTS if part != "doctor"]
    assert command.main([str(tmp_path), "--parts", ",".join(without_doctor)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "no device cuda" in line] == lines[: len(without_doctor)]
    found = json.loads((tmp_path / "figures.json").read_text())
    assert [(o["part"], o["status"]) for o in found["steps"]] == [(part, "skipped") for part in without_doctor]
    assert "device: none: There is no device cuda here" in (tmp_path / "report.txt").read_text()


def run(out: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """The command in a process of its own, which sees no GPU: exit code, figures and output."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu", str(out), *arguments], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    return done.returncode, json.loads((out / "figures.json").read_text()), done.stdout + done.stderr


@pytest.mark.slow
def test_the_whole_command_without_a_gpu(tmp_path: Path) -> None:
    """What needs no device runs: the doctor."""
    code, found, said = run(tmp_path)
    assert code == 0, said
    assert [(o["part"], o["status"]) for o in found["steps"][:2]] == [("doctor", "passed")] * 2
    assert {o["status"] for o in found["steps"][2:]} == {"skipped"}
    assert {o["part"] for o in found["steps"]} == set(PARTS)


@pytest.mark.slow
def test_every_step_in_miniature_on_the_cpu(tmp_path: Path) -> None:
    """The code of the steps would run for the first time in the one hour that there is a GPU."""
    code, found, said = run(tmp_path, "--device", "cpu", "--tiny")
    assert code == 0, said
    figures = {(o["part"], o["name"]): o["figures"] for o in found["steps"]}
    assert {o["name"] for o in found["steps"] if o["status"] == "skipped"} <= {"h264_nvenc", "color.test_chroma"}
    assert figures["resume", "killed"]["resumed_at"] >= figures["resume", "killed"]["killed_at"] > 0
    assert figures["memory", "film-does-not-fit"]["size"] < 96
    assert "one by one" in figures["memory", "graphs-do-not-fit"]["warnings"]
    assert 0 < figures["colors", "colormnet-bf16"]["mean"] < 1
    assert figures["network", "preview-no-graphs"]["network"]["fps"] > 0
    assert len(figures["profile", "fp16"]["top"]) == 40
    assert figures["film", "av1-preset10"]["encoder"] == "libsvtav1"
    assert not (tmp_path / "work").exists()
