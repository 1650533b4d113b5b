"""Every option that more than one command has, declared once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .session import Session

if TYPE_CHECKING:
    from ..settings import MemoryConfig

# Panels of the help
COLOURS, NETWORK, OUTPUT, MESSAGES = "Where the colours come from", "Network", "Output", "Messages"
MEMORY = "Memory, in the paper's letters"


class Precision(str, Enum):
    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


class ProgressForm(str, Enum):
    auto = "auto"
    bar = "bar"
    plain = "plain"
    json = "json"
    none = "none"

    def __str__(self) -> str:  # Typer before 0.29 reads what a callback returned once more, by this
        return self.value


def filled(text: str) -> str:
    """The value of an option that names something."""
    if not text:
        raise typer.BadParameter("It is empty; perhaps a variable of the shell is unset")
    return text


def path(text: str) -> Path:
    """The value of what names a file or a folder; an empty name would mean the folder one is in."""
    return Path(filled(text))


# Options of the session act while they are read: an error in a later option is then already shown the right way.


def _session(ctx: Any) -> Session:
    session = ctx.ensure_object(Session)
    assert isinstance(session, Session)  # for the type checker: main made it
    return session


def _verbose(ctx: typer.Context, count: int) -> int:
    if count:
        _session(ctx).verbosity = count
        _session(ctx).start_logging()
    return count


def _quiet(ctx: typer.Context, wanted: bool) -> bool:
    session = _session(ctx)
    if wanted and session.verbosity > 0:
        raise typer.BadParameter("--quiet and --verbose contradict each other")
    if wanted:
        session.verbosity = -1
    session.start_logging()
    return wanted


def _debug(ctx: typer.Context, wanted: bool) -> bool:
    if wanted:
        _session(ctx).debug = True
        _session(ctx).start_logging()
    return wanted


def _form(ctx: typer.Context, form: ProgressForm) -> ProgressForm:
    _session(ctx).as_json = form is ProgressForm.json
    return form


Verbose = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, is_eager=True, callback=_verbose, show_default=False,
                 rich_help_panel=MESSAGES, help="Say more; twice: everything."),
]  # fmt: skip
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_quiet, rich_help_panel=MESSAGES, help="Say nothing but errors."),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", is_eager=True, callback=_debug, rich_help_panel=MESSAGES,
                 help="Show where an error came from."),
]  # fmt: skip
Form = Annotated[
    ProgressForm,
    typer.Option("--progress", is_eager=True, callback=_form, rich_help_panel=MESSAGES,
                 help="A bar, plain lines, JSON lines for other programs, or none; auto: a bar on a terminal."),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", rich_help_panel=MESSAGES, help="Print the result as JSON on stdout.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", rich_help_panel=MESSAGES, help="Say what would be done, and do nothing.")
]

Device = Annotated[
    str,
    typer.Option(metavar="auto|cuda[:N]|mps|cpu", rich_help_panel=NETWORK, show_default=False,
                 help="Where to compute. One that was asked for and is not there is an error."),
]  # fmt: skip
PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", rich_help_panel=NETWORK, help="auto: fp16 on CUDA, fp32 elsewhere."),
]
Model = Annotated[
    str,
    typer.Option(metavar="NAME|PATH", parser=filled, rich_help_panel=NETWORK,
                 help="A name that `colormnet weights` lists, or a file of weights."),
]  # fmt: skip
Size = Annotated[
    str,
    typer.Option(metavar="N|source", rich_help_panel=NETWORK,
                 help="Shorter side the network works at; the film keeps its own size."),
]  # fmt: skip

References = Annotated[
    list[str],
    typer.Option("--ref", metavar="PICTURE", parser=filled, help="The colour picture; or FILM@TIME. Repeatable."),
]
RefIsFirst = Annotated[
    bool | None,
    typer.Option("--ref-is-first-frame/--ref-is-other", show_default=False, rich_help_panel=COLOURS,
                 help="Whether it is the film's first frame; found out by comparing them if not said."),
]  # fmt: skip
Guided = Annotated[
    bool,
    typer.Option("--guided/--bilinear", rich_help_panel=NETWORK,
                 help="Bring colour to full size along the edges of the film's luma, or simply smooth."),
]  # fmt: skip
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace an output that exists already.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume/--no-resume", rich_help_panel=OUTPUT, help="Go on from where a broken run of this ended."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        parser=path,
        show_default=False,
        help="File or folder to write; FILM-color beside the film if not said.",
    ),
]

Lookahead = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=NETWORK,
        help="Frames given to the network at once; by device if not said.",
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", rich_help_panel=OUTPUT, help="Fail at what cannot be decoded, instead of going on."),
]

_MEMORY: dict[str, Any] = {"min": 1, "metavar": "N", "rich_help_panel": MEMORY}
Gamma = Annotated[int, typer.Option("--gamma", help="γ: remember a frame every so many.", **_MEMORY)]
Ns = Annotated[int, typer.Option("--ns", help="N_s: frames kept whole, the exemplar among them.", **_MEMORY)]
Ne = Annotated[int, typer.Option("--ne", help="N_e: oldest of them condensed together.", **_MEMORY)]
M = Annotated[int, typer.Option("--m", help="M: prototypes they are condensed to.", **_MEMORY)]
TopK = Annotated[int, typer.Option("--top-k", help="Memory elements that answer one pixel.", **_MEMORY)]
LongTerm = Annotated[int, typer.Option("--long-term", help="Elements kept in the long term.", **_MEMORY)]


def parse_size(text: str) -> int | Literal["source"]:
    """The value of --size."""
    from ..errors import UsageError

    if text == "source":
        return "source"
    if not text.isdecimal() or int(text) < 16:
        raise UsageError(f"{text!r} is no --size: give the shorter side in pixels, at least 16, or 'source'")
    return int(text)


def memory_config(gamma: int, ns: int, ne: int, m: int, top_k: int, long_term: int) -> MemoryConfig:
    """The memory's settings from the options."""
    from ..settings import MemoryConfig

    return MemoryConfig(gamma=gamma, n_s=ns, n_e=ne, m=m, top_k=top_k, long_term=long_term)
