"""Films from file to file: with several encoders, and killed and resumed."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import colormnet_cli as cm
from colormnet_cli.bench.film import time_film
from colormnet_cli.film import checkpoint
from colormnet_cli.film.progress_folder import progress_folder
from colormnet_cli.inference.device import resolve_precision
from colormnet_cli.video.encoder_support import encoder_support

from .runner import ROOT
from .setup import Setup, chroma_difference

_log = logging.getLogger(__name__)
_LIMIT = 1.0  # code of chroma, in the mean: what nobody sees
_SECONDS = 300.0  # of each run of the long film


def end_to_end(setup: Setup, **encoding: Any) -> dict[str, Any]:
    """A 1080p film at 480p with a full memory; `encoding`: settings of the encoder."""
    size, film, frames = ((32, 48), (64, 96), 24) if setup.tiny else ((480, 854), (1080, 1920), 480)
    codec = encoding.get("codec")
    if problem := {encoder.name: encoder.problem for encoder in encoder_support()}.get(codec, ""):
        return {"skipped": f"{codec} {problem}"}
    plan = setup.film("1080p", frames, film, size)
    settings = replace(plan.settings, **encoding)
    plan = cm.plan_video(plan.info.path, plan.references, plan.output, settings=settings)
    precision = resolve_precision("auto", setup.device)
    memory = cm.MemoryConfig()
    warm_up = frames // 8
    found = time_film(plan, setup.model(), memory, setup.device, precision, warm_up=warm_up)
    return {
        "fps": found.fps,
        "encoder": plan.encoder.encoder,
        "options": dict(plan.encoder.options),
        "peak": found.memory.peak,
        "film": asdict(found),
    }


def kill_and_resume(setup: Setup) -> dict[str, Any]:
    """A long film, once as a whole, once ended by SIGKILL after a third and resumed by the same command."""
    frames = 240 if setup.tiny else 6000
    size, film = ((32, 48), (32, 48)) if setup.tiny else ((112, 160), (112, 160))
    plan = setup.film("long", frames, film, size)
    whole, killed = (setup.folder / "long" / f"{name}.mp4" for name in ("whole", "killed"))
    began = time.monotonic()
    _finished(_start(setup, plan.info.path, whole))
    seconds = time.monotonic() - began
    process = _start(setup, plan.info.path, killed)
    at = _wait_for(process, killed, frames // 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    receipt = _finished(_start(setup, plan.info.path, killed))
    found = chroma_difference(whole, killed)
    problems = {
        f"{found['frames']} frames instead of {frames}": found["frames"] != frames,
        "it was not resumed": receipt["resumed_at"] == 0,
        f"the mean difference is above {_LIMIT}": found["mean"] > _LIMIT,
        "the luma differs": not found["same_luma"],
        "the progress folder was left": progress_folder(killed).exists(),
    }
    failed = "; ".join(problem for problem, true in problems.items() if true)
    return {
        **found, "killed_at": at, "resumed_at": receipt["resumed_at"], "precision": receipt["precision"],
        "whole_seconds": seconds, "fps": frames / seconds, "failed": failed,
    }  # fmt: skip


def _start(setup: Setup, source: Path, output: Path) -> subprocess.Popen[str]:
    """Colorize the film in a process of its own."""
    arguments = {"source": str(source), "output": str(output)}
    own = {"device": str(setup.device), "tiny": setup.tiny, "folder": str(setup.folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.gpu.step", "films.colorize_long", json.dumps(own), json.dumps(arguments)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip


def _finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=_SECONDS)
    if process.returncode:
        raise RuntimeError(f"the run ended with exit code {process.returncode}")
    return json.loads(out)


def _wait_for(process: subprocess.Popen[str], output: Path, frames: int) -> int:
    """Until a checkpoint covers so many frames; how many it covers."""
    progress = progress_folder(output) / "progress.json"
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the run that was to be killed ended before, with exit code {process.returncode}")
        if progress.exists():
            saved = [item["checkpoint"]["frames"] for item in json.loads(progress.read_text())["checkpoints"]]
            if max(saved, default=0) >= frames:
                return max(saved)
        time.sleep(0.002)
    raise RuntimeError(f"no checkpoint covered {frames} frames within {_SECONDS:.0f} s")


def colorize_long(setup: Setup, source: str, output: str) -> dict[str, Any]:
    """One run over the long film, with a checkpoint every second."""
    checkpoint.CHECKPOINT_SECONDS = 0.0 if setup.tiny else 1.0
    if setup.tiny:
        checkpoint.SEGMENT_FRAMES["cpu"] = 8
    exemplar = Path(source).with_name("exemplar.png")
    settings = cm.ColorizeSettings(size=32 if setup.tiny else 112, ref_is_first=False, crf=0)  # lossless
    receipt = cm.colorize_video(source, [exemplar], output, model=setup.model(), settings=settings, device=setup.device)
    _log.info("%s", receipt.to_json())
    return {"frames": receipt.frames, "resumed_at": receipt.resumed_at, "precision": receipt.precision}
