"""The application: its commands, and the one place that turns exceptions into messages and exit codes."""

from __future__ import annotations

import io
import os
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any

import typer

from ..errors import ColormnetError, UsageError
from .groups import CommandLine, Group
from .running import is_out_of_memory
from .session import Session, sentence

__all__ = ["app", "main"]

# Each is a module of this folder with a function `register(app)`, which imports nothing heavy until its command runs.
COMMANDS = (
    "colorize",
    "frames",
    "shots",
    "stills",
    "recolor",
    "apply",
    "steady",
    "verify",
    "train",
    "evaluate",
    "compare",
    "bench",
    "weights",
    "doctor",
)


class _Stopped(Exception):  # noqa: N818 - not an error
    """A KeyboardInterrupt, which typer would replace, and lose its text."""


class _Group(Group):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise _Stopped(str(stop)) from stop


app = CommandLine(
    cls=_Group,
    name="colormnet",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Colorize black-and-white film from a reference image, with ColorMNet (ECCV 2024).

    Example:  [bold]colormnet colorize old.mp4 --ref photo.jpg -o out.mp4[/bold]

    Defaults for options can be set in a file config.toml; `colormnet doctor` shows where it is.""",
)


def _version(wanted: bool) -> None:
    if wanted:
        from .._version import __version__

        typer.echo(f"colormnet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    from .config import read_defaults

    try:
        ctx.default_map = read_defaults(ctx.command)
    except UsageError:
        if ctx.invoked_subcommand != "doctor":  # which reports it
            raise


for _name in COMMANDS:
    import_module(f".{_name}", __package__).register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP."""
    _open_streams()
    session = Session()
    session.handle_signals()
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="colormnet", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        session.ignore_signals()
        code = _explain(error, session)
    session.ignore_signals()
    _flush_streams()
    sys.exit(code if isinstance(code, int) else 0)


def _open_streams() -> None:
    """Replace closed streams (`>&-`) by null devices; otherwise a film could be opened under their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
    original = sys.__stderr__
    if original is not None and sys.stderr is original:  # a descriptor of its own: lines of C libraries can be left out
        own = os.dup(original.fileno())
        sys.stderr = open(own, "w", encoding=original.encoding, errors="backslashreplace", buffering=1)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # an encoding may lack a character
        sys.stdout.reconfigure(errors="backslashreplace")


def _flush_streams() -> None:
    """Drop what can no longer be written, as after SIGHUP; Python would end with exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _explain(error: BaseException, session: Session) -> int:
    """Show what happened, in a sentence; returns the exit code."""
    stopped = isinstance(error, (KeyboardInterrupt, _Stopped, typer.Abort))
    if stopped or session.interrupted:  # interrupted imports may raise another error
        with suppress(OSError):  # after SIGHUP there is no terminal
            session.say((stopped and str(error)) or "Interrupted.", "interrupted")
        # training notes the signal itself, to complete its step
        return 128 + session.interrupted if session.interrupted else getattr(error.__cause__, "exit_code", 130)
    if session.debug:
        session.console.print_exception()
    session.log("".join(traceback.format_exception(error)), "traceback")
    if isinstance(error, BrokenPipeError):  # the program that read our output has ended
        return 1
    if isinstance(error, ColormnetError):
        session.say(str(error), "error")
        return error.exit_code
    if hasattr(error, "format_message"):  # raised by typer: wrong usage
        if not error.format_message():  # no arguments: the help was shown
            return 2
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "colormnet"
        session.say(f"{sentence(error.format_message() + _origin(error))} See `{command} --help`", "error")
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        session.say(f"{error.filename}: {what}" if error.filename else what, "error")
    elif is_out_of_memory(error):
        session.say(
            "Out of memory: close other programs, or use a smaller --size (for training --batch, --crop)", "error",
        )  # fmt: skip
    else:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        session.say(f"Internal error: {what} (run the same command with --debug to see where)", "error")
    return 1


def _origin(error: Any) -> str:
    """The configuration file, if the value that is wrong comes from there."""
    from .config import config_path

    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    source = context.get_parameter_source(param.name) if context and param else None
    return f" (set in {config_path()})" if source and source.name == "DEFAULT_MAP" else ""
