"""Run by tests: kills a run many times at random moments and resumes it; prints the result.

The run makes a film, or with "color" as the last argument the file of its color.

Everything is imported once, and each run is a fork of this process, so that a kill costs no start of Python.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

torch.set_num_threads(1)
sys.path.insert(0, str(Path(__file__).parents[1]))

from colormnet_cli import ColorizeSettings, colorize_video  # noqa: E402
from colormnet_cli.film import checkpoint  # noqa: E402
from support.films import packets_of  # noqa: E402
from support.networks import make_small_model  # noqa: E402

KILLS = {".mp4": 20, ".mkv": 8}  # by what is made

logging.disable(logging.CRITICAL)


def start(source: str, photo: str, output: str, encoders: int = 1) -> int:
    """Color the film in a process of its own; its id."""
    child = os.fork()
    if child:
        return child
    try:
        receipt = colorize_video(
            source,
            [photo],
            output,
            model=model,
            settings=ColorizeSettings(
                size=32,
                overwrite=True,
                encoders=encoders,
                chroma_out=output if output.endswith(".mkv") else None,
            ),
            device="cpu",
        )
        notes_of(Path(output)).write_text(json.dumps([receipt.findings, receipt.match]))
        os._exit(0)
    except BaseException:
        os._exit(1)


def notes_of(output: Path) -> Path:
    """What the receipt says of the colors."""
    return output.parent.parent / f"{output.name}.notes"


def wait(child: int, seconds: float) -> int | None:
    """Its exit code, or None where it is still at work after that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def content(path: Path) -> list[bytes]:
    """What must not depend on interruptions: the film, and what was noticed in its colors.

    Of Matroska, whose files have a random number, the frames.
    """
    if path.suffix == ".mp4":
        return [path.read_bytes(), notes_of(path).read_bytes()]
    return [data for _, data in packets_of(path, "video")]


def main(source: str, photo: str, folder: str, encoders: str, kind: str = "film") -> None:
    checkpoint.CHECKPOINT_SECONDS = 0
    checkpoint.SEGMENT_FRAMES["cpu"] = 8
    suffix = ".mp4" if kind == "film" else ".mkv"
    whole, broken = Path(folder, f"whole{suffix}"), Path(folder, f"broken{suffix}")
    began = time.monotonic()
    assert wait(start(source, photo, str(whole)), 300) == 0
    alone = time.monotonic() - began
    progress = broken.with_name(broken.name + ".colormnet-part") / "progress.json"
    chance = random.Random(7)
    kills, frames, same = 0, set(), []
    while kills < KILLS[suffix]:
        child = start(source, photo, str(broken), int(encoders))
        code = wait(child, chance.uniform(0.05, 0.5) * alone)
        if code is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            kills += 1
            if progress.exists():
                frames.add(json.loads(progress.read_text())["checkpoints"][0]["checkpoint"]["frames"])
            broken.unlink(missing_ok=True)  # killed after the last rename
        else:
            assert code == 0
            same.append(content(broken) == content(whole))
            broken.unlink()
    assert wait(start(source, photo, str(broken), int(encoders)), 300) == 0
    same.append(content(broken) == content(whole))
    result = {"kills": kills, "stopped_at": sorted(frames), "same": same, "left": os.listdir(folder)}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    model = make_small_model()
    main(*sys.argv[1:])
