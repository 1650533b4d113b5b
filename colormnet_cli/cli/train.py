"""`colormnet train`: train or fine-tune, on films or on clips made on the fly."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..wording import many
from .options import Debug, Device, Form, Json, ProgressForm, Quiet, Verbose, filled, path
from .progress import Reporter
from .session import Session

if TYPE_CHECKING:
    from ..train.loop import TrainingResult
    from ..train.train_settings import TrainSettings

__all__ = ["register"]

MATERIAL, OPTIMISATION, RUN = "Material", "Optimisation", "The run"
_MATERIAL, _OPTIMISATION, _RUN = (
    {"rich_help_panel": panel, "show_default": False} for panel in (MATERIAL, OPTIMISATION, RUN)
)  # type: dict[str, Any], dict[str, Any], dict[str, Any]


class Preset(str, Enum):
    full = "full"
    preview = "preview"


class TrainPrecision(str, Enum):
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


Out = Annotated[
    Path, typer.Option("--out", metavar="RUN", parser=path, help="Folder for checkpoints, weights and the log.")
]
Config = Annotated[Preset, typer.Option("--config", help="The network, and how it is trained.")]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="PATH", parser=filled, rich_help_panel=MATERIAL, show_default=False,
                 help="A folder of frames, of such folders or of videos, DAVIS, or a video; repeatable."),
]  # fmt: skip
Synthetic = Annotated[
    bool, typer.Option("--synthetic", rich_help_panel=MATERIAL, help="Clips made on the fly instead of films.")
]
Frames = Annotated[int | None, typer.Option(min=2, help="Frames of a clip.", **_MATERIAL)]
Crop = Annotated[int | None, typer.Option(min=16, help="Side of a clip's pictures, in pixels.", **_MATERIAL)]
Jump = Annotated[int | None, typer.Option(min=1, help="Most frames of the film between two of a clip.", **_MATERIAL)]
Init = Annotated[
    str | None,
    typer.Option("--init", metavar="NAME|PATH", parser=filled, rich_help_panel=OPTIMISATION, show_default=False,
                 help="Start from random weights, pretrained (ImageNet and DINOv2), colormnet, preview, or a file."),
]  # fmt: skip
Steps = Annotated[int | None, typer.Option(min=1, help="Optimiser steps.", **_OPTIMISATION)]
Batch = Annotated[int | None, typer.Option("--batch", min=1, help="Clips a step, over all processes.", **_OPTIMISATION)]
Accumulate = Annotated[int | None, typer.Option(min=1, help="Parts that a batch is worked off in.", **_OPTIMISATION)]
Rate = Annotated[float | None, typer.Option("--lr", help="Learning rate.", **_OPTIMISATION)]
Precision = Annotated[TrainPrecision | None, typer.Option("--precision", help="fp16, bf16: autocast.", **_OPTIMISATION)]
Resume = Annotated[
    bool, typer.Option("--resume", rich_help_panel=RUN, help="Go on exactly where RUN stopped, as it was told.")
]
StopAfter = Annotated[int | None, typer.Option(min=1, help="End after so many steps, to go on another day.", **_RUN)]
Seed = Annotated[int | None, typer.Option(min=0, help="Of everything that is drawn.", **_RUN)]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that prepare clips.", **_RUN)]
CheckpointEvery = Annotated[int | None, typer.Option(min=1, help="Steps between checkpoints.", **_RUN)]
ValidateEvery = Annotated[int | None, typer.Option(min=1, help="Steps between validations.", **_RUN)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", rich_help_panel=RUN, show_default=False,
                 help="Any other setting, named as in settings.json: raw_loss=0.3, network.key_dim=32; repeatable."),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command("train")(train)


def train(
    ctx: typer.Context, out: Out, config: Config = Preset.full,
    data: Data = None, synthetic: Synthetic = False, frames: Frames = None, crop: Crop = None, jump: Jump = None,
    init: Init = None, steps: Steps = None, batch: Batch = None, accumulate: Accumulate = None, lr: Rate = None,
    precision: Precision = None, device: Device = "auto",
    resume: Resume = False, stop_after: StopAfter = None, seed: Seed = None, workers: Workers = None,
    checkpoint_every: CheckpointEvery = None, validate_every: ValidateEvery = None, set_: Set = None,
    as_json: Json = False, progress: Form = ProgressForm.auto, verbose: Verbose = 0, quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Train ColorMNet, or fine-tune it on films of one's own.

    Examples:  [bold]colormnet train --data DAVIS --init pretrained --out runs/davis[/bold]

    [bold]colormnet train --data film.mp4 --init colormnet --steps 2000 --out runs/film[/bold]

    [bold]colormnet train --config preview --synthetic --out runs/preview[/bold]

    Several GPUs:  [bold]torchrun --nproc-per-node 4 -m colormnet_cli train …[/bold]
    """
    import torch

    from ..inference.device import resolve_device
    from ..train.distributed import is_main_process
    from ..train.loop import train as run

    session: Session = ctx.obj
    if not is_main_process():  # of torchrun's processes one speaks; an error of any is said all the same
        session.verbosity, as_json = -1, False
    given = {
        "data": tuple(data) if data else None, "synthetic": True if synthetic else (False if data else None),
        "frames": frames, "crops": ((0.0, crop),) if crop else None, "jumps": ((0.0, jump),) if jump else None,
        "init": init, "steps": steps, "batch": batch, "accumulate": accumulate, "lr": lr,
        "precision": precision.value if precision else None, "seed": seed, "workers": workers,
        "checkpoint_every": checkpoint_every, "validate_every": validate_every,
    }  # fmt: skip
    settings = _settings(config.value, out, resume, given, set_ or [])
    torch.set_flush_denormal(True)
    with Reporter(session, progress) as reporter:
        reporter.step(f"{out}: getting ready")
        result = run(
            settings, out, device=resolve_device(device), resume=resume, stop_after=stop_after,
            progress=lambda at: reporter.training(str(out), at),
        )  # fmt: skip
    if as_json:
        values = {"folder": str(out), "steps": result.steps, "loss": result.loss, "best_psnr": result.best_psnr}
        session.result(json.dumps({**values, "weights": str(result.weights) if result.weights else None}))
        return
    session.say(_said(result, settings.steps))


def _said(result: TrainingResult, steps: int) -> str:
    """The last line: how far it came, how good it is, and how to use it or to go on."""
    said = f"{result.steps:,} of {many(steps, 'step')} done: "
    if result.best_psnr is not None:
        said += f"best validation {result.best_psnr:.2f} dB, by the weights {result.weights}"
    else:
        said += f"{result.folder}"
    return said + ("; the same command with --resume goes on" if result.steps < steps else "")


def _settings(config: str, out: Path, resume: bool, given: dict[str, Any], assignments: list[str]) -> TrainSettings:
    """The preset (or, going on, the run's own settings) with what was said on the command line."""
    from ..errors import UsageError
    from ..train.train_settings import fine_tuning, preset

    settings = _own_settings(out) if resume else None
    try:
        if settings is None:
            settings = preset(config)
            if given.get("data") and given.get("init") not in (None, "random", "pretrained"):
                settings = fine_tuning(settings)
        return _assigned(settings, assignments, given)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _own_settings(out: Path) -> TrainSettings | None:
    """What a run that goes on was told; its checkpoint knows it too."""
    from ..errors import CheckpointError
    from ..train.run_state import read_checkpoint
    from ..train.train_settings import TrainSettings

    saved, checkpoint = out / "settings.json", out / "last.pt"
    if not checkpoint.exists():
        return None  # the run says what is missing
    try:
        if saved.exists():
            return TrainSettings(**json.loads(saved.read_text("utf-8")))
        return TrainSettings(**read_checkpoint(checkpoint)["settings"])
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{saved} is damaged, or of another version ({error}): remove it, and --resume takes the settings that "
            "the last checkpoint holds."
            if saved.exists()
            else f"{checkpoint} is of another version ({error}): start a new run in another --out."
        ) from error


def _assigned(settings: TrainSettings, assignments: list[str], given: dict[str, Any]) -> TrainSettings:
    """The settings with each NAME=VALUE (values are JSON, or plain text where they are not), and with the options."""
    from ..train.train_settings import TrainSettings

    values = settings.to_dict()
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        prefix, own = ("network.", name[len("network.") :]) if name.startswith("network.") else ("", name)
        target = values["network"] if prefix else values
        if not isinstance(target, dict):
            raise ValueError(f"--set {assignment} comes after a network that is no table of sizes")
        if own not in target:
            raise ValueError(f"--set {assignment} names no setting: {_near(own, target, prefix)}")
        if not equals:
            raise ValueError(f"--set {assignment} says no value: write --set {assignment}=VALUE")
        try:
            target[own] = json.loads(text)
        except json.JSONDecodeError:
            target[own] = text
    return TrainSettings(**{**values, **{name: value for name, value in given.items() if value is not None}})


def _near(name: str, names: dict[str, Any], prefix: str) -> str:
    """Which setting may have been meant."""
    from difflib import get_close_matches

    if near := get_close_matches(name, names, n=3):
        return f"perhaps {' or '.join(prefix + close for close in near)} is meant"
    return f"there are {', '.join(prefix + name for name in sorted(names))}"
