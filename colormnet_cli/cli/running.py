"""What the commands that run a network share: getting it ready, and reporting what was done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError
from ..wording import many
from .reporter import Reporter, bytes_text, clock
from .session import Session

if TYPE_CHECKING:
    import torch

    from ..film.receipt import Receipt
    from ..networks.state_dict import Network
    from ..settings import MemoryConfig
    from .options import NetworkChoice

__all__ = ["Ready", "choose_device", "is_out_of_memory", "make_ready", "named", "suggest_fitting_size", "summary"]


@dataclass(frozen=True)
class Ready:
    """A network with its weights, and where and how it will run."""

    model: Network
    name: str  # as given with --model
    path: Path  # its weight file
    device: torch.device
    precision: str

    def weights(self) -> dict[str, Any]:
        """For receipts: which file was used."""
        from ..files import file_sha256
        from ..weights import files_of

        hashes = {file.name: file_sha256(file) for file in files_of(self.path)}
        one = hashes.get(self.path.name)
        return {"name": self.name, "path": str(self.path), "file_sha256": one or hashes}


def make_ready(
    session: Session, reporter: Reporter, network: NetworkChoice, threads: int | None = None, idle: int | None = None
) -> Ready:
    """Choose the device (before half a gigabyte is downloaded for one that is not available), and load the weights.

    Args:
        threads: the number of CPU threads that was asked for.
        idle: the number of idle cores, where that is less than all.
    """
    from ..inference.engine import check_colorizes_films
    from ..weights import locate, network_from_file, weights_path

    locate(network.model)  # a mistyped name is reported at once
    set_threads(threads, idle)
    chosen, number_format = choose_device(session, reporter, network)
    path = weights_path(network.model, notice=reporter.message, progress=reporter.fetch)
    reporter.step(f"Loading the weights {network.model}")
    loaded = network_from_file(path)
    check_colorizes_films(loaded, path)
    reporter.close()
    return Ready(loaded, network.model, path, chosen, number_format)


def set_threads(threads: int | None, idle: int | None) -> None:
    """Set the number of CPU threads; without one, no more than PyTorch's own choice, and than there are idle cores."""
    import torch

    if threads or idle:
        torch.set_num_threads(threads or min(torch.get_num_threads(), idle or 1))


def choose_device(session: Session, reporter: Reporter, network: NetworkChoice) -> tuple[torch.device, str]:
    """The device and the number format of a run; reported where no device was given."""
    from ..inference.device import describe_device, resolve_device, resolve_precision

    chosen = resolve_device(network.device)
    number_format = resolve_precision(network.precision, chosen)
    reporter.close()
    if network.device == "auto":
        session.say(f"Running on {describe_device(chosen)}, in {number_format}")
    return chosen, number_format


def summary(receipt: Receipt, unit: str = "frame") -> str:
    """The last line: what was written, in what time, at what speed, with how much memory, and what is worth knowing."""
    memory = f", peak memory {bytes_text(receipt.peak_memory)}" if receipt.peak_memory else ""
    text = (
        f"Wrote {receipt.output.path}: {many(receipt.frames, unit)} in {clock(receipt.seconds)} ({receipt.fps:.3g} "
        f"fps){memory}, on {receipt.device} in {receipt.precision}."
    )
    notes = list(receipt.warnings)
    if receipt.resumed_at:
        notes.insert(0, f"resumed after {many(receipt.resumed_at, unit)}")
    if receipt.findings and (count := len(receipt.findings["passages"])):
        notes.append(f"{many(count, 'passage')} may need a look: see the findings in the receipt, or --report")
    return text + (f" Notes: {'; '.join(note.rstrip('.') for note in notes)}." if notes else "")


def named(receipt: Receipt, ready: Ready) -> Receipt:
    """The receipt, with the weight file beside the hash of its tensors."""
    return replace(receipt, weights={**ready.weights(), **receipt.weights})


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of CUDA, MPS or the CPU means that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = ("out of memory", "can't allocate memory", "could not create a primitive")  # the last: oneDNN
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


@contextmanager
def suggest_fitting_size(
    ready: Ready, memory: MemoryConfig, working_size: tuple[int, int], lookahead: int | None = None
) -> Iterator[None]:
    """Turn an out-of-memory error into a DeviceError that names a --size that fits. `working_size` is H, W."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        from ..inference.device import release_memory

        height, width = working_size
        release_memory(error, ready.device)
        raise DeviceError(
            f"The device {ready.device} has too little memory for a working size of {width}×{height}: "
            + _advice(ready, memory, working_size, lookahead)
        ) from error


def _advice(ready: Ready, memory: MemoryConfig, working_size: tuple[int, int], lookahead: int | None) -> str:
    from ..inference.cost import fitting_size
    from ..inference.device import default_lookahead, free_memory

    ahead = lookahead or default_lookahead(ready.device)
    fits = fitting_size(
        ready.model,
        working_size,
        free_memory(ready.device),
        memory,
        device=ready.device,
        precision=ready.precision,
        lookahead=ahead,
    )
    if fits:
        more = ", and --lookahead 1 needs less" if ahead > 1 else ""
        return f"--size {fits} should fit (the film keeps its own size){more}"
    other = "" if ready.device.type == "cpu" else ", or use --device cpu"
    return f"no smaller --size would fit either; close other programs that use it{other}"
