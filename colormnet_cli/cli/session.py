"""What every command needs: messages for people and programs, and results."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
import time
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .._version import __version__
from .cpu_load import CpuLoad

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Session", "printable", "sentence"]

PATIENCE = 10.0  # seconds after a signal; another one then ends the command at once
_SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
_STYLES = {"warning": "yellow", "error": "bold red"}


@dataclass
class Session:
    """Set by options while they are parsed, so that an error of parsing is already shown as wanted."""

    verbosity: int = 0  # -1 quiet, 1 and 2 verbose
    debug: bool = False
    as_json: bool = False  # messages as JSON lines, for other programs (--progress json)
    interrupted: int = 0  # number of the signal that ends the command, such as Ctrl-C's
    interrupted_at: float = 0.0
    log_file: TextIO | None = None  # --log-file
    load: CpuLoad = field(default_factory=CpuLoad)  # of the machine since the command began

    @cached_property
    def console(self) -> Console:
        """stderr, for messages; results go to stdout, by `result`."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

    def handle_signals(self) -> None:
        """End the command at Ctrl-C, SIGTERM and SIGHUP, unless they are ignored, as with nohup."""
        for number in _SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self._interrupt)
        sys.unraisablehook = self._unraisable

    def ignore_signals(self) -> None:
        """From now on: the command is ending."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, number: int, _: Any) -> None:
        """The handler: later signals must not interrupt the saving of progress, unless that takes too long."""
        if not self.interrupted:
            self.interrupted, self.interrupted_at = number, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self.interrupted_at > PATIENCE:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"\x1b[?25h")  # the progress bar hides the cursor
            os._exit(128 + number)

    def _unraisable(self, what: Any) -> None:
        """A KeyboardInterrupt in a destructor cannot be raised there: `check_interrupt` does it later."""
        if not issubclass(what.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(what)

    def check_interrupt(self) -> None:
        """Stop here if the KeyboardInterrupt was lost, as happens in a library that is being imported."""
        if self.interrupted:
            raise KeyboardInterrupt

    def say(self, text: str, level: str = "note") -> None:
        """Show a message, or with --progress json a JSON line. --quiet drops notes and warnings."""
        text = sentence(text)
        self.log(text, level)
        if self.verbosity < 0 and level in ("note", "warning"):
            return
        if self.as_json:
            self.emit({"event": level, "text": text})
            return
        text = printable(text)
        if level in ("note", "interrupted"):
            start = "\n" if level == "interrupted" and self.console.is_terminal else ""  # the terminal shows ^C there
            self.console.print(start + text, markup=False)
        else:
            from rich.text import Text

            self.console.print(Text.assemble((f"{level.capitalize()}:", _STYLES[level]), " ", text))

    def log_to(self, file: Path) -> None:
        """Append messages to a file. Raises OSError."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file = file.open("a", encoding="utf-8")
        self.log(f"colormnet {__version__}: {shlex.join(sys.argv[1:])}")
        self.start_logging()

    def log(self, text: str, level: str = "note") -> None:
        """Write to the log file, if there is one."""
        if self.log_file:
            print_line(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level}: {text.strip()}", self.log_file)

    def emit(self, event: dict[str, Any]) -> None:
        """Write an object as one line of JSON to stderr."""
        print_line(json.dumps(event, ensure_ascii=False), sys.stderr)

    def result(self, text: str) -> None:
        """Write a result to stdout."""
        print_line(text, sys.stdout)

    def show(self, text: str, hang: int = 2) -> None:
        """Write a report to stdout; in a terminal, long lines are wrapped, and indented by `hang` more."""
        if sys.stdout.isatty():
            text = "\n".join(_wrapped(line, shutil.get_terminal_size().columns, hang) for line in text.splitlines())
        self.result(text)

    def start_logging(self) -> None:
        """Show the package's log messages as messages of the session; Python's warnings only with --verbose."""
        logger = logging.getLogger("colormnet_cli")
        shown = _LEVELS[2] if self.debug else _LEVELS[max(-1, min(2, self.verbosity))]
        logger.setLevel(logging.DEBUG if self.log_file else shown)
        logger.handlers = [_Handler(self, shown)]
        logger.propagate = False
        if self.verbosity < 1 and not self.debug:
            warnings.simplefilter("ignore")


class _Handler(logging.Handler):
    """Messages below `shown` only go to the log file."""

    def __init__(self, session: Session, shown: int) -> None:
        super().__init__()
        self.session, self.shown = session, shown

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < self.shown:
            self.session.log(self.format(record), record.levelname.lower())
            return
        level = "note" if record.levelno < logging.WARNING else "warning"
        self.session.say(self.format(record), "error" if record.levelno >= logging.ERROR else level)


def _wrapped(line: str, width: int, hang: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + hang)
    if any(len(word) > width - len(indent) for word in line.split()):  # such as a URL: to be copied
        return line
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


_SETTING = re.compile(r'`([a-z][a-z_]*)(?:=(?:(True)|(False)|"([^"`]*)"|([A-Z0-9]+)))?`')


def named_options(text: str) -> str:
    """Name options where the library's messages name settings as in Python: `overwrite=True` is --overwrite."""
    from .options import option_name

    def option(match: re.Match[str]) -> str:
        name, _, off, *values = match.groups()
        value = next(filter(None, values), "")
        return option_name(name, not off) + (f" {value}" if value else "")

    return _SETTING.sub(option, text)


def sentence(text: str) -> str:
    """A message as it is shown: with the names of options, and a full stop."""
    text = named_options(text.strip())
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


# Control characters but tabs and line feeds, what changes the direction of writing, and bytes that are not UTF-8
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Names and tags of files without what would control a terminal, as ``\\u001b``; JSON stays the same JSON."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_line(text: str, stream: TextIO) -> None:
    """Write and flush: a program that reads a pipe waits for each line."""
    stream.write(printable(text) + "\n")
    stream.flush()
