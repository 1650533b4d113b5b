"""`colormnet bench`: how fast this machine colours, and what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import options as o
from .benchtable import show
from .progress import Reporter
from .running import Ready, choose_device, tell_what_fits
from .session import Session

if TYPE_CHECKING:
    from ..bench import BenchSettings
    from ..inference.memory import MemoryConfig

__all__ = ["register"]

WHAT = "What is measured"

Frames = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", rich_help_panel=WHAT, show_default=False,
                 help="Frames in each part (400 on CUDA, 50 on MPS, 10 on a CPU), made up to whole rounds of γ."),
]  # fmt: skip
NetworkSize = Annotated[
    str,
    typer.Option("--size", metavar="WxH|480p", rich_help_panel=WHAT,
                 help="Size the network works at: 960x536, or 240p, 480p, 720p, 1080p (of 16:9)."),
]  # fmt: skip
FilmSize = Annotated[
    str | None,
    typer.Option("--film", metavar="WxH|1080p|none", rich_help_panel=WHAT, show_default=False,
                 help="Size of the film that goes in and out, end to end; --size if not said; none: the network only."),
]  # fmt: skip
StageTimes = Annotated[
    bool, typer.Option("--stage-times", rich_help_panel=WHAT, help="Also what each part of a frame takes.")
]
Scaling = Annotated[
    bool,
    typer.Option("--scaling", rich_help_panel=WHAT,
                 help="Also time against area, 240p to 1080p, and along 5,000 frames with a small network."),
]  # fmt: skip
BenchModel = Annotated[
    str,
    typer.Option("--model", metavar="NAME|PATH", rich_help_panel=o.NETWORK,
                 help="Nothing is downloaded: weights that are not on disk are made up."),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    ctx: typer.Context, size: NetworkSize = "480p", film: FilmSize = None, frames: Frames = None,
    stage_times: StageTimes = False, scaling: Scaling = False,
    model: BenchModel = "colormnet", device: o.Device = "auto", precision: o.PrecisionOption = o.Precision.auto,
    lookahead: o.Lookahead = None,
    gamma: o.Gamma = 5, ns: o.Ns = 10, ne: o.Ne = 5, m: o.M = 128, top_k: o.TopK = 30, long_term: o.LongTerm = 10_000,
    progress: o.Form = o.ProgressForm.auto, as_json: o.Json = False,
    verbose: o.Verbose = 0, quiet: o.Quiet = False, debug: o.Debug = False,
) -> None:  # fmt: skip
    """Measure speed and memory on made-up frames, with a full memory; nothing is downloaded.

    Example:  [bold]colormnet bench --device cuda:0 --precision bf16 --size 960x536[/bold]

    1080p in and out, the network at 480p, and what each part takes:

      [bold]colormnet bench --film 1080p --stage-times[/bold]
    """
    from ..bench import BenchSettings, parse_frame_size

    settings = BenchSettings(
        size=parse_frame_size(size), film=parse_frame_size(film) if film not in (None, "none") else None,
        end_to_end=film != "none", frames=frames, lookahead=lookahead, stage_times=stage_times, scaling=scaling,
    )  # fmt: skip
    memory = o.memory_config(gamma, ns, ne, m, top_k, long_term)
    session: Session = ctx.obj
    with Reporter(session, progress) as reporter:
        ready = _ready(session, reporter, model, device, precision.value)
        with tell_what_fits(ready, memory, settings.size, settings.lookahead):
            _run(session, reporter, ready, settings, memory, as_json=as_json)


def _ready(session: Session, reporter: Reporter, name: str, device: str, precision: str) -> Ready:
    """The network, with its weights where they are on disk, and with random ones where they are not."""
    reporter.step("Starting PyTorch")
    import torch

    from ..networks.colormnet import ColorMNet
    from ..weights import model_from_file

    chosen, number_format = choose_device(session, reporter, device, precision)
    path = _find(name)
    if path is None:
        torch.manual_seed(0)
        model = ColorMNet()
        session.say(f"The weights {name!r} are not on disk: random ones are measured, which take as long")
    else:
        model = model_from_file(path)
    return Ready(model, name, path or Path(), chosen, number_format)


def _find(name: str) -> Path | None:
    """The file behind a model; None for the full network's where it is not on disk."""
    from ..weights import LockEntry, find, locate

    located = locate(name)
    path = find(located) if isinstance(located, LockEntry) else located
    if path is None and name != "colormnet":
        raise UsageError(f"the weights {name!r} are not on disk: `colormnet weights fetch {name}` gets them")
    return path


def _run(
    session: Session, reporter: Reporter, ready: Ready, settings: BenchSettings, memory: MemoryConfig, *, as_json: bool
) -> None:
    from ..bench import bench as measure

    result = measure(
        ready.model, settings, memory=memory, device=ready.device, precision=ready.precision, name=ready.name,
        weights=str(ready.path) if ready.path.name else "random", notice=reporter.step,
    )  # fmt: skip
    reporter.close()
    if as_json:
        session.result(result.to_json())
    else:
        show(result)
