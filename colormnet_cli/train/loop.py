"""The training run: steps, validation, checkpoints, and resuming exactly where it stopped."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, Interrupted, MediaError, OutputError, TrainingError, UsageError
from .data import Batch, TrainingData, batches, check_batch, training_data
from .distributed import Distributed, init_distributed
from .init_weights import initial_model
from .logger import RunLogger
from .networks import network_of
from .run_state import read_checkpoint, write_checkpoint, write_settings, write_weights
from .train_settings import TrainSettings
from .trainer import StepResult, Trainer
from .validation import validate

__all__ = ["TrainingProgress", "TrainingResult", "train"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingProgress:
    """Where a run is, after each step."""

    step: int
    steps: int
    done: int  # steps of this process
    loss: float
    error: float  # mean |ab error| in Lab units
    psnr: float | None  # of the last validation, in dB
    seconds: float  # since this process started


@dataclass(frozen=True)
class TrainingResult:
    """What a run has reached."""

    folder: Path
    steps: int
    loss: float | None  # of the last step; None if no step was left to do
    best_psnr: float | None
    weights: Path | None  # best.pt; None before the first validation


def train(
    settings: TrainSettings,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    resume: bool = False,
    stop_after: int | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train into a folder: last.pt (to resume), best.pt and final.pt (weights), settings.json, log.csv.

    ``stop_after`` ends the process after that many of its steps, with a checkpoint to resume from.

    Raises:
        OutputError: the folder holds a run already, and ``resume`` is not set.
        CheckpointError: there is nothing to resume, or it is another run.
        UsageError: the settings do not fit the data, the run, or the number of processes.
        MediaError: a video or an image cannot be read.
        TrainingError: the loss became infinite or NaN; the last good checkpoint is kept.
        Interrupted: Ctrl-C; the step was completed, and resume continues after it.
    """
    device = torch.device(device)
    with init_distributed(device) as processes:
        if device.type == "cuda" and processes.world_size > 1:
            device = torch.device("cuda", processes.local_rank)
        run = _Run(settings, folder, device, processes, resume)
        try:
            return run.run(stop_after, progress)
        except Interrupted:
            raise
        except KeyboardInterrupt as stop:
            raise Interrupted(f"Interrupted in the middle of a step: {run.advice}.") from stop
        finally:
            if processes.is_main:
                run.logger.close()


class _Run:
    """One process of a run: what it trains, where it is, and the files that the main process writes."""

    def __init__(
        self, settings: TrainSettings, folder: Path, device: torch.device, processes: Distributed, resume: bool
    ):
        self.folder, self.device, self.processes = folder, device, processes
        self.checkpoint = folder / "last.pt"
        self.step, self.best = 0, -math.inf
        check_batch(settings, processes.world_size)
        saved = read_checkpoint(self.checkpoint) if resume else None
        if saved is None and self.checkpoint.exists():
            raise OutputError(f"{folder} holds a run already: resume it, or choose another folder.")
        model = network_of(settings) if saved else initial_model(settings)
        self.settings = settings.with_overrides(network=model.config)
        self.trainer = Trainer(model, self.settings, device, processes)
        if saved:
            self._restore(saved)
        self.data = self._load_data()
        if processes.is_main:  # only now: a mistake in the data should leave no files
            write_settings(folder, self.settings)
            self.logger = RunLogger(folder, self.step)

    def run(self, stop_after: int | None, progress: Callable[[TrainingProgress], None] | None) -> TrainingResult:
        """Do the steps that are left, or ``stop_after`` of them."""
        settings, started, first = self.settings, time.monotonic(), self.step
        end = settings.steps if stop_after is None else min(settings.steps, first + stop_after)
        result: StepResult | None = None
        psnr: float | None = None
        share = {"rank": self.processes.rank, "world_size": self.processes.world_size}
        loader = batches(self.data.training, settings, step=first, **share)
        # Several processes would have to stop at the same step, so there the interrupt is not held back.
        with hold_interrupt(enabled=self.processes.world_size == 1) as interrupted:
            while self.step < end and not interrupted():
                try:
                    result = self.trainer.step(self.step, self._next_batches(loader, first))
                except TrainingError as problem:
                    raise TrainingError(f"{problem}: {self.advice}, with a lower lr.") from None
                self.step += 1
                validated = self.step % settings.validate_every == 0 or self.step == settings.steps
                if validated:
                    psnr = self._validate()
                if self.processes.is_main:
                    seconds = time.monotonic() - started
                    row = {**result._asdict(), "seconds": seconds, "psnr": psnr if validated else None}
                    self.logger.write(step=self.step, **row)
                    if progress is not None:
                        at = {"step": self.step, "steps": settings.steps, "done": self.step - first}
                        progress(
                            TrainingProgress(**at, loss=result.loss, error=result.error, psnr=psnr, seconds=seconds)
                        )
                if self.step % settings.checkpoint_every == 0:
                    self._write_checkpoint()
            if self.step > first and self.step % settings.checkpoint_every:
                self._write_checkpoint()
        if self.step < end:
            text = f"Interrupted after step {self.step} of {settings.steps}: {self.advice}."
            raise Interrupted(text, interrupted() or signal.SIGINT)
        if self.processes.is_main and self.step == settings.steps:
            self._write_weights("final.pt")
        best = None if self.best == -math.inf else self.best
        loss = result.loss if result else None
        return TrainingResult(self.folder, self.step, loss, best, None if best is None else self.folder / "best.pt")

    @property
    def advice(self) -> str:
        """How to continue after an error."""
        return f"resume the run from {self.checkpoint}" if self.checkpoint.exists() else "start again"

    def _load_data(self) -> TrainingData:
        """On each machine, one process unpacks videos while the others wait for it."""
        first = self.processes.local_rank == 0
        if not first:
            self.processes.barrier()
        data = training_data(self.settings, self.folder / "frames")
        if first:
            self.processes.barrier()
        return data

    def _next_batches(self, loader: Iterator[Batch], first: int) -> list[Batch]:
        """The next step's share of this process; if it cannot be read, the steps done so far are saved."""
        try:
            return [next(loader) for _ in range(self.settings.accumulate)]
        except MediaError:
            if self.step > first and self.processes.world_size == 1:  # several would have to stop at the same step
                self._write_checkpoint()
            raise

    def _validate(self) -> float | None:
        """The PSNR on the validation clips, in the main process; the best weights are saved."""
        psnr = None
        if self.processes.is_main:
            result = validate(self.trainer.averaged, self.data.validation, self.device)
            psnr = result.psnr
            _log.info("step %d: validation %.2f dB, chroma %.2f of the original", self.step, psnr, result.chroma)
            self.logger.image(self.step, result.image)
            if psnr > self.best:
                self.best = psnr
                self._write_weights("best.pt")
        self.processes.barrier()
        return psnr

    def _write_weights(self, name: str) -> None:
        write_weights(self.folder / name, self.trainer.averaged, torch.float16 if self.settings.half_weights else None)

    def _write_checkpoint(self) -> None:
        if self.processes.is_main:
            run = {"step": self.step, "best": self.best, "settings": self.settings.to_dict()}
            write_checkpoint(self.checkpoint, {**run, **self.trainer.state_dict()})
        self.processes.barrier()

    def _restore(self, saved: dict[str, Any]) -> None:
        try:
            self.trainer.load_state_dict(saved)
            self.step, self.best = int(saved["step"]), float(saved["best"])
            init = saved["settings"]["init"]
            if self.settings.synthetic and "people" not in saved["settings"]:
                self.best = -math.inf  # it was of other validation clips: those had no people yet
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self.checkpoint} is that of another network or version, or trains other parameters: resume with the "
                "run's own settings, or choose another folder."
            ) from error
        if self.settings.init != init:
            raise UsageError(
                f"{self.folder} started from init {init}, and resumes with its own weights: to start from "
                f"{self.settings.init}, begin a new run in another folder."
            )
        if self.step > self.settings.steps:
            raise UsageError(
                f"{self.folder} is at step {self.step} already, beyond the {self.settings.steps} steps asked for: "
                "steps counts those of the whole run."
            )


@contextmanager
def hold_interrupt(*, enabled: bool = True) -> Iterator[Callable[[], int]]:
    """Hold Ctrl-C, SIGTERM and SIGHUP back until a step is complete.

    Yields a function that returns the number of the signal that came, or 0. A second signal is passed on at once.
    Outside of the main thread nothing is held, nor are signals that are ignored or not handled in Python.
    """
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    previous = {number: signal.getsignal(number) for number in numbers if callable(signal.getsignal(number))}
    received = 0

    def hold(number: int, frame: Any) -> None:
        nonlocal received
        if received:
            previous[number](number, frame)  # type: ignore[operator, misc]
        received = received or number

    if not enabled or threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    for number in previous:
        signal.signal(number, hold)
    try:
        yield lambda: received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
