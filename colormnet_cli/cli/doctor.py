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
class Finding:
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
    checks: tuple[Callable[[], list[Finding]], ...] = (
        _versions,
        _imports,
        _config,
        _devices,
        _codecs,
        _caches,
        _weights,
    )
    findings = [finding for check in checks for finding in _guarded(check)]
    problems = [finding.problem for finding in findings if finding.problem]
    if as_json:
        session.result(json.dumps({"findings": [asdict(f) for f in findings], "problems": problems}, indent=2))
    else:
        for finding in findings:
            session.show(f"{finding.topic:<9} {finding.what}", hang=10)
    if problems:
        session.say(f"Colorize cannot run here: {'; '.join(problems)}", "error")
        raise typer.Exit(1)
    session.say("; ".join(["Colorize can run here", *(finding.note for finding in findings if finding.note)]))


def _guarded(check: Callable[[], list[Finding]]) -> list[Finding]:
    """An error in a check is itself a finding: it would stop colorize."""
    topic = check.__name__.strip("_")
    try:
        return check()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [Finding(topic, f"failed: {reason}", reason)]


def _versions() -> list[Finding]:
    from .._version import __version__

    findings = [
        Finding("version", f"colormnet {__version__}, Python {platform.python_version()}, {platform.platform()}")
    ]
    for name in _PACKAGES:
        try:
            findings.append(Finding("version", f"{name} {version(name)}"))
        except PackageNotFoundError:
            # other opencv packages install the same module
            alike = name == "opencv-python" and find_spec("cv2") is not None
            missing = "" if alike else f"{name} is not installed (pip install {name})"
            findings.append(Finding("version", f"{name} {'from another package' if alike else 'MISSING'}", missing))
    return findings


def _imports() -> list[Finding]:
    """What a run imports: an installed package may need a library that the system lacks."""
    from ..opencv import opencv_problem

    findings = []
    for name in _MODULES:
        try:
            import_module(name)
        except Exception as error:
            problem = f"{name} cannot be imported ({error})"
            findings.append(Finding("import", problem, problem))
    if problem := opencv_problem().rstrip("."):
        limits = "references must be PNG, JPEG or WebP, and shots, evaluation and training do not work"
        findings.append(Finding("import", problem, note=f"{limits}: {problem}"))
    return findings or [Finding("import", "every package: yes")]


def _config() -> list[Finding]:
    """The configuration file and variables that change defaults."""
    import typer.main

    from .app import app
    from .config import config_path, read_config, read_defaults

    config = read_config()
    read_defaults(typer.main.get_command(app))  # an unknown key stops every command
    keys = f"sets {', '.join(config)}" if config else "sets nothing" if config_path().exists() else "does not exist"
    findings = [Finding("config", f"{config_path()} {keys}")]
    variables = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    return findings + [Finding("config", f"{name}={value} in the environment") for name, value in variables.items()]


def _devices() -> list[Finding]:
    import torch

    from ..inference.device import describe_device, free_memory, list_devices, unusable_gpus

    findings = []
    for index, device in enumerate(list_devices()):
        free = free_memory(device)
        memory = f", {bytes_text(free)} free" if free else ""
        auto = " (used by --device auto)" if index == 0 else ""
        findings.append(Finding("device", f"{describe_device(device)}{memory}{auto}"))
    unusable = unusable_gpus()
    findings += [Finding("device", f"not usable: {sentence}", note=sentence) for sentence in unusable]
    if not torch.cuda.is_available() and not unusable:
        built = (
            f"built for CUDA {torch.version.cuda}, but sees no GPU or driver" if torch.version.cuda else "built without"
        )
        findings.append(Finding("device", f"no CUDA: this PyTorch is {built}"))
    return findings


def _codecs() -> list[Finding]:
    from ..video.encoder_support import encoder_support, ffmpeg_version

    findings = [Finding("codec", f"FFmpeg {ffmpeg_version()}")]
    for encoder in encoder_support():
        vital = encoder.name == _MUST_ENCODE and encoder.problem
        problem = f"the default encoder {encoder.name} is {encoder.problem}" if vital else ""
        findings.append(Finding("codec", f"{encoder.name}: {encoder.problem or 'yes'}", problem))
    return findings


def _caches() -> list[Finding]:
    from ..weights import cache_folder, hub_cache_folder

    findings = []
    for what, folder in (("ours", cache_folder()), ("Hugging Face", hub_cache_folder())):
        there = folder
        while not there.exists():
            there = there.parent
        writable = os.access(there, os.W_OK) and there.is_dir()
        free = f"{bytes_text(shutil.disk_usage(there).free)} free"
        findings.append(Finding("cache", f"{folder} ({what}), {free}" + ("" if writable else ", NOT writable")))
    return findings


def _weights() -> list[Finding]:
    from ..errors import WeightsError
    from ..weights import candidates, find, is_offline, lock_path, read_lock, require_storage

    findings = [Finding("weights", f"named by {lock_path()}")]
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
        findings.append(Finding("weights", f"{entry.name}: {what}", problem, note))
    return findings
