"""What holds for one run of the command whatever it does: how much is said, and where."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
import textwrap
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Session", "sentence"]

_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
_STYLES = {"warning": "yellow", "error": "bold red"}


@dataclass
class Session:
    """Filled by the options as they are read, so that an error while reading them is shown the right way already."""

    verbosity: int = 0  # -1 quiet, 1 and 2 verbose
    debug: bool = False
    as_json: bool = False  # messages as JSON lines, for other programs (--progress json)
    interrupted: bool = False  # Ctrl-C was pressed

    @cached_property
    def console(self) -> Console:
        """The terminal for people: stderr. Results go to stdout, by `result`."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

    def interrupt(self, *_: Any) -> None:
        """What SIGINT does."""
        self.interrupted = True
        raise KeyboardInterrupt

    def go_on(self) -> None:
        """Stop here if the KeyboardInterrupt was lost, as in a library that was just being imported."""
        if self.interrupted:
            raise KeyboardInterrupt

    def say(self, text: str, level: str = "note") -> None:
        """A message to a person (or a JSON line to a program). Notes and warnings are dropped by --quiet."""
        if self.verbosity < 0 and level in ("note", "warning"):
            return
        text = sentence(text)
        if self.as_json:
            self.emit({"event": level, "text": text})
        elif level in ("note", "interrupted"):
            start = "\n" if level == "interrupted" and self.console.is_terminal else ""  # the terminal shows ^C there
            self.console.print(start + text, markup=False)
        else:
            self.console.print(f"[{_STYLES[level]}]{level.capitalize()}:[/] ", end="")
            self.console.print(text, markup=False)

    def emit(self, event: dict[str, Any]) -> None:
        """One object, one line."""
        print_line(json.dumps(event, ensure_ascii=False), sys.stderr)

    def result(self, text: str) -> None:
        """What was asked for, to stdout."""
        print_line(text, sys.stdout)

    def show(self, text: str, hang: int = 2) -> None:
        """A report to stdout: on a terminal, lines are broken between words and go on indented by `hang` more."""
        if sys.stdout.isatty():
            text = "\n".join(_wrapped(line, shutil.get_terminal_size().columns, hang) for line in text.splitlines())
        self.result(text)

    def start_logging(self) -> None:
        """Send the package's log messages here, and Python's warnings only where someone asked for more."""
        logger = logging.getLogger("colormnet_cli")
        logger.setLevel(_LEVELS[2] if self.debug else _LEVELS[max(-1, min(2, self.verbosity))])
        logger.handlers = [_Handler(self)]
        logger.propagate = False
        if self.verbosity < 1 and not self.debug:
            warnings.simplefilter("ignore")


class _Handler(logging.Handler):
    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def emit(self, record: logging.LogRecord) -> None:
        level = "note" if record.levelno < logging.WARNING else "warning"
        self.session.say(self.format(record), "error" if record.levelno >= logging.ERROR else level)


def _wrapped(line: str, width: int, hang: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + hang)
    if any(len(word) > width - len(indent) for word in line.split()):  # an address: whole, to be copied
        return line
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


_SETTING = re.compile(r"`([a-z][a-z_]*)(=True|=False)?`")
_OPTIONS = {
    "references": "--ref",
    "ref_is_first": "--ref-is-first-frame",
    "encoder_options": "--encoder-option",
    "n_s": "--ns",
    "n_e": "--ne",
}


def named_options(text: str) -> str:
    """The library's messages name settings as in Python (`overwrite=True`); here they are options (--overwrite)."""

    def option(match: re.Match[str]) -> str:
        name = _OPTIONS.get(match[1], f"--{match[1].replace('_', '-')}")
        return name.replace("--", "--no-", 1) if match[2] == "=False" else name

    return _SETTING.sub(option, text)


def sentence(text: str) -> str:
    """A message as it is shown: options by their names, and a full stop."""
    text = named_options(text.strip())
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def print_line(text: str, stream: TextIO) -> None:
    """Write and flush: a program at the other end of a pipe waits for each line."""
    stream.write(text + "\n")
    stream.flush()
