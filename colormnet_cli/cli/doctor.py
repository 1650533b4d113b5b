"""`colormnet doctor`: what is installed, and whether `colorize` can run; if not, why."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import typer

from .groups import CommandLine
from .options import VARIABLES, Json
from .reporter import bytes_text
from .session import Session

__all__ = ["register"]

_PACKAGES = ("torch", "torchvision", "av", "opencv-python", "numpy", "huggingface-hub", "typer", "rich", "platformdirs")
_MODULES = ("numpy", "torch", "torchvision", "av", "huggingface_hub", "colormnet_cli.film.run")
_MUST_ENCODE = "libx264"


@dataclass(frozen=True)
class ReportLine:
    """One line of the report; a `problem` says why colorize cannot run."""

    topic: str
    what: str
    problem: str = ""
    note: str = ""  # worth knowing, although colorize can run


def register(app: CommandLine) -> None:
    app.command()(doctor)


def doctor(session: Session, as_json: Json = False) -> None:
    """Show versions, devices, codecs, caches and weights; exit code 1 if colorize cannot run, and why.

    Example:  [bold]colormnet doctor[/bold]
    """
    checks: tuple[Callable[[], list[ReportLine]], ...] = (
        _versions,
        _imports,
        _config,
        _devices,
        _codecs,
        _caches,
        _weights,
    )
    lines = [line for check in checks for line in _guarded(check)]
    problems = [line.problem for line in lines if line.problem]
    if as_json:
        session.result(json.dumps({"findings": [asdict(line) for line in lines], "problems": problems}, indent=2))
    else:
        for line in lines:
            session.show(f"{line.topic:<9} {line.what}", hang=10)
    if problems:
        session.say(f"Colorize cannot run here: {'; '.join(problems)}", "error")
        raise typer.Exit(1)
    session.say("; ".join(["Colorize can run here", *(line.note for line in lines if line.note)]))


def _guarded(check: Callable[[], list[ReportLine]]) -> list[ReportLine]:
    """An error in a check has a line, too: it would stop colorize."""
    topic = check.__name__.strip("_")
    try:
        return check()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [ReportLine(topic, f"failed: {reason}", reason)]


def _versions() -> list[ReportLine]:
    from .._version import __version__

    lines = [
        ReportLine("version", f"colormnet {__version__}, Python {platform.python_version()}, {platform.platform()}")
    ]
    for name in _PACKAGES:
        try:
            lines.append(ReportLine("version", f"{name} {version(name)}"))
        except PackageNotFoundError:
            # other opencv packages install the same module
            alike = name == "opencv-python" and find_spec("cv2") is not None
            missing = "" if alike else f"{name} is not installed (pip install {name})"
            lines.append(ReportLine("version", f"{name} {'from another package' if alike else 'MISSING'}", missing))
    return lines


def _imports() -> list[ReportLine]:
    """What a run imports: an installed package may need a library that the system lacks."""
    from ..opencv import opencv_problem

    lines = []
    for name in _MODULES:
        try:
            import_module(name)
        except Exception as error:
            problem = f"{name} cannot be imported ({error})"
            lines.append(ReportLine("import", problem, problem))
    if problem := opencv_problem().rstrip("."):
        limits = "references must be PNG, JPEG or WebP, and shots, evaluation and training do not work"
        lines.append(ReportLine("import", problem, note=f"{limits}: {problem}"))
    return lines or [ReportLine("import", "every package: yes")]


def _config() -> list[ReportLine]:
    """The configuration file and variables that change defaults."""
    import typer.main

    from .app import app
    from .config import config_path, read_config, read_defaults

    config = read_config()
    read_defaults(typer.main.get_command(app))  # an unknown key stops every command
    keys = f"sets {', '.join(config)}" if config else "sets nothing" if config_path().exists() else "does not exist"
    lines = [ReportLine("config", f"{config_path()} {keys}")]
    variables = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    return lines + [ReportLine("config", f"{name}={value} in the environment") for name, value in variables.items()]


def _devices() -> list[ReportLine]:
    import torch

    from ..inference.device import describe_device, free_memory, list_devices, unusable_gpus

    lines = []
    for index, device in enumerate(list_devices()):
        free = free_memory(device)
        memory = f", {bytes_text(free)} free" if free else ""
        auto = " (used by --device auto)" if index == 0 else ""
        lines.append(ReportLine("device", f"{describe_device(device)}{memory}{auto}"))
    unusable = unusable_gpus()
    lines += [ReportLine("device", f"not usable: {sentence}", note=sentence) for sentence in unusable]
    if not torch.cuda.is_available() and not unusable:
        built = (
            f"built for CUDA {torch.version.cuda}, but sees no GPU or driver" if torch.version.cuda else "built without"
        )
        lines.append(ReportLine("device", f"no CUDA: this PyTorch is {built}"))
    return lines


def _codecs() -> list[ReportLine]:
    from ..video.encoder_support import encoder_support, ffmpeg_version

    lines = [ReportLine("codec", f"FFmpeg {ffmpeg_version()}")]
    for encoder in encoder_support():
        vital = encoder.name == _MUST_ENCODE and encoder.problem
        problem = f"the default encoder {encoder.name} is {encoder.problem}" if vital else ""
        lines.append(ReportLine("codec", f"{encoder.name}: {encoder.problem or 'yes'}", problem))
    return lines


def _caches() -> list[ReportLine]:
    from ..weights import cache_folder, hub_cache_folder

    lines = []
    for what, folder in (("ours", cache_folder()), ("Hugging Face", hub_cache_folder())):
        there = folder
        while not there.exists():
            there = there.parent
        writable = os.access(there, os.W_OK) and there.is_dir()
        free = f"{bytes_text(shutil.disk_usage(there).free)} free"
        lines.append(ReportLine("cache", f"{folder} ({what}), {free}" + ("" if writable else ", NOT writable")))
    return lines


def _weights() -> list[ReportLine]:
    from ..errors import WeightsError
    from ..weights import candidates, find, is_offline, lock_path, read_lock, require_storage

    lines = [ReportLine("weights", f"named by {lock_path()}")]
    for entry in read_lock().values():
        problem = note = ""
        size = bytes_text(entry.size or None)
        if path := find(entry):
            what = f"on disk, {path}"
        elif wrong := candidates(entry):
            what = f"NOT the right file: {wrong[0]}"
        else:
            what = f"not on disk yet, {size} to download when first used"
        if not path and entry.name == "colormnet" and is_offline():
            problem = "the weights 'colormnet' are not on disk, and HF_HUB_OFFLINE is set"
        elif not path and entry.name == "colormnet" and entry.sources:
            try:
                require_storage(entry)
                note = f"the first film downloads the weights 'colormnet', {size}, for which there is room"
            except WeightsError as error:
                problem = str(error)
        lines.append(ReportLine("weights", f"{entry.name}: {what}", problem, note))
    return lines
