"""The parts and their steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .runner import ROOT, Step

__all__ = ["PARTS", "make_steps"]

_GRAPHS_OFF = {"COLORMNET_CUDA_GRAPHS": "0"}
_TINY_NETWORK = "preview"  # of the measurements: it is bundled, and quick on a CPU
_NETWORK_FIGURES = ("network.fps", "network.times.mean", "network.times.p95", "network.memory.peak", "ratio")


class _Plan:
    """Makes the steps of one run.

    Args:
        work: folder of what several steps use.
    """

    def __init__(self, device: str, work: Path, tiny: bool) -> None:
        self.device, self.work, self.tiny = device, work, tiny

    def own(self, part: str, name: str, function: str, seconds: float, **given: Any) -> Step:
        """A function of the modules beside this one: see step.py."""
        setup = {"device": self.device, "tiny": self.tiny, "folder": str(self.work)}
        environment = _GRAPHS_OFF if given.pop("graphs", True) is False else {}
        arguments = ("-m", "tests.gpu.step", function, json.dumps(setup), json.dumps(given))
        return Step(part, name, arguments, seconds, environment)

    def bench(self, part: str, name: str, *arguments: str, graphs: bool = True, seconds: float = 100) -> Step:
        """`colormnet bench`."""
        command = ("-m", "colormnet_cli", "bench", "--device", self.device, "--progress", "none", "--json", *arguments)
        show = _NETWORK_FIGURES if "none" in arguments else ("film.fps", "film.times.mean", "film.memory.peak")
        return Step(part, name, command, seconds, {} if graphs else _GRAPHS_OFF, show)

    def doctor(self) -> list[Step]:
        report = Step("doctor", "doctor", ("-m", "colormnet_cli", "doctor", "--json"), 120, show=("problems",))
        return [
            report,
            Step("doctor", "machine", ("-m", "tests.gpu.machine"), 60, show=("torch", "cuda", "cudnn", "cores")),
        ]

    def colors(self) -> list[Step]:
        return [
            self.own("colors", f"{network}-{precision}", "colors.compare", 150, network=network, precision=precision)
            for network in ("colormnet", "preview", "deep-exemplar")
            for precision in ("fp32", "fp16", "bf16")
        ]

    def tests(self) -> list[Step]:
        """A process for each file: an error of CUDA leaves a process unusable."""
        files = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "tests").rglob("test_*.py"))]
        marked = [name for name in files if "pytest.mark.gpu" in (ROOT / name).read_text()]
        marked.sort(key=lambda name: name.endswith("test_speed.py"))  # the longest one last
        if self.tiny:
            marked = marked[:1]
        named = {name.removeprefix("tests/").removesuffix(".py").replace("/", "."): name for name in marked}
        return [self.own("tests", name, "tests.run", 200, file=file) for name, file in named.items()]

    def network(self) -> list[Step]:
        size, frames = ("64x48", "5") if self.tiny else ("960x536", "200")
        model = ("--model", _TINY_NETWORK) if self.tiny else ()
        full, steps = ("--size", size, "--film", "none", "--frames", frames), []
        kinds = [(p, a, g) for g in (True, False) for a in (2, 1, 4) for p in ("fp16", "bf16")]
        if self.tiny:
            kinds = [("fp32", 2, True), ("fp32", 1, False)]
        for precision, ahead, graphs in kinds:
            name = f"{precision}-lookahead{ahead}{'' if graphs else '-no-graphs'}"
            chosen = ("--precision", precision, "--lookahead", str(ahead), *model)
            steps.append(self.bench("network", name, *full, *chosen, graphs=graphs))
        for graphs in (True, False):
            name = f"preview{'' if graphs else '-no-graphs'}"
            steps.append(self.bench("network", name, *full, "--model", "preview", graphs=graphs))
        return steps

    def film(self) -> list[Step]:
        stages = ("--size", "48x32", "--film", "96x64", "--frames", "5", "--model", _TINY_NETWORK)
        stages = stages if self.tiny else ("--size", "480p", "--film", "1080p", "--frames", "300")
        encoders: dict[str, dict[str, Any]] = {
            "h264": {"encoders": None},
            "h264-one-encoder": {"encoders": 1},
            "h264-veryfast": {"preset": "veryfast"},
            "av1-preset10": {"codec": "av1", "preset": "10"},
            "h264_nvenc": {"codec": "h264_nvenc"},
        }
        return [
            self.bench("film", "stage-times", *stages, "--stage-times", seconds=150),
            *(self.own("film", name, "films.end_to_end", 120, **given) for name, given in encoders.items()),
        ]

    def profile(self) -> list[Step]:
        return [
            self.own("profile", f"fp16{'' if graphs else '-no-graphs'}", "network.profile", 120, graphs=graphs)
            for graphs in (True, False)
        ]

    def resume(self) -> list[Step]:
        return [self.own("resume", "killed", "films.kill_and_resume", 420)]

    def sizes(self) -> list[Step]:
        return [self.own("sizes", "one-after-another", "network.sizes", 150)]

    def memory(self) -> list[Step]:
        return [
            self.own("memory", "graphs-do-not-fit", "memory.graphs_do_not_fit", 150),
            self.own("memory", "film-does-not-fit", "memory.film_does_not_fit", 240),
        ]

    def training(self) -> list[Step]:
        return [
            self.own("training", precision, "training.steps", 200, precision=precision)
            for precision in ("fp16", "bf16", "fp32")
        ]


PARTS: dict[str, Callable[[_Plan], list[Step]]] = {
    "doctor": _Plan.doctor,
    "colors": _Plan.colors,
    "tests": _Plan.tests,
    "network": _Plan.network,
    "film": _Plan.film,
    "profile": _Plan.profile,
    "resume": _Plan.resume,
    "sizes": _Plan.sizes,
    "memory": _Plan.memory,
    "training": _Plan.training,
}
_ANYWHERE = ("doctor",)  # parts that need no device
# Steps that a trial leaves out, since others run the same code
_SAME_CODE = {
    *("colormnet-fp32", "colormnet-fp16", "preview-bf16", "preview-fp16", "deep-exemplar-fp32", "deep-exemplar-fp16"),
    *("fp32-lookahead1-no-graphs", "preview", "h264", "h264-veryfast", "fp16-no-graphs", "bf16", "fp32"),
}


def make_steps(parts: Sequence[str], device: str, work: Path, *, tiny: bool = False, problem: str = "") -> list[Step]:
    """The steps of these parts; `problem` says why the device cannot be used."""
    plan = _Plan(device, work, tiny)
    steps: list[Step] = []
    for part, make in PARTS.items():
        if part in parts:
            steps += [Step(part, "all", (), skip=problem)] if problem and part not in _ANYWHERE else make(plan)
    return [step for step in steps if not (tiny and step.name in _SAME_CODE)]
