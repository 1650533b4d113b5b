"""`colormnet train`: train or fine-tune, on films or on synthetic clips."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..wording import many
from .groups import CommandLine
from .options import Device, Form, Json, filled, option, path
from .reporter import Reporter
from .session import Session

if TYPE_CHECKING:
    from ..train.loop import TrainingResult
    from ..train.train_settings import TrainSettings

__all__ = ["register"]

DATA, OPTIMIZATION, RUN = "Training data", "Optimization", "Run"


def register(app: CommandLine) -> None:
    app.command("train")(train)


def train(
    session: Session,
    out: Annotated[Path, option(None, "Folder for checkpoints, weights and the log.", metavar="RUN", parser=path)],
    config: Annotated[
        Literal["full", "preview", "deep-exemplar", "steady"],
        option(None, "Network and training settings; other options override them.", "--config", "--preset"),
    ] = "full",
    data: Annotated[
        list[str] | None,
        option(DATA, "A video, a folder of frames or of either, or DAVIS; repeatable.", metavar="PATH", parser=filled),
    ] = None,
    synthetic: Annotated[bool, option(DATA, "Generate clips on the fly, instead of --data.", "--synthetic")] = False,
    frames: Annotated[int | None, option(DATA, "Frames per clip.", min=2)] = None,
    crop: Annotated[int | None, option(DATA, "Height and width of a clip, in pixels.", min=16)] = None,
    jump: Annotated[int | None, option(DATA, "Largest gap between two frames of a clip, in frames.", min=1)] = None,
    init: Annotated[
        str | None,
        option(
            OPTIMIZATION,
            "Initial weights: random, pretrained (ImageNet and DINOv2), a model's name, or a file.",
            metavar="NAME|PATH",
            parser=filled,
        ),
    ] = None,
    steps: Annotated[int | None, option(OPTIMIZATION, "Optimizer steps.", min=1)] = None,
    batch: Annotated[int | None, option(OPTIMIZATION, "Clips per step, over all processes.", min=1)] = None,
    accumulate: Annotated[
        int | None, option(OPTIMIZATION, "Split a batch into this many passes, to save memory.", min=1)
    ] = None,
    lr: Annotated[float | None, option(OPTIMIZATION, "Learning rate.")] = None,
    precision: Annotated[
        Literal["fp32", "fp16", "bf16"] | None, option(OPTIMIZATION, "fp16 and bf16 use autocast.")
    ] = None,
    device: Device = "auto",
    resume: Annotated[bool, option(RUN, "Continue RUN exactly where it stopped.", "--resume")] = False,
    stop_after: Annotated[int | None, option(RUN, "Stop after this many steps, to be resumed later.", min=1)] = None,
    seed: Annotated[int | None, option(RUN, "Random seed.", min=0)] = None,
    workers: Annotated[int | None, option(RUN, "Worker processes that prepare clips.", min=0)] = None,
    checkpoint_every: Annotated[int | None, option(RUN, "Steps between checkpoints.", min=1)] = None,
    validate_every: Annotated[int | None, option(RUN, "Steps between validations.", min=1)] = None,
    assignments: Annotated[
        list[str] | None,
        option(
            RUN,
            "Any other setting, named as in settings.json: raw_loss=0.3, network.key_dim=32; repeatable.",
            "--set",
            metavar="NAME=VALUE",
        ),
    ] = None,
    as_json: Json = False,
    progress: Form = "auto",
) -> None:
    """Train ColorMNet, Deep Exemplar or a network that removes flicker, or fine-tune on your own films.

    Examples:  [bold]colormnet train --data DAVIS --init pretrained --out runs/davis[/bold]

    [bold]colormnet train --data film.mp4 --init colormnet --steps 2000 --out runs/film[/bold]

    [bold]colormnet train --config preview --out runs/preview[/bold]

    Several GPUs:  [bold]torchrun --nproc-per-node 4 -m colormnet_cli train …[/bold]
    """
    import torch

    from ..inference.device import resolve_device
    from ..train.distributed import is_main_process
    from ..train.loop import train as run

    if not is_main_process():  # of torchrun's processes, only one reports; errors of all are shown
        session.verbosity, as_json = -1, False
    options = {
        "data": tuple(data) if data else None, "synthetic": True if synthetic else (False if data else None),
        "frames": frames, "crops": ((0.0, crop),) if crop else None, "jumps": ((0.0, jump),) if jump else None,
        "init": init, "steps": steps, "batch": batch, "accumulate": accumulate, "lr": lr,
        "precision": precision, "seed": seed, "workers": workers,
        "checkpoint_every": checkpoint_every, "validate_every": validate_every,
    }  # fmt: skip
    settings = _settings(config, out, resume, options, assignments or [])
    torch.set_flush_denormal(True)
    with Reporter(session, progress) as reporter:
        reporter.step(f"{out}: preparing")
        result = run(
            settings, out, device=resolve_device(device), resume=resume, stop_after=stop_after,
            progress=lambda at: reporter.training(str(out), at),
        )  # fmt: skip
    if as_json:
        values = {"folder": str(out), "steps": result.steps, "loss": result.loss, "best_psnr": result.best_psnr}
        session.result(json.dumps({**values, "weights": str(result.weights) if result.weights else None}))
    else:
        session.say(_summary(result, settings.steps))


def _summary(result: TrainingResult, steps: int) -> str:
    """The last line: how far the run is, how good, and how to continue."""
    text = f"{result.steps:,} of {many(steps, 'step')} done"
    if result.best_psnr is not None:
        text += f"; best validation: {result.best_psnr:.2f} dB, weights: {result.weights}"
    return text + ("; the same command with --resume continues" if result.steps < steps else "")


def _settings(config: str, out: Path, resume: bool, options: dict[str, Any], assignments: list[str]) -> TrainSettings:
    """The preset, or the settings of the run to be resumed, changed by each --set, and then by the other options."""
    from ..errors import UsageError
    from ..train.presets import fine_tuning, preset
    from ..train.run_state import read_settings
    from ..train.train_settings import TrainSettings

    settings = read_settings(out) if resume else None
    try:
        if settings is None:
            settings = preset(config)
            if options.get("data") and options.get("init") not in (None, "random", "pretrained"):
                settings = fine_tuning(settings)
        values = settings.to_dict()
        for assignment in assignments:
            _assign(values, assignment)
        return TrainSettings(**{**values, **{name: value for name, value in options.items() if value is not None}})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _assign(values: dict[str, Any], assignment: str) -> None:
    """Change settings by a NAME=VALUE, whose value is JSON, or else a string."""
    name, equals, text = assignment.partition("=")
    prefix, own = ("network.", name[len("network.") :]) if name.startswith("network.") else ("", name)
    target = values["network"] if prefix else values
    if not isinstance(target, dict):
        raise ValueError(f"--set {assignment} comes after a network that is no table of sizes")
    if own not in target:
        near = [prefix + known for known in get_close_matches(own, target, n=3)]
        known = (
            f"did you mean {' or '.join(near)}?"
            if near
            else f"known are {', '.join(prefix + n for n in sorted(target))}"
        )
        raise ValueError(f"--set {assignment} names no setting: {known}")
    if not equals:
        raise ValueError(f"--set {assignment} has no value: write --set {assignment}=VALUE")
    try:
        target[own] = json.loads(text)
    except json.JSONDecodeError:
        target[own] = text
