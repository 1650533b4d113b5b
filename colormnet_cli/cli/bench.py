"""`colormnet bench`: how fast this machine colorizes, and what it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..errors import UsageError
from ..settings import DEFAULT_SIZE, MemoryConfig, NetworkSettings
from . import options as o
from .benchtable import show, worker_text
from .groups import CommandLine
from .reporter import Reporter
from .running import Ready, choose_device, suggest_fitting_size
from .session import Session

if TYPE_CHECKING:
    import torch

    from ..bench.worker_times import WorkerFigures
    from ..networks.state_dict import Network

__all__ = ["register"]

WHAT = "What is measured"


def register(app: CommandLine) -> None:
    app.command()(bench)


def bench(
    memory: MemoryConfig,
    choice: o.NetworkChoice,
    batch: Annotated[NetworkSettings, ("lookahead",)],
    session: Session,
    size: Annotated[
        str | None,
        o.option(
            WHAT,
            "Working size of the network: 960x536, or 240p, 480p, 720p, 1080p (16:9); default: the network's.",
            metavar="WxH|480p",
        ),
    ] = None,
    film: Annotated[
        str | None,
        o.option(
            WHAT,
            "Size of the film that is colorized end to end; default: --size; none: the network only.",
            metavar="WxH|1080p|none",
        ),
    ] = None,
    frames: Annotated[
        int | None,
        o.option(
            WHAT,
            "Frames in each part (400 on CUDA, 50 on MPS, 10 on a CPU), rounded up to whole rounds of γ.",
            metavar="N",
            min=1,
        ),
    ] = None,
    stage_times: Annotated[bool, o.option(WHAT, "Also measure each stage of a frame.", "--stage-times")] = False,
    workers: Annotated[
        int | None,
        o.option(
            WHAT,
            "Only measure how long a film of 20 shots takes with one worker and with N (`colorize --devices`), "
            "each with one CPU thread; --frames are those of a shot.",
            metavar="N",
            min=2,
        ),
    ] = None,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:
    """Measure speed and memory on synthetic frames, with a full memory.

    Nothing is downloaded: where the weights of --model are not on disk, random ones are measured.

    Example:  [bold]colormnet bench --device cuda:0 --precision bf16 --size 960x536[/bold]

    A film of 1080p, the network at 480p, and the time of each stage:

      [bold]colormnet bench --film 1080p --stage-times[/bold]

    A film of 20 shots with one worker process and with two:

      [bold]colormnet bench --workers 2 --model preview --size 240p --device cpu[/bold]
    """
    from ..bench import BenchSettings, parse_frame_size
    from ..bench import bench as measure
    from ..inference.engine import engine_of

    settings = BenchSettings(
        size=parse_frame_size(size or f"{DEFAULT_SIZE}p"),
        film=parse_frame_size(film) if film not in (None, "none") else None,
        end_to_end=film != "none",
        frames=frames,
        lookahead=batch.lookahead,
        stage_times=stage_times,
    )
    with Reporter(session, progress) as reporter:
        reporter.step("Starting PyTorch")
        chosen, number_format = choose_device(session, reporter, choice)
        network, path = _network(session, choice.model)
        if size is None:
            settings = replace(settings, size=parse_frame_size(f"{engine_of(network).default_size}p"))
        if workers:
            times = _worker_times(reporter, choice, memory, network, chosen, workers, settings.size, frames)
            session.result(times.to_json() if as_json else worker_text(times))
            return
        ready = Ready(network, choice.model, path or Path(), chosen, number_format)
        with suggest_fitting_size(ready, memory, settings.size, batch.lookahead):
            result = measure(
                network,
                settings,
                memory=memory,
                device=chosen,
                precision=number_format,
                name=choice.model,
                weights=str(path or "random"),
                notice=reporter.step,
            )
    if as_json:
        session.result(result.to_json())
    else:
        show(result)


def _worker_times(
    reporter: Reporter, choice: o.NetworkChoice, memory: MemoryConfig, network: Network, device: torch.device,
    workers: int, size: tuple[int, int], frames: int | None,
) -> WorkerFigures:  # fmt: skip
    """20 shots with one worker and with several, in files that are deleted."""
    from tempfile import TemporaryDirectory

    from ..bench.worker_times import time_workers

    devices = [f"cuda:{i}" if device.type == "cuda" else device.type for i in range(workers)]
    with TemporaryDirectory(prefix="colormnet-bench-") as folder:
        return time_workers(
            Path(folder), network, devices=devices, size=size, frames=frames or (100 if device.type == "cuda" else 10),
            memory=memory, precision=choice.precision, name=choice.model, notice=reporter.step,
        )  # fmt: skip


def _network(session: Session, name: str) -> tuple[Network, Path | None]:
    """The network and its file; where that is not on disk, the published size with random weights, without a file."""
    import torch

    from ..inference.engine import check_colorizes_films
    from ..weights import LockEntry, blank_network, find, locate, network_from_file

    located = locate(name)
    path = find(located) if isinstance(located, LockEntry) else located
    blank = blank_network(located)
    check_colorizes_films(blank, path or Path(name))
    if path is not None:
        return network_from_file(path), path
    if isinstance(located, LockEntry) and not located.sources:
        raise UsageError(f"The weights {name!r} are not on disk, and have no source: add them again")
    session.say(f"The weights {name!r} are not on disk: random ones are measured, which take as long")
    torch.manual_seed(0)
    return type(blank)(), None
