"""`--dry-run`: what would be done, with an estimate of time and memory; nothing is downloaded or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wording import many
from .reporter import bytes_text, clock

if TYPE_CHECKING:
    from ..film.pictures_plan import PicturesPlan
    from ..film.plan import FilmPlan
    from ..networks.state_dict import Network
    from ..settings import MemoryConfig
    from .options import NetworkChoice

__all__ = ["Forecast", "forecast", "plan_text", "sizes_of"]


@dataclass(frozen=True)
class Forecast:
    """Time and memory of a run, from the operations of the network and the measured rate of the device."""

    device: str
    precision: str
    weights: str  # their path, or what would be downloaded
    memory: int  # bytes
    seconds_per_frame: float
    seconds: float | None  # None where the number of frames is unknown

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __str__(self) -> str:
        rate = f"{self.seconds_per_frame:.3g} s per frame"
        time = f"{rate}, {clock(self.seconds)} in total" if self.seconds is not None else rate
        return f"about {bytes_text(self.memory)} of memory on {self.device} in {self.precision}, about {time}"


def sizes_of(model: str) -> tuple[Network, str]:
    """A network by its name or file, on the meta device: its sizes; and its path, or what would be downloaded."""
    from ..inference.engine import check_colorizes_films
    from ..weights import LockEntry, blank_network, find, locate

    found = locate(model)
    path: Path | None = find(found) if isinstance(found, LockEntry) else found
    size = bytes_text(found.size) if isinstance(found, LockEntry) and found.size else "of unknown size"
    network = blank_network(found)
    check_colorizes_films(network, path or Path(model))
    return network, str(path) if path else f"{size} would be downloaded"


def forecast(
    plan: FilmPlan | PicturesPlan,
    network: Network,
    weights: str,
    *,
    choice: NetworkChoice,
    memory: MemoryConfig,
    twice: bool = False,
) -> Forecast:
    """Estimate a film (or folder). The network may be on the meta device; `weights` are described.

    twice: frames are colored twice: automatic stills fill in.
    """
    from ..inference.cost import frame_cost
    from ..inference.device import default_lookahead, describe_device, process_peak, resolve_device, resolve_precision
    from ..inference.rates import convolution_rate

    chosen = resolve_device(choice.device)
    number_format = resolve_precision(choice.precision, chosen)
    ahead = plan.settings.lookahead or default_lookahead(chosen)
    cost = frame_cost(network, plan.working_size, memory, device=chosen, precision=number_format, lookahead=ahead)
    each = cost.seconds(convolution_rate(chosen, number_format)) * (2 if twice else 1)
    return Forecast(
        device=describe_device(chosen),
        precision=number_format,
        weights=weights,
        # on a CPU, PyTorch and FFmpeg share the memory with the network
        memory=cost.memory + ((process_peak() or 0) if chosen.type == "cpu" else 0),
        seconds_per_frame=each,
        seconds=None if plan.frames is None else each * plan.frames,
    )


def plan_text(plan: FilmPlan | PicturesPlan, cost: Forecast) -> str:
    """The plan of a film or a folder, as text."""
    facts = plan.to_dict()
    lines = [f"{facts['source']} → {facts['output']}"]
    if "pictures" in facts:
        lines.append(f"  images    {facts['pictures']:,}, from {facts['first']} to {facts['last']}")
    else:
        frames = "an unknown number of frames" if plan.frames is None else many(plan.frames, "frame")
        lines.append(
            f"  film      {frames} of {facts['width']}×{facts['height']} at {facts['rate']:.5g} fps, "
            f"{facts['source_codec']} {facts['source_pix_fmt']}"
        )
    lines += [
        f"  network   at {facts['working_width']}×{facts['working_height']}, weights {cost.weights}",
        f"  reference {', '.join(facts['references'])}",
    ]
    if missing := plan.borrowing:
        verb = "has" if len(missing) == 1 else "have"
        which = ", ".join(map(str, missing))
        count = f"{len(missing)} of {many(len(plan.schedule.shots), 'shot')}"
        lines.append(f"  shots     {count} {verb} no picture: {which}; they borrow from the shots most like them")
    if (color := facts.get("chroma_out")) is not None:
        lines.append(f"  color     {color}")
    if "codec" in facts and color != facts["output"]:
        options = " ".join(f"{key} {value}" for key, value in facts["encoder_options"].items())
        lines.append(f"  encoder   {facts['codec']} {facts['pix_fmt']} {options}, in {facts['container']}")
        lines += [f"  {stream['stream']:<9} {stream['action']}" for stream in facts["streams"]]
    lines.append(f"  estimate  {cost}")
    lines += [f"  note      {note}" for note in facts.get("warnings", ())]
    return "\n".join(lines)
