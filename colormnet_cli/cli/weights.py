"""`colormnet weights`: the models that the lock files name, and their files on disk."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .groups import CommandLine
from .reporter import Reporter, bytes_text
from .session import Session

if TYPE_CHECKING:
    from ..weights import LockEntry

__all__ = ["register"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model in weights.lock.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Models in weights.lock; default: all.")]
File = Annotated[Path, typer.Argument(metavar="FILE", parser=o.path, help="The weight file; it stays where it is.")]
NewName = Annotated[
    str | None, typer.Option("--name", metavar="NAME", parser=o.filled, help="Name of the model; default: FILE's name.")
]
Replace = Annotated[bool, typer.Option("--overwrite", help="Replace a file that was added under this name before.")]

_app = CommandLine(
    invoke_without_command=True,
    help="""List, download, verify and add weights. Without a subcommand: list.

    Example:  [bold]colormnet weights fetch[/bold]

    Set COLORMNET_LOCK to use another lock file, with a mirror for example, instead of weights.lock and your own.
    HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE have their usual effect on the Hugging Face Hub.""",
)


def register(app: CommandLine) -> None:
    app.add_typer(_app, name="weights")


def _entry(name: str) -> LockEntry:
    from ..errors import UsageError
    from ..weights import read_lock
    from ..wording import did_you_mean

    lock = read_lock()
    if name not in lock:
        raise UsageError(f"weights.lock has no model {name!r}, but {', '.join(lock)}{did_you_mean(name, lock)}")
    return lock[name]


@_app.callback()
def _default(ctx: typer.Context, session: Session, as_json: o.Json = False) -> None:
    from ..errors import UsageError

    if ctx.invoked_subcommand is None:
        show_list(session, as_json)
    elif as_json:
        raise UsageError("--json goes with the list alone: `colormnet weights --json`")


@_app.command("list")
def show_list(session: Session, as_json: o.Json = False) -> None:
    """List the models by name, with their files, licenses and sources.

    Example:  [bold]colormnet weights list[/bold]
    """
    from ..weights import read_lock

    rows = [_row(entry) for entry in read_lock().values()]
    if as_json:
        session.result(json.dumps(rows, indent=2))
        return
    for row in rows:
        credit = f" ({row['credit']})" if row["credit"] else ""
        lines = [
            row["name"],
            f"  {row['file']}, {bytes_text(row['size'])}",
            f"  sha256 {row['sha256'] or 'unknown; recorded at the first download'}",
            f"  license: {row['license']}{credit}",
            *(f"  from {source}" for source in row["sources"]),
            f"  on disk: {row['path'] or 'no'}",
        ]
        session.show("\n".join(lines))


def _row(entry: LockEntry) -> dict[str, Any]:
    from ..weights import find

    path = find(entry)
    return {
        "name": entry.name,
        "file": entry.file,
        "size": entry.size or None,
        "sha256": entry.sha256 or None,
        "license": entry.license,
        "credit": entry.credit,
        "sources": [str(source) for source in entry.sources] or ["this machine"],
        "path": str(path) if path else None,
    }


@_app.command()
def fetch(session: Session, name: Name = "colormnet", progress: o.Form = "auto") -> None:
    """Download the weights of a model, unless they are on disk, and print their path.

    Example:  [bold]colormnet weights fetch colormnet[/bold]
    """
    from ..weights import ensure

    with Reporter(session, progress) as reporter:
        path = ensure(_entry(name), notice=session.say, progress=reporter.fetch)
    session.result(str(path))


@_app.command()
def verify(session: Session, names: Names = None) -> None:
    """Hash the files on disk again. Exit 1 if one is wrong, or a NAME is not on disk, or nothing is.

    Example:  [bold]colormnet weights verify[/bold]
    """
    from ..weights import candidates, find, read_lock

    right, wrong, missing = [], [], []
    for name in names or read_lock():
        entry = _entry(name)
        if path := find(entry, rehash=True):
            right.append(f"{name}: right, {path}")
        elif others := candidates(entry):
            wrong.append(f"{name}: WRONG sha256, {', '.join(map(str, others))}")
        else:
            missing.append(f"{name}: not on disk")
    session.show("\n".join([*right, *wrong, *missing]))
    if wrong or (missing and (names or not right)):
        session.say("`colormnet weights fetch NAME` downloads the right file")
        raise typer.Exit(1)


@_app.command()
def path(session: Session, name: Name = "colormnet") -> None:
    """Print the path of a model's file, without a download. Exit 1 if it is not on disk.

    Example:  [bold]colormnet weights path colormnet[/bold]
    """
    from ..errors import WeightsError
    from ..weights import find

    found = find(_entry(name))
    if not found:
        raise WeightsError(f"The weights {name!r} are not on disk: `colormnet weights fetch {name}` downloads them")
    session.result(str(found))


@_app.command()
def add(session: Session, file: File, name: NewName = None, overwrite: Replace = False) -> None:
    """Give a weight file a name for --model; a file downloaded by hand can get its name in weights.lock.

    Its path and sha256 are recorded in your own lock file: the name then stands for exactly this file.

    Example:  [bold]colormnet weights add run/best.pt --name western[/bold]
    """
    from ..weights import add_file, read_lock, user_lock_path

    name = name or re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem)
    before = read_lock().get(name)
    entry = add_file(name, file, replace=overwrite)
    session.say(f"`--model {entry.name}` is {entry.local_path}, sha256 {entry.sha256}; recorded in {user_lock_path()}")
    if before is not None and not before.sha256:
        session.say(f"Nobody has verified the weights {name!r} yet: from now on no other file is accepted by that name")
