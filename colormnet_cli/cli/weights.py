"""`colormnet weights`: what weights.lock names, what of it is on disk, and whether it is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Debug, Form, Json, ProgressForm, Quiet, Verbose
from .progress import Reporter, bytes_text
from .session import Session

if TYPE_CHECKING:
    from ..weights import LockEntry

__all__ = ["register"]

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="A name that weights.lock has.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="All of them if none is given.")]

_app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode="rich",
    help="""What weights.lock names, what of it is on disk, and its hash. Alone: the list.

    Example:  [bold]colormnet weights fetch[/bold]

    COLORMNET_LOCK names another lock file (a mirror, say); HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE work
    as in every program that uses the Hugging Face Hub.""",
)


def register(app: typer.Typer) -> None:
    app.add_typer(_app, name="weights")


def entry_named(name: str) -> LockEntry:
    """The lock's entry of that name; an unknown name is a usage error."""
    from ..errors import UsageError
    from ..weights import read_lock
    from ..wording import did_you_mean

    lock = read_lock()
    if name not in lock:
        raise UsageError(f"weights.lock has no model {name!r}, but {', '.join(lock)}{did_you_mean(name, lock)}")
    return lock[name]


@_app.callback()
def _alone(
    ctx: typer.Context, as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False, debug: Debug = False
) -> None:
    from ..errors import UsageError

    if ctx.invoked_subcommand is None:
        show_list(ctx, as_json)
    elif as_json:
        raise UsageError("--json goes with the list alone: `colormnet weights --json`")


@_app.command("list")
def show_list(
    ctx: typer.Context, as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False, debug: Debug = False
) -> None:
    """List the models that weights.lock names, and what of them is on disk.

    Example:  [bold]colormnet weights list[/bold]
    """
    from ..weights import read_lock

    session: Session = ctx.obj
    rows = [_row(entry) for entry in read_lock().values()]
    if as_json:
        session.result(json.dumps(rows, indent=2))
        return
    for row in rows:
        credit = f" ({row['credit']})" if row["credit"] else ""
        lines = [
            row["name"],
            f"  {row['file']}, {bytes_text(row['size'])}",
            f"  sha256 {row['sha256']}",
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
        "size": entry.size,
        "sha256": entry.sha256,
        "license": entry.license,
        "credit": entry.credit,
        "sources": [str(source) for source in entry.sources] or ["this package"],
        "path": str(path) if path else None,
    }


@_app.command()
def fetch(
    ctx: typer.Context, name: Name = "colormnet", progress: Form = ProgressForm.auto, verbose: Verbose = 0,
    quiet: Quiet = False, debug: Debug = False,
) -> None:  # fmt: skip
    """Download a model's weights, if they are not there, and print their path.

    Example:  [bold]colormnet weights fetch colormnet[/bold]
    """
    from ..weights import ensure

    session: Session = ctx.obj
    with Reporter(session, progress) as reporter:
        path = ensure(entry_named(name), notice=session.say, progress=reporter.fetch)
    session.result(str(path))


@_app.command()
def verify(
    ctx: typer.Context, names: Names = None, verbose: Verbose = 0, quiet: Quiet = False, debug: Debug = False
) -> None:
    """Hash what is on disk anew; exit 1 where a file is missing or not exactly the one that was meant.

    Without a name, only `colormnet` must be there: the others are optional.

    Example:  [bold]colormnet weights verify[/bold]
    """
    from ..weights import candidates, find, read_lock

    session: Session = ctx.obj
    right = True
    for name in names or read_lock():
        entry = entry_named(name)
        if path := find(entry, rehash=True):
            session.show(f"{name}: right, {path}")
            continue
        wrong = ", ".join(map(str, candidates(entry)))
        right = right and not (wrong or names or name == "colormnet")
        session.show(f"{name}: NOT the file that was meant, {wrong}" if wrong else f"{name}: not on disk")
    if not right:
        session.say("`colormnet weights fetch NAME` gets the right file")
        raise typer.Exit(1)


@_app.command()
def path(
    ctx: typer.Context, name: Name = "colormnet", verbose: Verbose = 0, quiet: Quiet = False, debug: Debug = False
) -> None:
    """Print where a model's file lies; exit 1 where it is not on disk. Downloads nothing.

    Example:  [bold]colormnet weights path colormnet[/bold]
    """
    from ..errors import WeightsError
    from ..weights import find

    found = find(entry_named(name))
    if not found:
        raise WeightsError(f"The weights {name!r} are not on disk: `colormnet weights fetch {name}` downloads them")
    ctx.obj.result(str(found))
