"""A film in each precision, against the CPU's in fp32."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import colormnet_cli as cm
from colormnet_cli.film.plan import FilmPlan

from .setup import SMALL_MEMORY, Setup, chroma_difference

# Of the mean difference in chroma codes (about a Lab unit each): half a code; the shares of 110 that docs/gpu.md names
_LIMITS = {"fp32": 0.5, "fp16": 1.1, "bf16": 3.3}
_NO_LIMIT = "deep-exemplar"  # reads one best match of each pixel, which rounding may replace by another


def compare(setup: Setup, network: str, precision: str) -> dict[str, Any]:
    """The film's chroma on the device against that on the CPU; its luma must be identical."""
    size, film, frames = ((32, 48), (48, 72), 10) if setup.tiny else ((224, 398), (360, 640), 32)
    plan = setup.film("colors", frames, film, size)
    cpu, ours = (setup.folder / "colors" / f"{network}-{name}.mp4" for name in ("cpu", precision))
    model = setup.model(network)
    if not cpu.exists():  # the first of these steps makes it
        _colorize(plan, cpu, model, "cpu", "fp32")
    receipt = _colorize(plan, ours, model, str(setup.device), precision)
    found = chroma_difference(ours, cpu)
    limit = math.inf if network == _NO_LIMIT else _LIMITS[precision]
    problems = {
        f"the mean difference is above {limit}": found["mean"] > limit,
        "the film is gray": found["chroma"] < 0.5,
        "the luma is not that of the source": not found["same_luma"],
        f"colored in {receipt.precision}": receipt.precision != precision,
    }
    failed = "; ".join(problem for problem, true in problems.items() if true)
    return {**found, "limit": None if math.isinf(limit) else limit, "failed": failed}


def _colorize(plan: FilmPlan, output: Path, model: Any, device: str, precision: str) -> cm.Receipt:
    settings = replace(plan.settings, crf=0)  # lossless
    plan = cm.plan_video(plan.info.path, plan.references, output, settings=settings)
    return cm.colorize(plan, model, memory=SMALL_MEMORY, device=device, precision=precision)
